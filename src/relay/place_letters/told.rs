//! Mails of which a room gets no more than a sentence.

use time::OffsetDateTime;
use tracing::info;

use super::{limit_mib, place_as};
use crate::{
    model::{ChannelName, ConversationId, Correspondent, LetterId},
    phrases::Phrase,
    relay::{Ctx, Line, notices::notice},
    rules::posts,
    store::{Placing, StoreError, StoredLetter},
};

/// The place of a letter of which its room gets only a notice: nothing in it is answered or followed, and
/// its mail stays in the mailbox.
pub(super) fn of_a_notice<'a>(
    letter: LetterId,
    channel: &'a ChannelName,
    correspondent: &'a Correspondent,
    conversation: Option<ConversationId>,
    at: OffsetDateTime,
) -> Placing<'a> {
    Placing {
        letter,
        channel,
        correspondent,
        conversation,
        fingerprint: None,
        message_id: None,
        ancestors: &[],
        answer_to: None,
        caller_doubt: None,
        receipt_as: None,
        posts: &[],
        is_read: false,
        stays: true,
        kept_back: None,
        again_at: None,
        note: None,
        at,
    }
}

/// Tells of a mail of which not even the head could be fetched. All such mails are in one room of
/// their channel, because their authors are unknown.
pub(super) async fn place_notice(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    correspondent: &Correspondent,
) -> Result<(), StoreError> {
    let phrase = match stored.too_large {
        true => Phrase::MailTooLarge { limit_mib: limit_mib(line) },
        false => Phrase::MailOutOfReach,
    };
    tell_channel(ctx, line, stored, correspondent, (&phrase, true)).await
}

/// Tells the team of a mail, in the channel's room for what concerns no correspondent. `stays`: the mail
/// itself stays in the mailbox.
pub(super) async fn tell_channel(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    correspondent: &Correspondent,
    (phrase, stays): (&Phrase, bool),
) -> Result<(), StoreError> {
    let (channel, id) = (&line.channel, stored.id);
    let notice = notice(line, phrase);
    let now = ctx.clock.now();
    let conversation = ctx.store.channel_notices(&channel.name, channel.kind(), now).await?;
    let placing = of_a_notice(id, &channel.name, correspondent, Some(conversation), now);
    let placing = Placing { stays, ..placing };
    let render = |name: &str| posts::notices(name, std::slice::from_ref(&notice));
    let Some(conversation) = place_as(ctx, line, stored, placing, render).await? else {
        return Ok(());
    };
    info!(letter.id = %id, channel.name = %channel.name, conversation.id = %conversation, "Told a room of a mail that is no letter");
    Ok(())
}
