//! Road (a), first half: a letter finds its conversation and becomes posts.

mod faxes;
mod kim;
mod notes;
mod reports;
mod told;

use tracing::{info, warn};

use self::{
    reports::tell_of_report,
    told::{of_a_notice, place_notice, tell_channel},
};
use super::{
    Ctx, Line, attempts,
    damage::{self, INTERRUPTED},
    directory,
    fax_pages::{self, LOOKS_MAX, LookStop, ShownFax},
    letter_hints,
    notices::notice,
    reported,
    scanning::{self, SCANS_MAX, ScanStop, UNSCANNABLE},
    stored_mail::{self, Read, Unread},
};
use crate::{
    channel::{AnswersTo, CallerDoubt},
    model::{
        Attachment, ChannelKind, ChannelName, ConversationId, Correspondent, KeptBack, Letter,
        LetterId, MessageId, NewPost, Notice, ReportSource, SaidService,
    },
    phrases::{Phrase, Phrases},
    rules::{
        arrival::{self, Arrival},
        kim_trust::KimVerdict,
        posts::{self, Said},
        receipts::ReceiptOffer,
        retry::is_suspect,
        scanning::ScanVerdict,
        threading::{self, Ancestors, Known, Placement},
    },
    store::{Attempt, OuterOfLetter, Placed, Placing, StoreError, StoredLetter},
};

/// How many of a letter's possible names may belong to other letters: each is a mail of the same
/// bytes, from before its channel was renamed or its server renamed its mails.
const NAMES_MAX: i64 = 100;

/// Why a letter is parked when no name was left for it.
const NAMELESS: &str = "no_name";

/// Places every letter of a channel that has no place yet, oldest first.
pub async fn place_letters(ctx: &Ctx, channel: &ChannelName) -> Result<(), StoreError> {
    let Some(line) = ctx.channels.get(channel) else {
        warn!(channel.name = %channel, "Letters wait for a channel that is not in the settings");
        return Ok(());
    };
    // The sweep wakes what waits.
    if ctx.scanning.as_ref().is_some_and(|scanning| !scanning.is_there()) {
        return Ok(());
    }
    attempts::give_back(ctx).await?;
    let mut is_alone = false;
    loop {
        let turn = ctx.turns.take(is_alone).await;
        let next = match ctx.store.next_stored_letter(channel).await {
            Ok(None) => return Ok(()),
            Ok(Some(stored)) => {
                let id = stored.id;
                is_alone = is_suspect(stored.attempts - 1, ctx.attempts_max);
                if is_alone && !turn.is_alone() {
                    attempts::is_none(ctx, Attempt::Letter(id)).await;
                    continue;
                }
                let placed = place(ctx, line, stored).await;
                let placed = attempts::ended(ctx, Attempt::Letter(id), placed).await;
                placed.map_err(|error| (Some(id), error))
            }
            Err(error) => Err((None, error)),
        };
        match next {
            Ok(PlaceProgress::Decided) => {}
            // The sweep wakes what waits.
            Ok(PlaceProgress::Waits) => return Ok(()),
            // The letters behind it shall pass.
            Err((id, StoreError::Damaged(damaged))) => {
                let Some(id) = id.or_else(|| damaged.row_of("letters").map(LetterId)) else {
                    return Err(damaged.into());
                };
                damage::tell(&damaged);
                park(ctx, line, id, damage::reason(&damaged)).await?;
            }
            Err((_, error)) => return Err(error),
        }
    }
}

/// Parks a letter, so that those behind it pass.
async fn park(
    ctx: &Ctx,
    line: &Line,
    id: LetterId,
    reason: &'static str,
) -> Result<(), StoreError> {
    let channel = &line.channel.name;
    warn!(letter.id = %id, channel.name = %channel, reason, "Parked letter {id}");
    metrics::counter!("umstieg_letters_total", "channel" => channel.to_string(), "result" => "parked")
        .increment(1);
    ctx.store.park_letter(channel, id, reason, ctx.clock.now()).await?;
    Ok(())
}

/// How far an attempt to place a letter got.
enum PlaceProgress {
    Decided,
    /// It waits for the virus scanner, and so do those behind it.
    Waits,
}

async fn place(ctx: &Ctx, line: &Line, stored: StoredLetter) -> Result<PlaceProgress, StoreError> {
    let id = stored.id;
    let parked = async |reason| {
        park(ctx, line, id, reason).await?;
        Ok(PlaceProgress::Decided)
    };
    if stored.attempts > ctx.attempts_max {
        return parked(INTERRUPTED).await;
    }
    let mut read = match stored_mail::read(ctx, id).await {
        Ok(Some(read)) => read,
        Ok(None) => return Ok(PlaceProgress::Decided),
        Err(Unread::Store(error)) => return Err(error),
        Err(Unread::Panicked) => return parked("unreadable").await,
    };
    let scan = match scanning::of_letter(ctx, id, &read.letter).await {
        Ok(scan) => scan,
        Err(ScanStop::Store(error)) => return Err(error),
        Err(ScanStop::Away) => {
            attempts::is_none(ctx, Attempt::Letter(id)).await;
            return Ok(PlaceProgress::Waits);
        }
        Err(ScanStop::NoVerdict | ScanStop::Broke)
            if stored.attempts < SCANS_MAX.min(ctx.attempts_max) =>
        {
            return Ok(PlaceProgress::Waits);
        }
        Err(ScanStop::NoVerdict | ScanStop::Broke) => return parked(UNSCANNABLE).await,
    };
    let is_last = stored.attempts >= LOOKS_MAX.min(ctx.attempts_max);
    let fax = match fax_pages::of_letter(ctx, line, id, &read, (&scan.held, is_last)).await {
        Ok(fax) => fax,
        Err(LookStop::Store(error)) => return Err(error),
        Err(LookStop::Unopened) => return Ok(PlaceProgress::Waits),
    };
    read.letter.document = fax.document.clone();
    place_read(ctx, line, stored, JudgedLetter { read, scan, fax }).await?;
    Ok(PlaceProgress::Decided)
}

/// A letter, and what was seen of its files.
struct JudgedLetter {
    read: Read,
    /// What follows from what a virus scanner says of it.
    scan: ScanVerdict,
    /// What of it is shown, if it is a fax.
    fax: ShownFax,
}

/// Places a letter of which it is known what is in it.
async fn place_read(
    ctx: &Ctx,
    line: &Line,
    stored: StoredLetter,
    judged: JudgedLetter,
) -> Result<(), StoreError> {
    let (channel, id) = (&line.channel, stored.id);
    match arrival::judge(channel, &judged.read.letter, stored.out_of_reach) {
        Arrival::Letter(correspondent) => match unless_repeat(ctx, line, &stored, judged).await? {
            Some(new) if notes::take(ctx, line, &stored, &new, &correspondent).await? => Ok(()),
            Some(new) => place_letter(ctx, line, &stored, new, &correspondent).await,
            None => Ok(()),
        },
        // One that moves no dispatch is a letter of its author.
        Arrival::Report(correspondent) => match unless_repeat(ctx, line, &stored, judged).await? {
            Some(new) if is_taken(ctx, line, &stored, &new).await? => Ok(()),
            Some(new) => place_letter(ctx, line, &stored, new, &correspondent).await,
            None => Ok(()),
        },
        Arrival::ServerReport(why) => match unless_repeat(ctx, line, &stored, judged).await? {
            Some(new) if is_taken(ctx, line, &stored, &new).await? => Ok(()),
            Some(_) => park(ctx, line, id, why).await,
            None => Ok(()),
        },
        Arrival::Missing(correspondent) => place_notice(ctx, line, &stored, &correspondent).await,
        Arrival::MissedFax(correspondent, call) => {
            match unless_repeat(ctx, line, &stored, judged).await? {
                Some(_) => faxes::tell_of_missed(ctx, line, &stored, &correspondent, call).await,
                None => Ok(()),
            }
        }
        Arrival::FaxReport(said) => match unless_repeat(ctx, line, &stored, judged).await? {
            Some(new) => faxes::take_report(ctx, line, &stored, &new, &said).await,
            None => Ok(()),
        },
        Arrival::Parked(why) => match unless_repeat(ctx, line, &stored, judged).await? {
            Some(_) => park(ctx, line, id, why).await,
            None => Ok(()),
        },
    }
}

/// Whether a report is taken for what it says about a dispatch, and is no letter.
async fn is_taken(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    new: &FreshLetter,
) -> Result<bool, StoreError> {
    let Read { letter, fingerprint, results, .. } = &new.read;
    let Some(report) = arrival::told_of(letter) else { return Ok(false) };
    // What was not fetched whole comes once more, and says more then. Files beside those of a report are
    // for people: findings may bring the receipt for their request along.
    let is_for_people = |file: &Attachment| {
        !file.media_type.starts_with("message/") && file.media_type != "text/rfc822-headers"
    };
    if stored.out_of_reach || stored.too_large || letter.attachments.iter().any(is_for_people) {
        return Ok(false);
    }
    // A fault of a mail of ours bears the same mark as a letter that could not be decrypted.
    let is_believed = match kim::judge(&line.channel, stored, &new.outer, results) {
        Some(KimVerdict::Undecrypted(_)) => {
            report.source == ReportSource::KimFault && new.outer.is_encrypted != Some(true)
        }
        Some(KimVerdict::Withheld(_) | KimVerdict::Unopened) => false,
        Some(KimVerdict::Checked | KimVerdict::Unconfirmed) | None => true,
    };
    if !is_believed {
        return Ok(false);
    }
    reported::take(ctx, line, stored.id, report, *fingerprint).await
}

/// A new letter.
struct FreshLetter {
    read: Read,
    scan: ScanVerdict,
    fax: ShownFax,
    /// Nothing is known of it on a fax channel.
    outer: OuterOfLetter,
    /// The letter out of reach that this one turns out to be, now that it could be fetched.
    head: Option<LetterId>,
}

/// Marks a letter that had come before; returns one that had not.
async fn unless_repeat(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    JudgedLetter { read, scan, fax }: JudgedLetter,
) -> Result<Option<FreshLetter>, StoreError> {
    let (channel, id) = (&line.channel.name, stored.id);
    let original = ctx.store.repeated_by(channel, id, read.fingerprint.as_ref()).await?;
    // If a letter says the same as the head that its room has, its room is told more: that it could
    // be fetched, or never will be. The letter is then named by its bytes, since that head bears the
    // name.
    let head = head_of(ctx, stored).await?;
    let is_of_its_head = original.is_some() && original == head;
    if let Some(original) = original.filter(|_| !is_of_its_head) {
        metrics::counter!("umstieg_letters_total", "channel" => channel.to_string(), "result" => "repeat")
            .increment(1);
        info!(letter.id = %id, channel.name = %channel, "Letter {id} had come before");
        if !ctx.store.is_undecrypted(original).await? {
            kim::has_come(ctx, line, stored, &read.letter).await?;
        }
        ctx.store.mark_repeat(id, original).await?;
        return Ok(None);
    }
    let fingerprint = read.fingerprint.filter(|_| !is_of_its_head);
    let outer = match line.channel.kind() {
        ChannelKind::Kim => ctx.store.outer_of_letter(id).await?,
        ChannelKind::Fax => OuterOfLetter::default(),
    };
    let verdict = kim::judge(&line.channel, stored, &outer, &read.results);
    if !matches!(verdict, Some(KimVerdict::Undecrypted(_) | KimVerdict::Unopened)) {
        kim::has_come(ctx, line, stored, &read.letter).await?;
    }
    Ok(Some(FreshLetter { read: Read { fingerprint, ..read }, scan, fax, outer, head }))
}

/// Where a letter goes.
struct LetterPlace {
    placement: Placement,
    /// The Message-IDs that it names, each once.
    named: Vec<MessageId>,
    /// Its own one, if its room does not know it yet.
    own_id: Option<MessageId>,
}

impl LetterPlace {
    /// `is_doubted`: nobody vouches for the letter. It belongs to no thread that it names, and no
    /// thread to it.
    async fn find(
        ctx: &Ctx,
        line: &Line,
        stored: &StoredLetter,
        new: &FreshLetter,
        correspondent: &Correspondent,
        is_doubted: bool,
    ) -> Result<Self, StoreError> {
        let (channel, letter) = (&line.channel, &new.read.letter);
        let ancestors = if is_doubted { Ancestors::default() } else { Ancestors::of(letter) };
        let own_id = letter.message_id.clone().filter(|_| !is_doubted);
        let named: Vec<MessageId> = ancestors.ids().cloned().collect();
        let mut asked = named.clone();
        asked.extend(own_id.clone());
        let known = ctx.store.known_threads(&channel.name, correspondent, &asked).await?;
        let facts = Known {
            is_nameless: correspondent.has_a_room_each(),
            own: own_id.as_ref(),
            seen: &known.by_message_id,
            answered_in: own_id.as_ref().and_then(|id| known.awaiting(id)),
            newest: known.newest,
        };
        let placement = threading::place(channel.gathers(correspondent), &ancestors, facts);
        // If a mail could not be fetched or decrypted at first, a room already knows of it.
        let told = kim::told_before(ctx, stored).await?;
        let head = new.head.filter(|_| told.is_none());
        let superseded = superseded(ctx, head, &channel.name, correspondent).await?;
        Ok(Self {
            placement: superseded.map_or(placement, Placement::Continue),
            named,
            own_id: own_id.filter(|_| superseded.is_none()),
        })
    }
}

/// Gives a letter of a correspondent its conversation and its posts.
async fn place_letter(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    new: FreshLetter,
    correspondent: &Correspondent,
) -> Result<(), StoreError> {
    let (channel, id) = (&line.channel, stored.id);
    let verdict = kim::judge(channel, stored, &new.outer, &new.read.results);
    let doubt = match verdict {
        Some(KimVerdict::Undecrypted(trouble)) => {
            return kim::place_undecrypted(ctx, line, stored, new, (correspondent, trouble)).await;
        }
        Some(KimVerdict::Withheld(doubt)) => Some(doubt),
        _ => None,
    };
    let place = LetterPlace::find(ctx, line, stored, &new, correspondent, doubt.is_some()).await?;
    let FreshLetter { read, outer, scan, fax, .. } = new;
    let Read { mut letter, fingerprint, results, service, unknown } = read;
    if doubt.is_none() {
        tell_of_report(ctx, line, &letter, place.placement.conversation()).await?;
    }
    let (mut left_out, additions) = kim::take_out_additions(&mut letter, verdict);
    left_out
        .extend(scan.held.iter().chain(&fax.held).filter_map(|place| i32::try_from(*place).ok()));
    let answers_to = channel.answers_to(&letter);
    let caller_doubt = channel.doubt_of(&letter);
    let facing = Facing {
        placement: place.placement,
        correspondent,
        answers_to: &answers_to,
        caller_doubt: caller_doubt.as_ref(),
        service: (&outer.service, &service),
        verdict,
        scan: &scan,
    };
    let mut of_fax = faxes::told(line, &mut letter, &fax.documents);
    of_fax.head.extend(faxes::subaddress(ctx, stored).await?);
    left_out.extend(of_fax.left_out);
    let mut hints = facing.hints(line, stored, &letter);
    hints.extend(of_fax.hints.iter().map(|hint| notice(line, hint)));
    let released = doubt.map(|doubt| Phrase::LetterReleased { doubt });
    let is_checked = verdict == Some(KimVerdict::Checked);
    let is_whole = !stored.too_large && !stored.out_of_reach && scan.held.is_empty();
    let offer =
        letter_hints::receipt_offer(channel, &letter, facing.service, (is_checked, is_whole));
    let written = letter_hints::head(channel, &letter, &offer, ctx.clock.now());
    let head: Vec<String> = released
        .into_iter()
        .chain(of_fax.head)
        .chain(written)
        .chain(additions)
        .chain(letter_hints::unknown_fields(channel, unknown))
        .map(|phrase| Phrases::say(channel.language, &phrase))
        .collect();
    let warning = doubt.map(|doubt| {
        let (sender, at) = (kim::sender_of(&letter), letter.date);
        notice(line, &Phrase::LetterWithheld { doubt, sender, at })
    });
    let placing = Placing {
        letter: id,
        channel: &channel.name,
        correspondent,
        conversation: place.placement.conversation(),
        fingerprint,
        message_id: place.own_id.as_ref(),
        ancestors: &place.named,
        answer_to: match &answers_to {
            AnswersTo::Elsewhere { to, .. } => Some(to),
            AnswersTo::Sender | AnswersTo::OutOfReach { .. } | AnswersTo::Nobody => None,
        },
        caller_doubt: caller_doubt.as_ref().map(CallerDoubt::key),
        receipt_as: match &offer {
            ReceiptOffer::MaySend(service) => Some(service),
            ReceiptOffer::Nothing | ReceiptOffer::CannotSend => None,
        },
        posts: &[],
        is_read: fax.pages > 0 && line.channel.reads_faxes(),
        // The mailbox holds what the sender really sent.
        stays: doubt.is_some()
            || results.say_undecrypted()
            || !scan.held.is_empty()
            || !fax.held.is_empty(),
        kept_back: doubt.map(|_| KeptBack::Withheld),
        again_at: None,
        note: None,
        at: ctx.clock.now(),
    };
    let render = |name: &str| {
        let said = Said { head: &head, hints: &hints, left_out: &left_out };
        fax.among(name, posts::render_all(name, &letter, warning.as_ref(), &said))
    };
    let Some(conversation) = place_as(ctx, line, stored, placing, render).await? else {
        return Ok(());
    };
    metrics::counter!("umstieg_letters_total", "channel" => channel.name.to_string(), "result" => "placed")
        .increment(1);
    info!(letter.id = %id, channel.name = %channel.name, conversation.id = %conversation, "Placed letter {id}");
    if verdict == Some(KimVerdict::Checked) {
        directory::letter_came(ctx, line, conversation, correspondent).await?;
    }
    Ok(())
}

/// What decides about the hints of a letter.
struct Facing<'a> {
    placement: Placement,
    correspondent: &'a Correspondent,
    answers_to: &'a AnswersTo,
    caller_doubt: Option<&'a CallerDoubt>,
    /// The outer and the inner one.
    service: (&'a SaidService, &'a SaidService),
    verdict: Option<KimVerdict>,
    scan: &'a ScanVerdict,
}

impl Facing<'_> {
    fn hints(&self, line: &Line, stored: &StoredLetter, letter: &Letter) -> Vec<Notice> {
        let channel = &line.channel;
        let (outer, inner) = self.service;
        let of_letter = letter_hints::hints(
            channel,
            letter,
            self.placement,
            self.correspondent,
            self.answers_to,
            self.caller_doubt,
        );
        scanning::hints(letter, self.scan)
            .into_iter()
            .chain(why_not_whole(line, stored))
            .chain(kim::unconfirmed_hint(self.verdict))
            .chain(letter_hints::service_hint(channel, outer, inner))
            .chain(of_letter)
            .map(|hint| notice(line, &hint))
            .collect()
    }
}

/// Why there is less of a letter than was sent.
fn why_not_whole(line: &Line, stored: &StoredLetter) -> Option<Phrase> {
    if stored.too_large {
        Some(Phrase::LetterTooLarge { limit_mib: limit_mib(line) })
    } else if stored.out_of_reach {
        Some(Phrase::LetterOutOfReach)
    } else {
        None
    }
}

/// Places a letter under the first of its names that no other letter has. Does nothing when there
/// is none, and the letter is parked, and when it had its place before.
async fn place_as(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    placing: Placing<'_>,
    posts: impl Fn(&str) -> Vec<NewPost>,
) -> Result<Option<ConversationId>, StoreError> {
    for taken in 0..NAMES_MAX {
        let name = name_of(ctx, stored, placing.fingerprint.as_ref(), taken).await?;
        let placing = Placing { posts: &posts(&name), ..placing.clone() };
        match ctx.store.place_letter(placing).await? {
            Placed::In(conversation) => return Ok(Some(conversation)),
            Placed::Before => return Ok(None),
            Placed::NameTaken => {}
        }
        warn!(letter.id = %stored.id, "The name of letter {} is another letter's; it gets another one", stored.id);
    }
    park(ctx, line, stored.id, NAMELESS).await?;
    Ok(None)
}

/// A letter's name for all time. `taken`: how many of its names belong to other letters.
async fn name_of(
    ctx: &Ctx,
    stored: &StoredLetter,
    fingerprint: Option<&[u8; 32]>,
    taken: i64,
) -> Result<String, StoreError> {
    let name = &stored.made_with;
    let Some(digest) = &stored.digest else {
        return Ok(stored_mail::name_of(name, &stored.mail_key, None, taken));
    };
    // A letter with a fingerprint has no namesake: the second one is a repeat.
    let (content, namesakes) = match fingerprint {
        Some(fingerprint) => (fingerprint.as_slice(), 0),
        None => (digest.as_slice(), ctx.store.namesakes(stored.id).await?),
    };
    Ok(stored_mail::name_of(name, &stored.mail_key, Some(content), namesakes + taken))
}

/// The largest size of a mail that is taken.
fn limit_mib(line: &Line) -> u64 {
    line.intake.mail_bytes_max() / (1024 * 1024)
}

/// The letter out of reach that a letter turns out to be, now that it could be fetched. A common key
/// does not prove it: the server may have used the key again meanwhile, for a mail about another
/// patient.
async fn head_of(ctx: &Ctx, stored: &StoredLetter) -> Result<Option<LetterId>, StoreError> {
    let Some(head) = stored.supersedes else { return Ok(None) };
    let identity = stored_mail::head_identity(&ctx.store, head).await?;
    let is_its =
        identity.is_some() && identity == stored_mail::head_identity(&ctx.store, stored.id).await?;
    Ok(is_its.then_some(head))
}

/// The conversation that has the head of a letter that could be fetched by now.
async fn superseded(
    ctx: &Ctx,
    head: Option<LetterId>,
    channel: &ChannelName,
    correspondent: &Correspondent,
) -> Result<Option<ConversationId>, StoreError> {
    let Some(head) = head else { return Ok(None) };
    let Some(id) = ctx.store.conversation_of(head).await? else { return Ok(None) };
    let conversation = ctx.store.conversation(id).await?;
    let is_theirs = conversation.is_some_and(|conversation| {
        conversation.channel == channel.as_str()
            && conversation.correspondent == correspondent.key()
    });
    Ok((is_theirs && !correspondent.is_unknown()).then_some(id))
}
