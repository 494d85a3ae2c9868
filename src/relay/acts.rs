//! What follows from edits and redactions: [`crate::rules::acts`] decides, this module does it and
//! says it.

use tracing::{info, warn};

use super::{
    Ctx, Line,
    notices::{after_unclear, notice, notice_to, said_of, said_of_kind},
    reader::PortalReader,
};
use crate::{
    model::{ConversationId, DeliveryState, RoomFile},
    phrases::{EditTrouble, Phrase, SendingPhrase, StartPhrase},
    rules::{
        acts::{ActKind, DispatchAfter, PartAfter, Say, Whereabouts, after, in_the_end},
        routing::{Refusal, WhatLeaves},
    },
    store::{EventStep, StoreError, StoredPart, UnderWay, WaitForEdit},
};

/// How many acts are told their end in one go.
const TOLD_AT_ONCE: i64 = 100;

/// An act that can be read.
pub(super) struct ReadAct<'a> {
    /// The act's own event.
    pub(super) event_id: &'a str,
    pub(super) author: &'a str,
    pub(super) kind: ActKind,
    /// The event it is done to.
    pub(super) message: &'a str,
    /// Why its content cannot leave.
    pub(super) trouble: Option<EditTrouble>,
    /// Whether its author was told that it could not be read.
    pub(super) was_announced: bool,
}

/// The thing an act was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActTarget {
    /// A part of a dispatch; what follows is done and said.
    Part,
    /// A message that stayed in the room.
    Stayed,
    /// A message that was not read yet, or never will be.
    Unknown,
    /// Another person's message.
    NotTheirs,
}

/// Does what follows from an act on a message of this portal.
pub(super) async fn follow(
    reader: &PortalReader<'_>,
    step: &mut EventStep<'_>,
    act: &ReadAct<'_>,
) -> Result<ActTarget, StoreError> {
    let conversation = reader.conversation.id;
    let Some(stood) = step.standing_of(conversation, act.message).await? else {
        return no_part(reader, step, act).await;
    };
    // Nobody can edit another person's message; clients do not show such an edit.
    if act.kind == ActKind::Edit && act.author != stood.author() {
        return Ok(ActTarget::NotTheirs);
    }
    let standing = stood.standing();
    let after = after(act.kind, standing);
    match after.part {
        PartAfter::Stays => {}
        PartAfter::GoesOut => {
            step.take_out(&stood).await?;
            // The notices speak of the dispatch at the part that still leaves.
            if after.dispatch == DispatchAfter::Stays && after.say.is_none() && !standing.is_out {
                let notice = notice_to(reader.line, &Phrase::WithdrawalInTime, act.message);
                step.notice_ends(&stood, &notice).await?;
            }
        }
        PartAfter::ComesBack => {
            if let Some(message_id) = reader.message_id() {
                // Its words are those the room shows.
                let nothing = StoredPart::Several(Vec::new());
                let new = reader.new_part(stood.author(), stood.message(), &nothing, &message_id);
                step.come_back(&stood, new).await?;
            }
        }
    }
    let phrase = after.say.map(|say| phrase_of(say, act.trouble));
    match (after.dispatch, phrase) {
        (DispatchAfter::Withdrawn, Some(phrase)) => {
            step.withdraw(&stood, &notice_to(reader.line, &phrase, act.message)).await?;
        }
        (_, Some(Phrase::EditReadableNow)) => {
            readable_now(reader, step, stood.held_by().unwrap_or(act.event_id)).await?;
        }
        (_, Some(phrase)) => reader.tell(step, act.event_id, act.message, &phrase).await?,
        (_, None) if act.was_announced && !stood.standing().is_out => {
            readable_now(reader, step, act.event_id).await?;
        }
        (_, None) => {}
    }
    if after.dispatch == DispatchAfter::NotAgain {
        step.not_again(&stood).await?;
    }
    if matches!(after.say, Some(Say::EditUnderWay | Say::WithdrawalUnderWay)) {
        step.is_told_under_way(act.event_id).await?;
    }
    step.is_shown_anew(&stood).await?;
    // What waited for this edit need not wait any longer.
    step.wake_hand_over(conversation).await?;
    Ok(ActTarget::Part)
}

/// An act on something that is no part of a dispatch.
async fn no_part(
    reader: &PortalReader<'_>,
    step: &mut EventStep<'_>,
    act: &ReadAct<'_>,
) -> Result<ActTarget, StoreError> {
    if act.kind == ActKind::Redaction {
        take_back_receipt(reader, step, act).await?;
        take_back_confirmation(reader, step, act).await?;
        take_back_address(reader, step, act).await?;
        step.sign_is_gone(reader.conversation.id, act.message).await?;
        return Ok(ActTarget::Unknown);
    }
    if step.stayed_in_the_room(reader.room_id, act.message, act.author).await? {
        if act.trouble.is_none() {
            reader.tell(step, act.event_id, act.message, &Phrase::EditOfWhatStayed).await?;
        }
        return Ok(ActTarget::Stayed);
    }
    // It is applied when its message is read.
    if act.was_announced && act.trouble.is_none() {
        readable_now(reader, step, act.event_id).await?;
    }
    Ok(ActTarget::Unknown)
}

/// Stops the receipt that a deleted command had sent, or says that it has left.
async fn take_back_receipt(
    reader: &PortalReader<'_>,
    step: &mut EventStep<'_>,
    act: &ReadAct<'_>,
) -> Result<(), StoreError> {
    let conversation = reader.conversation.id;
    let said = |phrase, may_have_arrived| said_of_kind(phrase, may_have_arrived, true);
    let withdrawn = |may_have_arrived| {
        let phrase = said(Phrase::DispatchWithdrawn, may_have_arrived);
        notice_to(reader.line, &phrase, act.message)
    };
    let phrase = match step.take_back_receipt(conversation, act.message, withdrawn).await? {
        None | Some(Whereabouts::InHouse | Whereabouts::Failed | Whereabouts::Withdrawn) => {
            return Ok(());
        }
        Some(Whereabouts::Gone) => Phrase::WithdrawalTooLate,
        Some(Whereabouts::UnderWay | Whereabouts::Unclear) => Phrase::WithdrawalUnclear,
    };
    reader.tell(step, act.event_id, act.message, &said(phrase, false)).await
}

/// Says that a confirmation of a fax was taken back too late. In time nothing has to be said: the fax is
/// shown anew, with the reason.
async fn take_back_confirmation(
    reader: &PortalReader<'_>,
    step: &mut EventStep<'_>,
    act: &ReadAct<'_>,
) -> Result<(), StoreError> {
    let state = step.confirmation_taken_back(reader.conversation.id, act.message).await?;
    match state {
        None
        | Some(
            DeliveryState::Collecting
            | DeliveryState::Waiting
            | DeliveryState::HandingOver
            | DeliveryState::Previewed
            | DeliveryState::Failed
            | DeliveryState::Withdrawn,
        ) => Ok(()),
        Some(_) => {
            let phrase = Phrase::OfSending(SendingPhrase::TakenBackTooLate);
            let told = notice(reader.line, &phrase);
            let txn_id = format!("a{}", act.event_id);
            step.say(reader.conversation.id, &txn_id, &told).await
        }
    }
}

/// Says that the confirmation of an address was taken back: what has not left waits again.
async fn take_back_address(
    reader: &PortalReader<'_>,
    step: &mut EventStep<'_>,
    act: &ReadAct<'_>,
) -> Result<(), StoreError> {
    let conversation = reader.conversation.id;
    if step.address_taken_back(conversation, act.message).await? {
        let told = notice(reader.line, &Phrase::OfStart(StartPhrase::TakenBack));
        step.say(conversation, &format!("a{}", act.event_id), &told).await?;
    }
    Ok(())
}

/// The key of an edit came after its author was told that it had not.
async fn readable_now(
    reader: &PortalReader<'_>,
    step: &mut EventStep<'_>,
    edit: &str,
) -> Result<(), StoreError> {
    let names = (held_name(edit), format!("v{edit}"));
    let notice = notice(reader.line, &Phrase::EditReadableNow);
    step.say_instead(reader.conversation.id, (&names.0, &names.1), &notice).await
}

fn phrase_of(say: Say, trouble: Option<EditTrouble>) -> Phrase {
    match say {
        Say::Withdrawn => Phrase::DispatchWithdrawn,
        Say::EditStays => Phrase::EditStays { trouble: trouble.unwrap_or(EditTrouble::Kind) },
        Say::EditStaysUnclear => {
            after_unclear(Phrase::EditStays { trouble: trouble.unwrap_or(EditTrouble::Kind) })
        }
        Say::MessageStayed => Phrase::EditOfWhatStayed,
        Say::EditReadableNow => Phrase::EditReadableNow,
        Say::EditUnderWay => Phrase::EditUnderWay,
        Say::EditTooLate => Phrase::EditTooLate,
        Say::EditUnclear => Phrase::EditUnclear,
        Say::EditNextTime => Phrase::EditNextTime,
        Say::EditAfterFailure => Phrase::EditAfterFailure,
        Say::EditInTime => Phrase::EditInTime,
        Say::WithdrawalUnderWay => Phrase::WithdrawalUnderWay,
        Say::WithdrawalTooLate => Phrase::WithdrawalTooLate,
        Say::WithdrawalUnclear => Phrase::WithdrawalUnclear,
        Say::WithdrawalAfterFailure => Phrase::WithdrawalAfterFailure,
        Say::WithdrawalInTime => Phrase::WithdrawalInTime,
    }
}

/// The key of an edit has not come for a while, or the edit cannot be read at all: its message
/// leaves neither as it was nor as it should be.
pub(super) async fn hold(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    edit: &str,
    message: &str,
) -> Result<WaitForEdit, StoreError> {
    let say = |may_have_arrived| {
        let phrase = said_of(Phrase::EditWithoutKey, may_have_arrived);
        notice_to(line, &phrase, message)
    };
    let name = held_name(edit);
    let now = ctx.clock.now();
    let held = ctx.store.hold_for_edit(conversation, edit, message, &name, say, now).await?;
    if held == WaitForEdit::Held {
        info!(conversation.id = %conversation, "A room message was held, because its edit is unreadable");
    }
    Ok(held)
}

/// The notice about an edit that cannot be read has the name of an event's notice.
fn held_name(edit: &str) -> String {
    format!("w{edit}")
}

/// Says what became of acts that came while an answer was under way that is under way no more.
pub async fn tell_what_became(ctx: &Ctx) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let acts = ctx.store.no_longer_under_way(after, TOLD_AT_ONCE).await?;
        let Some(last) = acts.last() else { return Ok(()) };
        after = last.id;
        for act in &acts {
            tell_what_became_of(ctx, act).await?;
        }
    }
}

async fn tell_what_became_of(ctx: &Ctx, act: &UnderWay) -> Result<(), StoreError> {
    let Some(conversation) = ctx.store.conversation(act.conversation).await? else {
        return Ok(());
    };
    let Some(line) = ctx.line(&conversation.channel) else { return Ok(()) };
    let Some(say) = in_the_end(act.kind, act.state, act.may_have_arrived) else {
        return Ok(());
    };
    let phrase = phrase_of(say, None);
    let names = (format!("a{}", act.act), format!("b{}", act.act));
    let withdrawn = said_of(Phrase::DispatchWithdrawn, act.may_have_arrived);
    let withdrawn = notice_to(line, &withdrawn, &act.message);
    let told = notice_to(line, &phrase, &act.message);
    let now = ctx.clock.now();
    let names = (names.0.as_str(), names.1.as_str());
    ctx.store.under_way_ended(act, names, &told, &withdrawn, now).await
}

/// A part of what was said in a room is lost for good. What was said before it may have been changed
/// or taken back in it, so it waits for a person. `name` is the name of this gap.
pub async fn tell_of_gap(ctx: &Ctx, room_id: &str, name: &str) -> Result<(), StoreError> {
    let Some(id) = ctx.store.conversation_of_room(room_id).await? else { return Ok(()) };
    let Some(conversation) = ctx.store.conversation(id).await? else { return Ok(()) };
    let Some(line) = ctx.line(&conversation.channel) else { return Ok(()) };
    warn!(conversation.id = %id, "A part of a portal's history could not be read");
    metrics::counter!("umstieg_parked_total", "kind" => "gap").increment(1);
    let told = (format!("g{name}"), notice(line, &Phrase::HistoryLost));
    let at_dispatch =
        |may_have_arrived| notice(line, &said_of(Phrase::DispatchBeforeGap, may_have_arrived));
    let (told, now) = ((told.0.as_str(), &told.1), ctx.clock.now());
    let channel = &conversation.channel;
    ctx.store.history_lost(id, room_id, channel, told, at_dispatch, now).await
}

/// Holds back what has waited too long for an edit that cannot be read.
pub async fn hold_what_waits(ctx: &Ctx) -> Result<(), StoreError> {
    let before = ctx.clock.now() - ctx.key_wait;
    let mut after = 0;
    loop {
        let waited = ctx.store.edits_waited_for(before, after, TOLD_AT_ONCE).await?;
        let Some(last) = waited.last() else { return Ok(()) };
        after = last.id;
        for waited in &waited {
            if let Some(conversation) = ctx.store.conversation(waited.conversation).await?
                && let Some(line) = ctx.line(&conversation.channel)
            {
                hold(ctx, line, conversation.id, &waited.edit, &waited.message).await?;
            }
        }
    }
}

/// Why an edit that was not understood for this reason cannot leave.
pub(super) fn trouble_of(phrase: &Phrase) -> EditTrouble {
    match phrase {
        Phrase::MessageBroken => EditTrouble::Broken,
        _ => EditTrouble::Device,
    }
}

/// What leaves, in the form in which it is kept.
pub(super) fn part(saying: WhatLeaves) -> StoredPart {
    match saying {
        WhatLeaves::Text(text) => StoredPart::Text(text),
        WhatLeaves::File(said) => file(said),
        WhatLeaves::Gallery { caption, files } => {
            let words = caption.into_iter().map(StoredPart::Text);
            StoredPart::Several(words.chain(files.into_iter().map(file)).collect())
        }
    }
}

pub(super) fn file(file: RoomFile) -> StoredPart {
    StoredPart::File {
        media_uri: file.uri.to_string(),
        file_name: file.file_name,
        caption: file.caption,
        media_type: file.media_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        encryption: file.encryption,
    }
}

impl From<Refusal> for EditTrouble {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLarge => Self::Size,
            Refusal::ClearFile => Self::Clear,
            Refusal::Empty => Self::Empty,
            Refusal::MayNotSpeak | Refusal::NotEntitled(_) => Self::Speaker,
            Refusal::NotAnswerable | Refusal::NotTransferable | Refusal::Encrypted => Self::Kind,
        }
    }
}
