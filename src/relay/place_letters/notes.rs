//! Absence notes are told as what they are, in the thread of the answer they are about (KIM-21).

use sha2::{Digest as _, Sha256};
use tracing::info;

use super::{FreshLetter, kim, of_a_notice, place_as, reports::tell_of_mail};
use crate::{
    channel::ServiceClass,
    model::{ChannelKind, ConversationId, Correspondent, DispatchId, Letter},
    phrases::{Phrase, Phrases},
    relay::{Ctx, Line, letter_hints, reported},
    rules::{
        absence::{self, NoteAbout},
        kim_trust::KimVerdict,
        posts,
        receipts::ReceiptOffer,
        threading::{self, Ancestors, Known},
    },
    store::{Placing, ReportedDispatch, StoreError, StoredLetter},
};

/// Tells a room of a letter that is an absence note. `false`: it is a letter like any other.
///
/// It is one only in the recipient's place: it names a dispatch of this channel that went to its
/// author, and holds nothing but words. The same words are told once a day in a thread; what is not told
/// again is kept and counted.
pub(super) async fn take(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    new: &FreshLetter,
    correspondent: &Correspondent,
) -> Result<bool, StoreError> {
    let Some(note) = AbsenceNote::of(ctx, line, stored, new, correspondent).await? else {
        return Ok(false);
    };
    let (channel, now) = (&line.channel, ctx.clock.now());
    let words = note.words();
    let mut told = ctx.store.told_note(note.conversation, &words).await?;
    if told.is_none() && !note.says_absent {
        // An absence note said the same.
        told = ctx.store.told_note(note.conversation, &hash(&absence::words(&note.letter))).await?;
    }
    if let Some(told) = told.as_ref().filter(|told| !absence::is_told(Some(told.told_at), now)) {
        ctx.store.note_came_again(stored.id, told.letter).await?;
        metrics::counter!("umstieg_letters_total", "channel" => channel.name.to_string(), "result" => "note_again")
            .increment(1);
        info!(letter.id = %stored.id, channel.name = %channel.name, conversation.id = %note.conversation, "Absence note {} says what its room was told today", stored.id);
        return Ok(true);
    }
    let placing = Placing {
        fingerprint: new.read.fingerprint,
        // Whoever answers the note goes on in its thread.
        message_id: note.letter.message_id.as_ref(),
        note: Some(words),
        is_read: false,
        stays: false,
        ..of_a_notice(stored.id, &channel.name, correspondent, Some(note.conversation), now)
    };
    let head = note.head(line, new, told.map_or(0, |told| told.again), now);
    let render = |name: &str| posts::note(name, &note.letter, &head);
    if let Some(conversation) = place_as(ctx, line, stored, placing, render).await? {
        metrics::counter!("umstieg_letters_total", "channel" => channel.name.to_string(), "result" => "note")
            .increment(1);
        info!(letter.id = %stored.id, channel.name = %channel.name, conversation.id = %conversation, "Told a room of absence note {}", stored.id);
    }
    Ok(true)
}

/// A letter that is an absence note, and where it is told.
struct AbsenceNote {
    /// Without what the Clientmodul added to it.
    letter: Letter,
    conversation: ConversationId,
    /// What it answers.
    dispatch: DispatchId,
    /// Whether it says so itself, and is not just an answer of a machine.
    says_absent: bool,
    additions: Option<Phrase>,
    doubt: Option<Phrase>,
}

impl AbsenceNote {
    async fn of(
        ctx: &Ctx,
        line: &Line,
        stored: &StoredLetter,
        new: &FreshLetter,
        correspondent: &Correspondent,
    ) -> Result<Option<Self>, StoreError> {
        let channel = &line.channel;
        // A fax line's mails are its gateway's, which is nobody's place.
        if channel.kind() != ChannelKind::Kim || stored.out_of_reach || stored.too_large {
            return Ok(None);
        }
        // The room has to be told of what was found.
        if new.scan.is_suspicious {
            return Ok(None);
        }
        let class = letter_hints::class_of(channel, &new.read.service);
        let Some(about) = absence::answered_by(&new.read.letter, class) else { return Ok(None) };
        let verdict = kim::judge(channel, stored, &new.outer, &new.read.results);
        if !matches!(verdict, Some(KimVerdict::Checked | KimVerdict::Unconfirmed)) {
            return Ok(None);
        }
        let mut letter = new.read.letter.clone();
        let (left_out, additions) = kim::take_out_additions(&mut letter, verdict);
        let files = letter.attachments.len().saturating_sub(left_out.len());
        if !absence::is_words_alone(&letter, files, &channel.answers_to(&letter)) {
            return Ok(None);
        }
        let dispatch = match &about {
            NoteAbout::Named(ids) => ctx.store.reported_dispatch(&channel.name, ids).await?,
            NoteAbout::Last => {
                let since = ctx.clock.now() - absence::ABOUT_LAST_WITHIN;
                ctx.store.last_dispatch_to(&channel.name, correspondent, since).await?
            }
        };
        let Some(dispatch) = dispatch else { return Ok(None) };
        let author = letter.from.first().map(|from| &from.address);
        if author.is_none() || reported::recipient(line, &dispatch).as_ref() != author {
            return Ok(None);
        }
        let Some(conversation) = thread_of(ctx, line, &letter, &dispatch, correspondent).await?
        else {
            // The answer went to another address than the letter's. The room of the answer is told, and
            // the note opens a room of its author's.
            if let NoteAbout::Named(ids) = &about {
                tell_of_mail(ctx, line, &letter, ids, None).await?;
            }
            return Ok(None);
        };
        let says_absent = class == Some(ServiceClass::Absence);
        // Who names our mail has received it. Nothing says that of the others.
        let doubt = (about == NoteAbout::Last && verdict == Some(KimVerdict::Unconfirmed))
            .then_some(Phrase::LetterUnconfirmed);
        Ok(Some(Self {
            letter,
            conversation,
            dispatch: dispatch.id,
            says_absent,
            additions,
            doubt,
        }))
    }

    /// The hash of what is told once a day. An absence note says the same of every mail. Any other answer
    /// of a machine is about the one mail that it names: the same words about another one are news.
    fn words(&self) -> [u8; 32] {
        let words = absence::words(&self.letter);
        match self.says_absent {
            true => hash(&words),
            false => hash(&format!("{}\n{words}", self.dispatch)),
        }
    }

    /// What stands above its words.
    fn head(
        &self,
        line: &Line,
        new: &FreshLetter,
        again: u64,
        now: time::OffsetDateTime,
    ) -> Vec<String> {
        let channel = &line.channel;
        let sender = match new.read.letter.from.first() {
            Some(from) => match &from.name {
                Some(name) => format!("{name} <{}>", from.address.as_str()),
                None => from.address.as_str().to_owned(),
            },
            None => String::new(),
        };
        let what = Phrase::AutomaticNote { sender, says_absent: self.says_absent, again };
        let written = letter_hints::head(channel, &self.letter, &ReceiptOffer::Nothing, now);
        let unknown = letter_hints::unknown_fields(channel, new.read.unknown.clone());
        let lines = std::iter::once(what)
            .chain(self.doubt.clone())
            .chain(written)
            .chain(self.additions.clone())
            .chain(unknown);
        lines.map(|phrase| Phrases::say(channel.language, &phrase)).collect()
    }
}

fn hash(words: &str) -> [u8; 32] {
    Sha256::digest(words).into()
}

/// The conversation in which a note is told: that of the dispatch, if its author is the correspondent
/// there. Where answers go to another address, it is a conversation with that address that knows the
/// dispatch, if there is one.
async fn thread_of(
    ctx: &Ctx,
    line: &Line,
    letter: &Letter,
    dispatch: &ReportedDispatch,
    correspondent: &Correspondent,
) -> Result<Option<ConversationId>, StoreError> {
    if dispatch.correspondent == correspondent.key() {
        return Ok(Some(dispatch.conversation));
    }
    let ancestors = Ancestors::of(letter);
    let named: Vec<_> = ancestors.ids().cloned().collect();
    let channel = &line.channel;
    let known = ctx.store.known_threads(&channel.name, correspondent, &named).await?;
    let facts = Known {
        is_nameless: correspondent.has_a_room_each(),
        own: letter.message_id.as_ref(),
        seen: &known.by_message_id,
        answered_in: None,
        newest: known.newest,
    };
    Ok(threading::place(channel.gathers(correspondent), &ancestors, facts).conversation())
}
