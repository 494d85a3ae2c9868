//! Reports move dispatches on: the state is looked up by Message-ID and recipient, moves forwards
//! only, and is shown where the message stands (KIM-29; `rules::reported`).

use tracing::{info, warn};

use super::{
    Ctx, Line,
    notices::{notice_about, said_of_kind},
};
use crate::{
    model::{
        ChannelKind, ConversationId, Correspondent, DeliveryState, FateWhy, FaxNumber, LetterId,
        MailAddress, Notice, Report,
    },
    phrases::{FaxPhrase, Phrase},
    rules::reported::{self, Follows, ReportSays},
    store::{NewReport, ReportStep, ReportTaken, ReportedDispatch, StoreError},
};

/// Rooms told of silence in one step of the sweep: after a day without reports there may be hundreds.
const SILENT_AT_ONCE: i64 = 50;

/// Takes a report for what it says about its dispatch. `false`: it moves none, and is a letter like
/// any other.
pub(super) async fn take(
    ctx: &Ctx,
    line: &Line,
    letter: LetterId,
    report: &Report,
    fingerprint: Option<[u8; 32]>,
) -> Result<bool, StoreError> {
    loop {
        let channel = &line.channel.name;
        let Some(dispatch) = ctx.store.reported_dispatch(channel, &report.about).await? else {
            return Ok(false);
        };
        let Some(said) = about(line, &dispatch, report) else { return Ok(false) };
        match take_step(ctx, line, (letter, fingerprint), &dispatch, (said, None, None)).await? {
            ReportProgress::Taken => return Ok(true),
            ReportProgress::Impossible => return Ok(false),
            ReportProgress::Moved => {}
        }
    }
}

/// What became of a report.
pub(super) enum ReportProgress {
    Taken,
    /// It cannot be about this dispatch.
    Impossible,
    /// The dispatch moved meanwhile: the report has to be judged again.
    Moved,
}

/// Lets a report move its dispatch. `pages`: how many a fax gateway says it sent; `words`:
/// why it failed, as that wrote it.
pub(super) async fn take_step(
    ctx: &Ctx,
    line: &Line,
    (letter, fingerprint): (LetterId, Option<[u8; 32]>),
    dispatch: &ReportedDispatch,
    (said, pages, words): (ReportSays, Option<u32>, Option<&str>),
) -> Result<ReportProgress, StoreError> {
    let Some(state) = dispatch.state else { return Ok(ReportProgress::Impossible) };
    let follows = match reported::follows(state, dispatch.has_left, said.state) {
        Follows::Becomes(_) if is_changed(ctx, dispatch, state).await? => Follows::Impossible,
        follows => follows,
    };
    if follows == Follows::Impossible {
        return Ok(ReportProgress::Impossible);
    }
    let new = NewReport {
        letter,
        fingerprint,
        dispatch,
        said: said.state,
        why: said.why.map(FateWhy::word),
        words,
        at: ctx.clock.now(),
    };
    let shown = ShownReport::of(ctx, line, dispatch, follows, (said.why, pages));
    let step = shown.as_ref().map(ShownReport::step);
    Ok(match ctx.store.take_report(new, step, follows == Follows::Waits).await? {
        ReportTaken::Taken => {
            tell(line, dispatch, said.state, follows);
            ReportProgress::Taken
        }
        ReportTaken::Before => ReportProgress::Taken,
        ReportTaken::Moved => ReportProgress::Moved,
    })
}

/// Judges the reports that came while an attempt at one of a conversation's dispatches was under way,
/// and that attempt has ended.
pub(super) async fn catch_up(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
) -> Result<(), StoreError> {
    while let Some(report) = ctx.store.waiting_report(conversation).await? {
        let dispatch = &report.dispatch;
        let follows = match dispatch.state {
            Some(state) if is_changed(ctx, dispatch, state).await? => Follows::IsKnown,
            Some(state) => {
                reported::follows_late(state, dispatch.has_left, report.said, report.is_overtaken)
            }
            None => Follows::IsKnown,
        };
        // Another attempt is under way by now.
        if follows == Follows::Waits {
            return Ok(());
        }
        let why = report.why.as_deref().map(FateWhy::from_word);
        let shown = ShownReport::of(ctx, line, dispatch, follows, (why, None));
        let step = shown.as_ref().map(ShownReport::step);
        let ended = ctx.store.end_waiting_report(&report, step, ctx.clock.now()).await?;
        if ended {
            tell(line, dispatch, report.said, follows);
        }
    }
    Ok(())
}

/// Tells the rooms of dispatches whose mail server agreed to report and has been silent for as long as
/// the channel sets. It is said once, in the place of "handed over": nothing has gone wrong for certain.
pub async fn tell_of_silence(ctx: &Ctx) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    for (name, line) in &ctx.channels {
        let Some(wait) = line.channel.report_wait() else { continue };
        // A fax gateway that tries again has always an end.
        let also_delayed = line.channel.kind() == ChannelKind::Fax;
        for dispatch in ctx.store.unreported(name, now - wait, also_delayed, SILENT_AT_ONCE).await?
        {
            let at = dispatch.taken_at;
            let phrase = match line.channel.kind() {
                ChannelKind::Kim => Phrase::DispatchUnreported { at },
                ChannelKind::Fax => Phrase::OfFax(FaxPhrase::Unreported { at }),
            };
            let phrase = said_of_kind(phrase, dispatch.may_have_arrived, dispatch.is_receipt);
            let notice = notice_about(line, &phrase, dispatch.first_event.as_deref());
            ctx.store.tell_unreported(&dispatch, &notice, now).await?;
            info!(dispatch.id = %dispatch.id, channel.name = %name, "Nobody reported what became of dispatch {}", dispatch.id);
        }
    }
    Ok(())
}

/// Whether a dispatch waits to leave with other words than those that a report can be about: its author
/// corrected it, and the correction still leaves.
async fn is_changed(
    ctx: &Ctx,
    dispatch: &ReportedDispatch,
    state: DeliveryState,
) -> Result<bool, StoreError> {
    if !matches!(state, DeliveryState::Waiting | DeliveryState::HandingOver) {
        return Ok(false);
    }
    let shown = match ctx.store.composition(dispatch.id).await {
        // Its next attempt meets the damage, and tells of it.
        Err(StoreError::Damaged(_)) => return Ok(true),
        shown => shown?,
    };
    Ok(shown.waits || dispatch.said_as.as_deref() != Some(shown.mark().as_str()))
}

/// What a report says of the recipient of a dispatch. On a fax line it is about the mail to the gateway,
/// and nobody but the gateway knows of the paper: that the mail arrived changes nothing (FAX-30).
fn about(line: &Line, dispatch: &ReportedDispatch, report: &Report) -> Option<ReportSays> {
    let said = reported::said_of(report, &recipient(line, dispatch)?)?;
    match line.channel.kind() {
        ChannelKind::Kim => Some(said),
        ChannelKind::Fax => Some(reported::of_the_mail_to_a_gateway(said)),
    }
}

/// Whom a dispatch was handed over for.
pub(super) fn recipient(line: &Line, dispatch: &ReportedDispatch) -> Option<MailAddress> {
    let channel = &line.channel;
    let correspondent = match &dispatch.answer_to {
        Some(elsewhere) if channel.kind() == ChannelKind::Kim => {
            Correspondent::Mail(elsewhere.clone())
        }
        _ => Correspondent::from_key(channel.kind(), &dispatch.correspondent).ok()?,
    };
    channel.recipient(&correspondent).ok()
}

/// The number that a fax went to.
pub(super) fn recipient_number(line: &Line, dispatch: &ReportedDispatch) -> Option<FaxNumber> {
    let kind = line.channel.kind();
    Correspondent::from_key(kind, &dispatch.correspondent).ok()?.number().cloned()
}

fn tell(line: &Line, dispatch: &ReportedDispatch, said: DeliveryState, follows: Follows) {
    let (id, channel) = (dispatch.id, &line.channel.name);
    metrics::counter!("umstieg_reports_total", "channel" => channel.to_string(), "said" => said.word())
        .increment(1);
    match follows {
        Follows::Becomes(to @ (DeliveryState::Undelivered | DeliveryState::Contradicted)) => {
            metrics::counter!("umstieg_parked_total", "kind" => "dispatch").increment(1);
            warn!(dispatch.id = %id, channel.name = %channel, "By a report dispatch {id} is {}", to.word());
        }
        Follows::Becomes(to) => {
            info!(dispatch.id = %id, channel.name = %channel, "By a report dispatch {id} is {}", to.word());
        }
        _ => {
            info!(dispatch.id = %id, channel.name = %channel, "A report about dispatch {id} changes nothing")
        }
    }
}

/// The state that a report gives to a dispatch, as its room sees it.
struct ShownReport<'a> {
    line: &'a Line,
    to: DeliveryState,
    notice: Notice,
}

impl<'a> ShownReport<'a> {
    /// Nothing when the state stays.
    fn of(
        ctx: &Ctx,
        line: &'a Line,
        dispatch: &ReportedDispatch,
        follows: Follows,
        (why, pages): (Option<FateWhy>, Option<u32>),
    ) -> Option<Self> {
        let Follows::Becomes(to) = follows else { return None };
        let at = ctx.clock.now();
        let why = why.unwrap_or(FateWhy::Unknown);
        let phrase = match to {
            DeliveryState::Delivered if line.channel.kind() == ChannelKind::Fax => {
                Phrase::OfFax(FaxPhrase::Sent { at, pages })
            }
            DeliveryState::Undelivered if line.channel.kind() == ChannelKind::Fax => {
                Phrase::OfFax(FaxPhrase::NotSent { at, why })
            }
            DeliveryState::Delayed if why == FateWhy::MailServer => {
                Phrase::OfFax(FaxPhrase::MailDelayed { at })
            }
            DeliveryState::Delayed if line.channel.kind() == ChannelKind::Fax => {
                Phrase::OfFax(FaxPhrase::TriesAgain { at })
            }
            DeliveryState::Delayed => Phrase::DispatchDelayed { at },
            DeliveryState::Relayed => Phrase::DispatchRelayed { at },
            DeliveryState::Read => Phrase::DispatchRead { at },
            DeliveryState::Discarded => Phrase::DispatchDiscarded { at },
            DeliveryState::Undelivered => Phrase::DispatchUndelivered { at, why },
            DeliveryState::Contradicted => Phrase::DispatchContradicted,
            _ => Phrase::DispatchDelivered { at },
        };
        let phrase = said_of_kind(phrase, dispatch.may_have_arrived, dispatch.is_receipt);
        let notice = notice_about(line, &phrase, dispatch.first_event.as_deref());
        Some(Self { line, to, notice })
    }

    fn step(&self) -> ReportStep<'_> {
        ReportStep {
            to: self.to,
            notice: &self.notice,
            is_news: reported::is_news(self.to),
            parked_for: self.to.needs_a_person().then_some(&self.line.channel.name),
        }
    }
}
