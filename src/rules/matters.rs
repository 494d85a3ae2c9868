//! What a conversation asks of its team: who has it, is it done, was it answered.

use std::time::Duration;

use time::OffsetDateTime;

use crate::model::{DeliveryState, MatterState, OpeningHours, TrayNews};

use super::hours;

/// At most one reminder in this time in one tray: what becomes due within it is said in one message.
pub const REMINDER_PAUSE: Duration = Duration::from_secs(3600);

/// Where a matter stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matter {
    pub state: MatterState,
    /// The Matrix user who takes care of it, while it is taken.
    pub holder: Option<String>,
    /// Since when a letter waits, whoever took it meanwhile.
    pub waits_since: OffsetDateTime,
    /// Since when it stands as it does.
    pub since: OffsetDateTime,
}

impl Matter {
    /// One of which nothing was heard yet.
    pub fn new(at: OffsetDateTime) -> Self {
        Self { state: MatterState::Done, holder: None, waits_since: at, since: at }
    }

    /// Whether it stands otherwise than another.
    pub fn differs(&self, other: &Self) -> bool {
        (self.state, &self.holder) != (other.state, &other.holder)
    }
}

/// What happens to a matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatterStep {
    /// A letter came.
    Letter,
    /// An answer left, and no letter came while it was written.
    Answer,
    /// An answer that had left did not arrive.
    Unanswered,
    /// A member takes care of it: themselves, or because another handed it over.
    Take(String),
    Done,
    Open,
}

impl MatterStep {
    /// The word for it in SQL.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Answer => "answer",
            Self::Unanswered => "unanswered",
            Self::Take(_) => "take",
            Self::Done => "done",
            Self::Open => "open",
        }
    }

    /// The inverse of `word`; nothing for another word, and where a holder is missing.
    pub fn from_word(word: &str, holder: Option<&str>) -> Option<Self> {
        match word {
            "letter" => Some(Self::Letter),
            "answer" => Some(Self::Answer),
            "unanswered" => Some(Self::Unanswered),
            "take" => holder.map(|holder| Self::Take(holder.to_owned())),
            "done" => Some(Self::Done),
            "open" => Some(Self::Open),
            _ => None,
        }
    }

    /// To whom it gives the matter.
    pub fn holder(&self) -> Option<&str> {
        match self {
            Self::Take(holder) => Some(holder),
            _ => None,
        }
    }
}

/// Where a matter stands after a step.
pub fn after(matter: &Matter, step: &MatterStep, at: OffsetDateTime) -> Matter {
    let before = matter.state;
    let wanted = match step {
        MatterStep::Letter if before.waits() => before,
        MatterStep::Letter | MatterStep::Open => MatterState::Open,
        // What a member called done stays done when the last words leave.
        MatterStep::Answer if before == MatterState::Done => before,
        MatterStep::Answer => MatterState::Answered,
        MatterStep::Unanswered if before == MatterState::Answered => MatterState::Open,
        MatterStep::Unanswered => before,
        MatterStep::Take(_) => MatterState::Taken,
        MatterStep::Done => MatterState::Done,
    };
    let state = before.to(wanted).unwrap_or(before);
    let holder = match step {
        MatterStep::Take(holder) => Some(holder.clone()),
        _ if state == MatterState::Taken => matter.holder.clone(),
        _ => None,
    };
    let next = Matter { state, holder, ..matter.clone() };
    let since = if next.differs(matter) { at } else { matter.since };
    let waits_since = if state.waits() && !before.waits() { at } else { matter.waits_since };
    Matter { since, waits_since, ..next }
}

/// Where a matter stands after all steps that count, each with its moment, oldest first. `None`: after
/// none.
pub fn after_all<'a>(
    steps: impl IntoIterator<Item = &'a (MatterStep, OffsetDateTime)>,
) -> Option<Matter> {
    steps.into_iter().fold(None, |matter, (step, at)| {
        Some(after(&matter.unwrap_or_else(|| Matter::new(*at)), step, *at))
    })
}

/// What the tray is told of a letter into a matter that stood so; `None`: nothing was heard of it.
pub fn news_of_letter(before: Option<MatterState>) -> Option<TrayNews> {
    match before {
        None => Some(TrayNews::New),
        Some(MatterState::Answered | MatterState::Done) => Some(TrayNews::Again),
        Some(MatterState::Open | MatterState::Taken) => None,
    }
}

/// What the state of an answer says about its matter.
pub fn step_of_delivery(from: DeliveryState, to: DeliveryState) -> Option<MatterStep> {
    match (has_left(from), has_left(to)) {
        (false, true) => Some(MatterStep::Answer),
        (true, false) => Some(MatterStep::Unanswered),
        (true, true) | (false, false) => None,
    }
}

/// Whether an answer left, as far as anybody knows.
fn has_left(state: DeliveryState) -> bool {
    match state {
        DeliveryState::Accepted
        | DeliveryState::Delayed
        | DeliveryState::Relayed
        | DeliveryState::Delivered
        | DeliveryState::Read
        | DeliveryState::Discarded => true,
        DeliveryState::Collecting
        | DeliveryState::Waiting
        | DeliveryState::HandingOver
        | DeliveryState::Previewed
        | DeliveryState::SendingBody
        | DeliveryState::Undelivered
        | DeliveryState::Contradicted
        | DeliveryState::Failed
        | DeliveryState::Unclear
        | DeliveryState::Withdrawn => false,
    }
}

/// Whether a tray may be reminded now. A last time that is later than now is a clock that was set back,
/// and holds up nothing.
pub fn may_remind(
    open: Option<&OpeningHours>,
    last: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> bool {
    let was_just_now = last.is_some_and(|last| last <= now && now < last + REMINDER_PAUSE);
    hours::is_open(open, now) && !was_just_now
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration as Span, macros::datetime};

    use super::*;
    use crate::model::DaySpan;

    const AT: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn take(who: &str) -> MatterStep {
        MatterStep::Take(who.to_owned())
    }

    /// Where a matter stands after steps that are a minute apart, and since which of them it waits.
    fn check(steps: &[MatterStep], state: MatterState, holder: Option<&str>, waits_since: i64) {
        let steps: Vec<_> =
            (0..).zip(steps).map(|(n, step)| (step.clone(), AT + Span::minutes(n))).collect();
        let matter = after_all(&steps).unwrap();
        assert_eq!((matter.state, matter.holder.as_deref()), (state, holder), "{steps:?}");
        if state.waits() {
            assert_eq!(matter.waits_since, AT + Span::minutes(waits_since), "{steps:?}");
        }
    }

    #[test]
    fn each_step_leads_where_people_expect() {
        use MatterState::{Answered, Done, Open, Taken};
        use MatterStep::{Answer, Letter, Unanswered};
        check(&[Letter], Open, None, 0);
        check(&[Letter, Letter], Open, None, 0);
        check(&[Letter, take("a")], Taken, Some("a"), 0);
        check(&[Letter, take("a"), Letter], Taken, Some("a"), 0);
        check(&[Letter, take("a"), take("b")], Taken, Some("b"), 0);
        check(&[Letter, take("a"), Answer], Answered, None, 0);
        check(&[Letter, Answer, Letter], Open, None, 2);
        check(&[Letter, Answer, Unanswered], Open, None, 2);
        check(&[Letter, Answer, Letter, Unanswered], Open, None, 2);
        check(&[Letter, take("a"), Unanswered], Taken, Some("a"), 0);
        check(&[Letter, MatterStep::Done], Done, None, 0);
        check(&[Letter, MatterStep::Done, Answer], Done, None, 0);
        check(&[Letter, MatterStep::Done, Unanswered], Done, None, 0);
        check(&[Letter, MatterStep::Done, Letter], Open, None, 2);
        check(&[Letter, MatterStep::Done, take("a")], Taken, Some("a"), 2);
        check(&[Letter, MatterStep::Done, MatterStep::Open], Open, None, 2);
        check(&[Letter, take("a"), MatterStep::Open], Open, None, 0);
        check(&[take("a")], Taken, Some("a"), 0);
        assert_eq!(after_all(&[]), None);
    }

    #[test]
    fn the_tray_is_told_of_what_is_new_and_of_what_waits_again() {
        use MatterState::{Answered, Done, Open, Taken};
        for (before, expected) in [
            (None, Some(TrayNews::New)),
            (Some(Open), None),
            (Some(Taken), None),
            (Some(Answered), Some(TrayNews::Again)),
            (Some(Done), Some(TrayNews::Again)),
        ] {
            assert_eq!(news_of_letter(before), expected, "{before:?}");
        }
    }

    /// What is not known to have left is no answer.
    #[test]
    fn only_what_left_is_an_answer() {
        use DeliveryState::{
            Accepted, Contradicted, Delivered, Failed, SendingBody, Unclear, Undelivered, Waiting,
        };
        for (from, to, expected) in [
            (SendingBody, Accepted, Some(MatterStep::Answer)),
            (Unclear, Delivered, Some(MatterStep::Answer)),
            (Waiting, Delivered, Some(MatterStep::Answer)),
            (Accepted, Delivered, None),
            (Accepted, Undelivered, Some(MatterStep::Unanswered)),
            (Delivered, Contradicted, Some(MatterStep::Unanswered)),
            (SendingBody, Failed, None),
            (SendingBody, Unclear, None),
            (Unclear, Undelivered, None),
        ] {
            assert_eq!(step_of_delivery(from, to), expected, "{from:?} {to:?}");
        }
    }

    #[test]
    fn a_reminder_comes_within_the_hours_and_collected() {
        let mut hours = OpeningHours::default();
        // 13:00 by German clocks, a Wednesday.
        hours.days[2] = vec![DaySpan::new("13:00-14:00").unwrap()];
        let pause = Span::hours(1);
        for (last, now, expected) in [
            (None, AT, true),
            (None, AT - Span::seconds(1), false),
            (None, AT + pause, false),
            (Some(AT), AT + Span::minutes(59), false),
            (Some(AT - pause), AT, true),
            // Set back by a day since.
            (Some(AT + Span::days(1)), AT, true),
            (Some(AT + Span::seconds(1)), AT, true),
        ] {
            assert_eq!(may_remind(Some(&hours), last, now), expected, "{last:?} {now}");
        }
        assert!(may_remind(None, None, AT - Span::hours(5)));
    }

    fn step() -> impl Strategy<Value = MatterStep> {
        prop_oneof![
            Just(MatterStep::Letter),
            Just(MatterStep::Answer),
            Just(MatterStep::Unanswered),
            "[ab]".prop_map(MatterStep::Take),
            Just(MatterStep::Done),
            Just(MatterStep::Open),
        ]
    }

    proptest! {
        /// Whatever happened: after a letter somebody has something to do, and who is named has it.
        #[test]
        fn no_letter_is_ever_out_of_sight(steps in prop::collection::vec(step(), 0..20)) {
            let steps: Vec<_> = steps.into_iter().map(|step| (step, AT)).collect();
            let before = after_all(&steps).unwrap_or_else(|| Matter::new(AT));
            prop_assert_eq!(before.holder.is_some(), before.state == MatterState::Taken);
            let then = after(&before, &MatterStep::Letter, AT);
            prop_assert!(then.state.waits());
            for (step, _) in &steps {
                let again = MatterStep::from_word(step.word(), step.holder());
                prop_assert_eq!(again.as_ref(), Some(step));
            }
        }
    }
}
