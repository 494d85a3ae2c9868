//! KIM letters are believed as far as the Clientmodul vouches for them (KIM-13, 14, 15, 17).

use tracing::info;

use super::{FreshLetter, of_a_notice, place_as, superseded};
use crate::{
    channel::Channel,
    mail,
    model::{
        ChannelKind, Correspondent, Defect, KeptBack, KimResults, KimTrouble, Letter, LetterId,
        Notice,
    },
    phrases::Phrase,
    relay::{Ctx, Line, notices::notice},
    rules::{
        kim_trust::{KimVerdict, verdict, verdict_of_head},
        posts,
    },
    store::{OuterOfLetter, Placing, StoreError, StoredLetter},
};

/// How far a letter is believed; nothing on a fax channel.
pub(super) fn judge(
    channel: &Channel,
    stored: &StoredLetter,
    outer: &OuterOfLetter,
    results: &KimResults,
) -> Option<KimVerdict> {
    let is_head = stored.out_of_reach || stored.too_large;
    let judge = if is_head { verdict_of_head } else { verdict };
    (channel.kind() == ChannelKind::Kim).then(|| judge(outer.is_encrypted, results))
}

/// What the Clientmodul added to a letter is taken out of what the room shows, and so is what it has
/// not opened. Returns the places of the files that are left out, and a line that says what the
/// Clientmodul checked. The line stands in every letter that was checked: newer Clientmodule add
/// nothing, and a letter without the line must not look like one of less worth, nor the other way
/// round.
pub(super) fn take_out_additions(
    letter: &mut Letter,
    verdict: Option<KimVerdict>,
) -> (Vec<i32>, Option<Phrase>) {
    // An outer head alone announces a file that only the Clientmodul can open, and that is not there.
    if verdict == Some(KimVerdict::Unopened) {
        letter.attachments.clear();
        letter.defects.retain(|defect| !matches!(defect, Defect::Unopened | Defect::Encrypted));
    }
    // Of any other mail, the sender wrote them.
    if !matches!(verdict, Some(KimVerdict::Checked | KimVerdict::Withheld(_))) {
        return (Vec::new(), None);
    }
    mail::without_kim_note(&mut letter.body);
    let files = letter.attachments.iter().enumerate();
    let reports: Vec<i32> = files
        .filter(|(_, file)| mail::is_kim_report(file))
        .filter_map(|(place, _)| i32::try_from(place).ok())
        .collect();
    let line = (verdict == Some(KimVerdict::Checked))
        .then_some(Phrase::LetterChecked { has_report: !reports.is_empty() });
    (reports, line)
}

/// The hint that nobody vouches for a letter. Reports and absence notes come unencrypted by their nature,
/// and get it as well where they are shown as letters: their marks are the sender's own words, and
/// whoever forges a letter can write them.
pub(super) fn unconfirmed_hint(verdict: Option<KimVerdict>) -> Option<Phrase> {
    (verdict == Some(KimVerdict::Unconfirmed)).then_some(Phrase::LetterUnconfirmed)
}

/// Who a letter says it is from, if that is one.
pub(super) fn sender_of(letter: &Letter) -> Option<String> {
    match letter.from.as_slice() {
        [only] => Some(only.address.as_str().to_owned()),
        _ => None,
    }
}

/// Tells the team of a mail that could not be decrypted, in the room about the channel: to which thread it
/// belongs nobody knows before it is read, and a locked card opens no room for each letter. The
/// Clientmodul's words bear the sender's name and are not said: the gateway says what happened (KIM-15).
pub(super) async fn place_undecrypted(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    new: FreshLetter,
    (correspondent, trouble): (&Correspondent, KimTrouble),
) -> Result<(), StoreError> {
    let (channel, id) = (&line.channel, stored.id);
    let letter = &new.read.letter;
    let phrase = Phrase::LetterUndecrypted { trouble, sender: sender_of(letter), at: letter.date };
    let notice = notice(line, &phrase);
    let now = ctx.clock.now();
    let conversation = match superseded(ctx, new.head, &channel.name, correspondent).await? {
        Some(conversation) => conversation,
        None => ctx.store.channel_notices(&channel.name, channel.kind(), now).await?,
    };
    // Whose ids it bears is not known, and the letter itself will bring them.
    let placing = Placing {
        fingerprint: new.read.fingerprint,
        kept_back: Some(KeptBack::Undecrypted),
        again_at: Some(now + line.intake.patience().undecrypted_wait(0)),
        ..of_a_notice(id, &channel.name, correspondent, Some(conversation), now)
    };
    let render = |name: &str| posts::notices(name, std::slice::from_ref(&notice));
    if let Some(conversation) = place_as(ctx, line, stored, placing, render).await? {
        info!(letter.id = %id, channel.name = %channel.name, conversation.id = %conversation, "Told a room of a mail that could not be decrypted");
    }
    Ok(())
}

/// The letter that told of this mail while it could not be decrypted.
pub(super) async fn told_before(
    ctx: &Ctx,
    stored: &StoredLetter,
) -> Result<Option<LetterId>, StoreError> {
    let Some(earlier) = stored.supersedes else { return Ok(None) };
    Ok(ctx.store.is_undecrypted(earlier).await?.then_some(earlier))
}

/// Replaces what the room was told while the mail could not be decrypted, whatever the mail turns out to be:
/// a letter, a report, or one that came before. Before it has its place: a crash between the two loses
/// nothing.
pub(super) async fn has_come(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    letter: &Letter,
) -> Result<(), StoreError> {
    let Some(told) = told_before(ctx, stored).await? else { return Ok(()) };
    let decrypted = Phrase::LetterDecrypted { sender: sender_of(letter), at: letter.date };
    let notice: Notice = notice(line, &decrypted);
    ctx.store.replace_notice_of(told, &notice).await
}
