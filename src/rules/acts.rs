//! What people do to what they have said: redactions and edits, and what a room shows of a message
//! after them.
//!
//! A redaction counts from the moment it is known, whoever made it: the homeserver lets only those
//! redact who may. An edit counts when its author is the message's author, in the order of `/sync`;
//! it is known to exist before it can be read, because its relation is outside the encrypted part.

use serde_json::Value;

use crate::model::DeliveryState;

/// An act, as far as an event shows it without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAct {
    /// The event that is the act.
    pub event_id: String,
    pub author: String,
    /// The event it is done to.
    pub target: String,
    pub kind: ActKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActKind {
    Redaction,
    Edit,
}

impl ActKind {
    /// The word for it in SQL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Redaction => "redaction",
            Self::Edit => "edit",
        }
    }

    /// The inverse of [`ActKind::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Redaction, Self::Edit].into_iter().find(|kind| kind.word() == word)
    }
}

/// The act that an event is, and the redaction that its copy tells of, if any.
///
/// State is no message: redacting it takes nothing back that could leave.
pub fn acts_of(event: &Value) -> impl Iterator<Item = NewAct> {
    let redacted = event.pointer("/unsigned/redacted_because").and_then(|because| {
        let target = id(event, "event_id")?;
        Some(NewAct {
            event_id: id(because, "event_id")?,
            author: text(because, "/sender")?.to_owned(),
            target,
            kind: ActKind::Redaction,
        })
    });
    let is_state = event.get("state_key").is_some();
    [redacted, own_act(event)].into_iter().flatten().filter(move |_| !is_state)
}

fn own_act(event: &Value) -> Option<NewAct> {
    let (target, kind) = match text(event, "/type")? {
        // In room versions below 11 the server vouches for the upper field only.
        "m.room.redaction" => {
            let upper = id(event, "redacts");
            (upper.or_else(|| id(event.get("content")?, "redacts"))?, ActKind::Redaction)
        }
        _ => {
            let relation = event.pointer("/content/m.relates_to")?;
            if text(relation, "/rel_type") != Some("m.replace") {
                return None;
            }
            (id(relation, "event_id")?, ActKind::Edit)
        }
    };
    let author = text(event, "/sender")?.to_owned();
    Some(NewAct { event_id: id(event, "event_id")?, author, target, kind })
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// An event id is at most 255 bytes long.
fn id(value: &Value, name: &str) -> Option<String> {
    let id = value.get(name)?.as_str()?;
    (1..=255).contains(&id.len()).then(|| id.to_owned())
}

/// A kept act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub event_id: String,
    pub author: String,
    pub target: String,
    pub deed: Deed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Redaction,
    Edit(Newer),
}

/// What is known of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newer {
    /// It exists, and could not be read yet.
    Unread,
    /// It says something that can leave.
    Says,
    /// Its version of the message cannot leave.
    Never,
}

/// What a room shows in the place of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// Its first words, or those of an edit.
    Version(Version<'a>),
    /// An edit that cannot be read yet.
    Waits(&'a str),
    /// An edit that cannot leave.
    Never(&'a str),
    /// Nothing: it was redacted.
    Nothing,
}

/// The edit whose words count; `None` for the first words.
pub type Version<'a> = Option<&'a str>;

/// What a room shows of a message by `author`, after these acts in the order of `/sync`.
///
/// Acts on other events may be among them. By the specification, an edit of an edit does not count.
pub fn shown<'a>(message: &str, author: &str, acts: &'a [Act]) -> Shown<'a> {
    let is_redacted =
        |event: &str| acts.iter().any(|act| act.target == event && act.deed == Deed::Redaction);
    if is_redacted(message) {
        return Shown::Nothing;
    }
    let newest = acts.iter().rev().find_map(|act| match act.deed {
        Deed::Edit(newer)
            if act.target == message && act.author == author && !is_redacted(&act.event_id) =>
        {
            Some((act.event_id.as_str(), newer))
        }
        Deed::Edit(_) | Deed::Redaction => None,
    });
    match newest {
        None => Shown::Version(None),
        Some((edit, Newer::Says)) => Shown::Version(Some(edit)),
        Some((edit, Newer::Unread)) => Shown::Waits(edit),
        Some((edit, Newer::Never)) => Shown::Never(edit),
    }
}

/// The position of a message when an act upon it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageStanding<'a> {
    /// The state of its dispatch.
    pub dispatch: DeliveryState,
    /// Whether it was taken out of its dispatch.
    pub is_out: bool,
    /// Whether that was because an edit's key was missing, so that it comes back.
    pub is_held: bool,
    /// The version in which a body that contains it last began to leave.
    pub left_as: Option<Version<'a>>,
    /// Whether its dispatch has another message that leaves.
    pub has_others: bool,
    /// Whether an attempt before the present one may have arrived.
    pub may_have_arrived: bool,
    pub shown: Shown<'a>,
}

/// Where a dispatch is, as far as it counts for what people do to its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// Nothing of its body is on its way: what is shown when it leaves counts.
    InHouse,
    UnderWay,
    /// The channel took it, whatever reports say since.
    Gone,
    Failed,
    /// It may be with the other side. A dispatch that a report calls undelivered counts as one of
    /// these: it has left, and a person decides whether it leaves again.
    Unclear,
    Withdrawn,
}

impl Whereabouts {
    pub fn of(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Collecting
            | DeliveryState::Waiting
            | DeliveryState::HandingOver
            | DeliveryState::Previewed => Self::InHouse,
            DeliveryState::SendingBody => Self::UnderWay,
            DeliveryState::Accepted
            | DeliveryState::Delayed
            | DeliveryState::Relayed
            | DeliveryState::Delivered
            | DeliveryState::Read
            | DeliveryState::Discarded => Self::Gone,
            DeliveryState::Failed => Self::Failed,
            DeliveryState::Unclear | DeliveryState::Undelivered | DeliveryState::Contradicted => {
                Self::Unclear
            }
            DeliveryState::Withdrawn => Self::Withdrawn,
        }
    }
}

/// What follows from an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct After {
    pub part: PartAfter,
    pub dispatch: DispatchAfter,
    pub say: Option<Say>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartAfter {
    #[default]
    Stays,
    /// It will not leave, whatever comes.
    GoesOut,
    /// It leaves after all, in its own dispatch.
    ComesBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DispatchAfter {
    #[default]
    Stays,
    /// Nothing is left of it: it is withdrawn, and what is said takes the place of its notice.
    Withdrawn,
    /// Nothing is left that could be tried again, and it is not known whether it arrived.
    NotAgain,
}

/// What the room is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Nothing of the dispatch was handed over, and nothing will be.
    Withdrawn,
    /// Why the edit cannot leave, and that the message does not either.
    EditStays,
    /// The same, and that it may have arrived before.
    EditStaysUnclear,
    /// The message stayed in the room before, and so does its edit.
    MessageStayed,
    /// The key of the edit came; it leaves.
    EditReadableNow,
    EditUnderWay,
    EditTooLate,
    EditUnclear,
    /// It may have arrived in its old form, and is tried once more in its present one.
    EditNextTime,
    EditAfterFailure,
    /// It came in time after all: the attempt under way failed.
    EditInTime,
    WithdrawalUnderWay,
    WithdrawalTooLate,
    WithdrawalUnclear,
    WithdrawalAfterFailure,
    WithdrawalInTime,
}

/// What follows from an act that was just read.
pub fn after(act: ActKind, now: MessageStanding<'_>) -> After {
    if now.is_out {
        return after_for_one_that_is_out(act, now);
    }
    match now.shown {
        // The next attempt waits for it.
        Shown::Waits(_) => After::default(),
        Shown::Version(version) if now.left_as == Some(version) => After::default(),
        Shown::Version(_) => After { say: of_an_edit(now), ..After::default() },
        Shown::Nothing if now.may_have_arrived => {
            taken_out(now, Say::WithdrawalUnclear, of_a_withdrawal(now))
        }
        Shown::Nothing => taken_out(now, Say::Withdrawn, of_a_withdrawal(now)),
        Shown::Never(_) => {
            let stays = stays(now);
            let say = match Whereabouts::of(now.dispatch) {
                Whereabouts::UnderWay | Whereabouts::Gone => of_an_edit(now),
                _ => Some(stays),
            };
            taken_out(now, stays, say)
        }
    }
}

fn after_for_one_that_is_out(act: ActKind, now: MessageStanding<'_>) -> After {
    match (now.shown, act) {
        (Shown::Version(_), _) if now.is_held => After {
            part: PartAfter::ComesBack,
            say: Some(Say::EditReadableNow),
            ..After::default()
        },
        (Shown::Never(_), ActKind::Edit) if now.is_held => {
            After { part: PartAfter::GoesOut, say: Some(stays(now)), ..After::default() }
        }
        (Shown::Version(_) | Shown::Never(_), ActKind::Edit) => {
            After { say: Some(Say::MessageStayed), ..After::default() }
        }
        (Shown::Nothing, _) if now.is_held => {
            After { part: PartAfter::GoesOut, ..After::default() }
        }
        _ => After::default(),
    }
}

/// A message will not leave: `withdrawn` is said if its whole dispatch does not leave either,
/// `else_say` otherwise.
fn taken_out(now: MessageStanding<'_>, withdrawn: Say, else_say: Option<Say>) -> After {
    let (part, stays) = (PartAfter::GoesOut, DispatchAfter::Stays);
    match Whereabouts::of(now.dispatch) {
        Whereabouts::Gone => After { part: PartAfter::Stays, dispatch: stays, say: else_say },
        Whereabouts::UnderWay | Whereabouts::Withdrawn => {
            After { part, dispatch: stays, say: else_say }
        }
        Whereabouts::InHouse | Whereabouts::Failed | Whereabouts::Unclear if now.has_others => {
            After { part, dispatch: stays, say: else_say }
        }
        Whereabouts::Unclear => After { part, dispatch: DispatchAfter::NotAgain, say: else_say },
        Whereabouts::InHouse | Whereabouts::Failed => {
            After { part, dispatch: DispatchAfter::Withdrawn, say: Some(withdrawn) }
        }
    }
}

/// Says that the edited version of a message cannot leave.
fn stays(now: MessageStanding<'_>) -> Say {
    match Whereabouts::of(now.dispatch) {
        Whereabouts::Unclear => Say::EditStaysUnclear,
        _ if now.may_have_arrived => Say::EditStaysUnclear,
        _ => Say::EditStays,
    }
}

fn of_an_edit(now: MessageStanding<'_>) -> Option<Say> {
    match Whereabouts::of(now.dispatch) {
        Whereabouts::InHouse if now.may_have_arrived => Some(Say::EditNextTime),
        // The next mail that is written says it.
        Whereabouts::InHouse => None,
        Whereabouts::UnderWay => Some(Say::EditUnderWay),
        Whereabouts::Gone => Some(Say::EditTooLate),
        Whereabouts::Failed if now.may_have_arrived => Some(Say::EditUnclear),
        Whereabouts::Failed => Some(Say::EditAfterFailure),
        Whereabouts::Unclear => Some(Say::EditUnclear),
        Whereabouts::Withdrawn => Some(Say::MessageStayed),
    }
}

fn of_a_withdrawal(now: MessageStanding<'_>) -> Option<Say> {
    match Whereabouts::of(now.dispatch) {
        Whereabouts::InHouse | Whereabouts::Failed if now.may_have_arrived => {
            Some(Say::WithdrawalUnclear)
        }
        // A person who deletes a message expects no more than that it does not leave.
        Whereabouts::InHouse | Whereabouts::Withdrawn => None,
        Whereabouts::UnderWay => Some(Say::WithdrawalUnderWay),
        Whereabouts::Gone => Some(Say::WithdrawalTooLate),
        Whereabouts::Failed => Some(Say::WithdrawalAfterFailure),
        Whereabouts::Unclear => Some(Say::WithdrawalUnclear),
    }
}

/// What became of an act that came while the answer was under way, now that the attempt has ended.
/// `None`: it has not. `may_have_arrived`: whether an earlier attempt may have.
pub fn in_the_end(act: ActKind, dispatch: DeliveryState, may_have_arrived: bool) -> Option<Say> {
    Some(match (act, Whereabouts::of(dispatch)) {
        (_, Whereabouts::UnderWay) => return None,
        (ActKind::Edit, Whereabouts::Gone) => Say::EditTooLate,
        (ActKind::Edit, Whereabouts::Unclear) => Say::EditUnclear,
        (ActKind::Edit, Whereabouts::Failed) if may_have_arrived => Say::EditUnclear,
        (ActKind::Edit, _) if may_have_arrived => Say::EditNextTime,
        (ActKind::Edit, Whereabouts::Failed) => Say::EditAfterFailure,
        (ActKind::Edit, _) => Say::EditInTime,
        (ActKind::Redaction, Whereabouts::Gone) => Say::WithdrawalTooLate,
        (ActKind::Redaction, Whereabouts::Unclear) => Say::WithdrawalUnclear,
        (ActKind::Redaction, _) if may_have_arrived => Say::WithdrawalUnclear,
        (ActKind::Redaction, Whereabouts::Failed) => Say::WithdrawalAfterFailure,
        (ActKind::Redaction, _) => Say::WithdrawalInTime,
    })
}

#[cfg(test)]
mod tests;
