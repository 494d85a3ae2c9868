//! Road (a): a letter finds its place, becomes posts, and the posts reach the portal in order.

use std::time::Duration;

use ruma::UserId;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{
    Ctx, Line, attempts,
    damage::{self, INTERRUPTED},
    devices::{self, Saying},
    notices::notice,
    portals::{self, OpenPortal},
    put_off::{self, PutOff},
    readers,
    stop::Stop,
    stored_mail::{self, Read, Unread},
};
use crate::{
    channel::{AnswersTo, CallerDoubt, Channel, WhyNot},
    matrix::{ErrorKind, MatrixError, Upload},
    model::{
        Attachment, ChannelKind, ChannelName, ConversationId, Correspondent, Defect, Letter,
        LetterId, Mailbox, Media, MessageId, NewPost, Notice, Speaker, TransferEncoding,
    },
    phrases::{Phrase, Phrases},
    rules::{
        posts,
        retry::is_suspect,
        threading::{self, Ancestors, Known, Placement},
    },
    store::{
        Attempt, Conversation, Job, Placed, Placing, PostKind, StoreError, StoredLetter, StoredPost,
    },
};

/// How many other recipients of a letter are named.
const ALSO_TO_MAX: usize = 10;

/// How many names of a letter may be other letters': each is a mail of the same bytes, from before its
/// channel was renamed or its server named its mails anew.
const NAMES_MAX: i64 = 100;

/// Why a letter is parked for which no name was left.
const NAMELESS: &str = "no_name";

/// Posts loaded at once: enough to keep a portal busy, few enough to stay small in memory.
const POSTS_AT_ONCE: usize = 20;

/// How often a portal may turn out to be gone in one go: the old room refuses, its successor is
/// found or not, another one is opened.
const REOPENED_MAX: u8 = 3;

/// Wait before a room is looked after again when the homeserver was away.
const KEPT_AGAIN: Duration = Duration::from_secs(60);

/// Places every letter of a channel that has no place yet, oldest first.
pub async fn place_letters(ctx: &Ctx, channel: &ChannelName) -> Result<(), StoreError> {
    let Some(line) = ctx.channels.get(channel) else {
        warn!(channel.name = %channel, "Letters of a channel wait that the settings do not have");
        return Ok(());
    };
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
            Ok(()) => {}
            // Those behind it shall pass.
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

async fn place(ctx: &Ctx, line: &Line, stored: StoredLetter) -> Result<(), StoreError> {
    let channel = &line.channel;
    let id = stored.id;
    if stored.attempts > ctx.attempts_max {
        return park(ctx, line, id, INTERRUPTED).await;
    }
    let Read { letter, fingerprint, is_undecrypted } = match stored_mail::read(ctx, id).await {
        Ok(Some(read)) => read,
        Ok(None) => return Ok(()),
        Err(Unread::Store(error)) => return Err(error),
        Err(Unread::Panicked) => return park(ctx, line, id, "unreadable").await,
    };

    if stored.out_of_reach && letter.defects.contains(&Defect::NotAMail) {
        return place_notice(ctx, line, &stored).await;
    }
    let original = ctx.store.repeated_by(&channel.name, id, fingerprint.as_ref()).await?;
    // What says the same as the head that its room has tells more than that: that it could be had, or
    // never will be. It is named by its bytes then, since that head bears the name.
    let known_head = head_of(ctx, &stored).await?;
    let is_of_its_head = original.is_some() && original == known_head;
    let fingerprint = fingerprint.filter(|_| !is_of_its_head);
    if let Some(original) = original.filter(|_| !is_of_its_head) {
        metrics::counter!("umstieg_letters_total", "channel" => channel.name.to_string(), "result" => "repeat")
            .increment(1);
        info!(letter.id = %id, channel.name = %channel.name, "Letter {id} had come before");
        return ctx.store.mark_repeat(id, original).await;
    }

    let correspondent = match channel.correspondent_of(&letter) {
        Ok(correspondent) => correspondent,
        // Nobody can be named, so nobody can be answered; but a person can read it. A fax without
        // its gateway's name is another matter: anybody may have brought it (FAX-12).
        Err(WhyNot::NoSender | WhyNot::SeveralSenders) if channel.kind() == ChannelKind::Kim => {
            Correspondent::UnknownSender
        }
        Err(why) => return park(ctx, line, id, why.word()).await,
    };

    let ancestors = Ancestors::of(&letter);
    let named: Vec<MessageId> = ancestors.ids().cloned().collect();
    let known = ctx.store.known_threads(&channel.name, &correspondent, &named).await?;
    let facts = Known {
        is_nameless: correspondent.is_unknown(),
        own: letter.message_id.as_ref(),
        seen: &known.by_message_id,
        newest: known.newest,
    };
    let placement = threading::place(channel.thread_by, &ancestors, facts);
    // Of a mail that could not be had at first the room has the head already, and its id.
    let superseded = superseded(ctx, known_head, &channel.name, &correspondent).await?;
    let placement = superseded.map_or(placement, Placement::Continue);
    let answers_to = channel.answers_to(&letter);
    let doubt = channel.doubt_of(&letter);
    let mut hints = hints(&letter, placement);
    hints.extend(sent_by_hint(channel, &letter));
    hints.extend(answers_hint(&correspondent, &answers_to));
    hints.extend(doubt.as_ref().map(doubt_hint));
    if stored.too_large {
        hints.insert(0, Phrase::LetterTooLarge { limit_mib: limit_mib(line) });
    } else if stored.out_of_reach {
        hints.insert(0, Phrase::LetterOutOfReach);
    } else if is_undecrypted {
        hints.insert(0, Phrase::LetterUndecrypted);
    }
    let head: Vec<String> = head(channel, &letter, ctx.clock.now())
        .iter()
        .map(|phrase| Phrases::say(channel.language, phrase))
        .collect();
    let hints: Vec<Notice> = hints.iter().map(|hint| notice(line, hint)).collect();
    let placing = Placing {
        letter: id,
        channel: &channel.name,
        correspondent: &correspondent,
        conversation: match placement {
            Placement::Continue(conversation) => Some(conversation),
            Placement::Open | Placement::OpenDespiteClaim => None,
        },
        fingerprint,
        message_id: letter.message_id.as_ref().filter(|_| superseded.is_none()),
        ancestors: &named,
        answer_to: match &answers_to {
            AnswersTo::Elsewhere { to, .. } => Some(to),
            AnswersTo::Sender | AnswersTo::OutOfReach { .. } | AnswersTo::Nobody => None,
        },
        caller_doubt: doubt.as_ref().map(CallerDoubt::key),
        posts: &[],
        stays: is_undecrypted,
        again_at: is_undecrypted.then(|| {
            let patience = &line.inbox.patience;
            ctx.clock.now() + patience.wait(patience.tries)
        }),
        at: ctx.clock.now(),
    };
    let render = |name: &str| posts::render(name, &letter, &head, &hints);
    let Some(conversation) = place_as(ctx, line, &stored, placing, render).await? else {
        return Ok(());
    };
    metrics::counter!("umstieg_letters_total", "channel" => channel.name.to_string(), "result" => "placed")
        .increment(1);
    info!(letter.id = %id, channel.name = %channel.name, conversation.id = %conversation, "Placed letter {id}");
    Ok(())
}

/// Places a letter under the first of its names that no other letter has. Nothing when it has none,
/// and is parked.
async fn place_as(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    placing: Placing<'_>,
    posts: impl Fn(&str) -> Vec<NewPost>,
) -> Result<Option<ConversationId>, StoreError> {
    for taken in 0..NAMES_MAX {
        let name = name_of(ctx, line, stored, placing.fingerprint.as_ref(), taken).await?;
        let placing = Placing { posts: &posts(&name), ..placing.clone() };
        if let Placed::In(conversation) = ctx.store.place_letter(placing).await? {
            return Ok(Some(conversation));
        }
        warn!(letter.id = %stored.id, "The name of letter {} is another letter's; it gets another one", stored.id);
    }
    park(ctx, line, stored.id, NAMELESS).await?;
    Ok(None)
}

/// A letter's name for all time. `taken`: how many of its names are other letters'.
async fn name_of(
    ctx: &Ctx,
    line: &Line,
    stored: &StoredLetter,
    fingerprint: Option<&[u8; 32]>,
    taken: i64,
) -> Result<String, StoreError> {
    let name = ctx.store.made_with(line.channel.name.as_str()).await?;
    let Some(digest) = &stored.digest else {
        return Ok(stored_mail::name_of(&name, &stored.mail_key, None, taken));
    };
    // What has a fingerprint has no namesake: the second one is a repeat.
    let (content, namesakes) = match fingerprint {
        Some(fingerprint) => (fingerprint.as_slice(), 0),
        None => (digest.as_slice(), ctx.store.namesakes(stored.id).await?),
    };
    Ok(stored_mail::name_of(&name, &stored.mail_key, Some(content), namesakes + taken))
}

/// How large a mail may be that is fetched.
fn limit_mib(line: &Line) -> u64 {
    u64::try_from(line.inbox.mail_bytes_max).unwrap_or(u64::MAX) / (1024 * 1024)
}

/// The letter out of reach that a letter is, now that it could be had. That they bear one key does not
/// say so: its server may have used it again meanwhile, for a mail about another patient.
async fn head_of(ctx: &Ctx, stored: &StoredLetter) -> Result<Option<LetterId>, StoreError> {
    let Some(head) = stored.supersedes else { return Ok(None) };
    let identity = stored_mail::head_identity(&ctx.store, head).await?;
    let is_its =
        identity.is_some() && identity == stored_mail::head_identity(&ctx.store, stored.id).await?;
    Ok(is_its.then_some(head))
}

/// The conversation that has the head of a letter which can be had by now.
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

/// Tells of a mail of which not even the head could be had. All of them are in one room of their
/// channel: nobody knows who wrote them.
async fn place_notice(ctx: &Ctx, line: &Line, stored: &StoredLetter) -> Result<(), StoreError> {
    let (channel, id) = (&line.channel, stored.id);
    let correspondent = match channel.kind() {
        ChannelKind::Kim => Correspondent::UnknownSender,
        ChannelKind::Fax => Correspondent::UnknownFax,
    };
    let notice = notice(
        line,
        &match stored.too_large {
            true => Phrase::MailTooLarge { limit_mib: limit_mib(line) },
            false => Phrase::MailOutOfReach,
        },
    );
    let placing = Placing {
        letter: id,
        channel: &channel.name,
        correspondent: &correspondent,
        conversation: ctx.store.mailbox_notices(&channel.name, id).await?,
        fingerprint: None,
        message_id: None,
        ancestors: &[],
        answer_to: None,
        caller_doubt: None,
        posts: &[],
        stays: true,
        again_at: None,
        at: ctx.clock.now(),
    };
    let render = |name: &str| posts::notices(name, std::slice::from_ref(&notice));
    let Some(conversation) = place_as(ctx, line, stored, placing, render).await? else {
        return Ok(());
    };
    info!(letter.id = %id, channel.name = %channel.name, conversation.id = %conversation, "Told of a mail that cannot be fetched");
    Ok(())
}

/// What the room should know about a letter beside its words.
fn hints(letter: &Letter, placement: Placement) -> Vec<Phrase> {
    let mut hints = Vec::new();
    if placement == Placement::OpenDespiteClaim {
        hints.push(Phrase::UnknownThread);
    }
    for defect in &letter.defects {
        let hint = match defect {
            // Said where the letter was placed, and with where its answers go.
            Defect::AncestorsUnreadable | Defect::ReplyToUnreadable | Defect::SenderUnreadable => {
                continue;
            }
            Defect::NoSender => Phrase::NoSender,
            Defect::SeveralSenders => Phrase::SeveralSenders,
            Defect::BodyCut => Phrase::LetterCut,
            Defect::Markup => Phrase::LetterMarkup,
            Defect::NotAMail => Phrase::LetterNotAMail,
            Defect::TooManyHeaders | Defect::HeaderCut => Phrase::LetterHeadCut,
            Defect::TooManyParts => Phrase::LetterPartsLeftOut,
            Defect::Encoding => Phrase::LetterDefects,
            Defect::Structure => Phrase::LetterStructure,
            Defect::Renderings => Phrase::LetterRenderings,
            Defect::SignatureUnchecked => Phrase::LetterSignatureUnchecked,
            Defect::Encrypted => Phrase::LetterEncrypted,
            Defect::Unopened => Phrase::LetterUnopened,
            Defect::Partial => Phrase::LetterPartial,
            Defect::Elsewhere => Phrase::LetterElsewhere,
        };
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    if letter.automatic {
        hints.push(Phrase::AutomaticLetter);
    }
    hints
}

/// That another account sent it than the one it is from. What carries a fax is its gateway's affair.
fn sent_by_hint(channel: &Channel, letter: &Letter) -> Option<Phrase> {
    if channel.kind() != ChannelKind::Kim {
        return None;
    }
    let is_author =
        |sender: &Mailbox| letter.from.iter().any(|from| from.address == sender.address);
    match letter.sender.iter().find(|sender| !is_author(sender)) {
        Some(sender) => {
            Some(Phrase::LetterSentBy { address: Some(sender.address.as_str().to_owned()) })
        }
        None if letter.defects.contains(&Defect::SenderUnreadable) => {
            Some(Phrase::LetterSentBy { address: None })
        }
        None => None,
    }
}

/// What the room should know before anybody answers.
fn answers_hint(correspondent: &Correspondent, answers_to: &AnswersTo) -> Option<Phrase> {
    if correspondent.is_unknown() {
        return None;
    }
    match answers_to {
        AnswersTo::Sender => None,
        AnswersTo::Elsewhere { to, has_more } => Some(Phrase::AnswersGoElsewhere {
            address: to.as_str().to_owned(),
            has_more: *has_more,
        }),
        AnswersTo::OutOfReach { wanted } => {
            let address = wanted.as_ref().map(|wanted| wanted.as_str().to_owned());
            Some(Phrase::AnswersWantedElsewhere { address })
        }
        AnswersTo::Nobody => Some(Phrase::SenderReadsNoAnswers),
    }
}

fn doubt_hint(doubt: &CallerDoubt) -> Phrase {
    match doubt {
        CallerDoubt::Claimed(number) => {
            Phrase::FaxNumberClaimed { number: number.as_str().to_owned() }
        }
        CallerDoubt::Differs { caller, station } => Phrase::FaxNumbersDiffer {
            number: caller.as_str().to_owned(),
            station: station.clone(),
        },
    }
}

/// What stands between a letter's subject and its words: that it is urgent, when it was written if
/// not today, and to whom else it went.
fn head(channel: &Channel, letter: &Letter, now: OffsetDateTime) -> Vec<Phrase> {
    let mut head = Vec::new();
    if letter.urgent {
        head.push(Phrase::LetterUrgent);
    }
    if let Some(at) = letter.date.filter(|at| Phrases::day_of(*at) != Phrases::day_of(now)) {
        head.push(Phrase::LetterWritten { at });
    }
    // Whom a fax gateway writes to is its own affair.
    if channel.kind() == ChannelKind::Kim {
        let mut others: Vec<&Mailbox> = Vec::new();
        for mailbox in letter.to.iter().chain(&letter.cc) {
            let is_known = others.iter().any(|other| other.address == mailbox.address);
            if mailbox.address != channel.address && !is_known {
                others.push(mailbox);
            }
        }
        if !others.is_empty() {
            let shown = others.iter().take(ALSO_TO_MAX).map(|mailbox| match &mailbox.name {
                Some(name) => format!("{name} <{}>", mailbox.address.as_str()),
                None => mailbox.address.as_str().to_owned(),
            });
            let more = others.len().saturating_sub(ALSO_TO_MAX);
            head.push(Phrase::LetterAlsoTo { who: shown.collect(), more: more as u64 });
        }
    }
    head
}

/// Sends the posts of a conversation that wait, in order, opening the portal when there is none.
pub async fn send_posts(ctx: &Ctx, id: ConversationId) -> Result<(), StoreError> {
    let Some(conversation) = ctx.store.conversation(id).await? else { return Ok(()) };
    let Some(line) = ctx.line(&conversation.channel) else {
        warn!(conversation.id = %id, "Posts of a channel wait that the settings do not have");
        return Ok(());
    };
    if conversation.is_parked {
        return Ok(());
    }
    attempts::give_back(ctx).await?;
    let mut parsed = ParsedLetter::default();
    let mut reopened = 0;
    loop {
        let waiting = match ctx.store.pending_posts(id, POSTS_AT_ONCE).await {
            Ok(waiting) => waiting,
            Err(StoreError::Damaged(damaged)) => {
                put_off::park_damaged(ctx, line, &conversation, damaged).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(head) = waiting.first() else {
            return keep_portal(ctx, line, &conversation).await;
        };
        if let Some(next) = put_off::not_before(head, ctx.clock.now()) {
            return ctx.store.wake(&Job::SendPosts(id), Some(next)).await;
        }
        // One that failed in another way since was not what ended the gateway.
        let interrupted = if head.next_attempt_at.is_none() { head.attempts } else { 0 };
        let _turn = ctx.turns.take(is_suspect(interrupted, ctx.attempts_max)).await;
        // Counted before anything of it is done. Those behind it are counted when they are the
        // first: whatever ends the gateway in the middle of one leaves it there.
        let Some(attempts) = ctx.store.post_begins(head.id).await? else { continue };
        let saying = Posts { ctx, line, conversation: &conversation, waiting: &waiting };
        let said = saying.say(head, attempts, &mut reopened, &mut parsed).await;
        match attempts::ended(ctx, Attempt::Post(head.id), said).await? {
            Said::All | Said::NotNow => return Ok(()),
            Said::More => {}
        }
    }
}

/// How far the saying of some posts came.
enum Said {
    /// All that wait.
    All,
    /// There may be more.
    More,
    /// They wait, or their room is parked.
    NotNow,
}

/// Posts of a conversation that wait, in order.
struct Posts<'a> {
    ctx: &'a Ctx,
    line: &'a Line,
    conversation: &'a Conversation,
    waiting: &'a [StoredPost],
}

impl Posts<'_> {
    /// Says them; `attempts` counts this one at the first.
    async fn say(
        &self,
        head: &StoredPost,
        attempts: i32,
        reopened: &mut u8,
        parsed: &mut ParsedLetter,
    ) -> Result<Said, StoreError> {
        let Self { ctx, line, conversation, waiting } = *self;
        let put_off = PutOff { ctx, line, conversation };
        if attempts > ctx.attempts_max {
            put_off.park(head, INTERRUPTED).await?;
            return Ok(Said::More);
        }
        let portal = match portals::open(ctx, line, conversation).await {
            Ok(portal) => portal,
            // To compare the room is no attempt at the post.
            Err(Stop::PostsFound) => {
                attempts::is_none(ctx, Attempt::Post(head.id)).await;
                return Ok(Said::More);
            }
            Err(Stop::PortalGone) if *reopened < REOPENED_MAX => {
                // The next round opens another room, and that is no attempt at the post.
                attempts::is_none(ctx, Attempt::Post(head.id)).await;
                *reopened += 1;
                return Ok(Said::More);
            }
            Err(stop) => {
                put_off.room(head, attempts, stop).await?;
                return Ok(Said::NotNow);
            }
        };
        let mut is_done = true;
        for post in waiting {
            if post.id != head.id && post.replaces == Some(None) {
                // What it replaces may have gone out a moment ago: it is asked for anew.
                is_done = false;
                break;
            }
            match send_post(ctx, line, conversation, post, &portal, parsed).await {
                Ok(()) => {}
                // The room is gone: the next round opens another one.
                Err(Stop::PortalGone) if *reopened < REOPENED_MAX => {
                    if post.id == head.id {
                        attempts::is_none(ctx, Attempt::Post(head.id)).await;
                    }
                    *reopened += 1;
                    is_done = false;
                    break;
                }
                Err(Stop::PortalGone) => {
                    put_off.room(post, post.attempts + 1, Stop::PortalGone).await?;
                    return Ok(Said::NotNow);
                }
                Err(stop) => {
                    if !put_off.post(post, stop).await? {
                        return Ok(Said::NotNow);
                    }
                    is_done = false;
                    break;
                }
            }
        }
        // What came since has a job of its own.
        let is_all = is_done && waiting.len() < POSTS_AT_ONCE;
        Ok(if is_all { Said::All } else { Said::More })
    }
}

/// Nothing waits to be said, but the room may want something: it was upgraded, or somebody of the
/// team is not in it. What cannot be done now is done by a later wake-up.
async fn keep_portal(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
) -> Result<(), StoreError> {
    // Twice: first the upgraded room is left, then its successor is entered.
    for _ in 0..2 {
        if !ctx.store.portal_wants_attention(conversation.id, &line.channel.team).await? {
            return Ok(());
        }
        let kept = async {
            let portal = portals::open(ctx, line, conversation).await?;
            readers::say_again(ctx, line, conversation, &portal).await
        };
        match kept.await {
            Ok(()) => return Ok(()),
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::PortalGone | Stop::PostsFound) => {}
            Err(Stop::Matrix(error)) if matches!(error.kind(), ErrorKind::Again { .. }) => {
                let again = ctx.clock.now() + KEPT_AGAIN;
                return ctx.store.wake(&Job::SendPosts(conversation.id), Some(again)).await;
            }
            Err(Stop::NotYet(_) | Stop::DeviceLost | Stop::Matrix(_) | Stop::Lost(_)) => {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn send_post(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    post: &StoredPost,
    portal: &OpenPortal,
    parsed: &mut ParsedLetter,
) -> Result<(), Stop> {
    let speaker = match post.speaker {
        Speaker::Ghost => portal.ghost.as_ref(),
        Speaker::Bot => ctx.homeserver.bot(),
    };
    let mut content = post.content.clone();
    if let Some((letter, file)) = file_of(ctx, post, parsed).await? {
        let is_encrypted = portal.rotation.is_some();
        let media = media_of(ctx, post, letter, &file, speaker, is_encrypted).await?;
        content =
            posts::with_media(&posts::merged(&content, &posts::file(&file)), &media, file.bytes);
    }
    match &post.replaces {
        Some(Some(replaced)) => content = posts::replacing(&content, replaced),
        Some(None) => ctx.store.post_stands_alone(post.id).await?,
        None => {}
    }
    let content = posts::marked(content, &post.txn_id);
    let saying =
        Saying { speaker, substance: post.substance, content: &content, txn_id: &post.txn_id };
    // In a room that is encrypted it is known when it is encrypted.
    if post.letter.is_some() && !portal.is_attended && portal.rotation.is_none() {
        // Before it is said: nobody is lost sight of by a crash.
        let room = portal.room_id.as_str();
        ctx.store.portal_is_deserted(room, &post.txn_id, ctx.clock.now()).await?;
        ctx.store.post_is_unshown(&post.txn_id).await?;
    }
    match devices::say(ctx, line, &portal.room_id, portal.rotation, saying).await {
        Ok(event_id) => {
            if post.is_unshown
                && portal.rotation.is_some()
                && portals::stands_readable(ctx, &portal.room_id, &post.txn_id).await?
            {
                ctx.store.posts_are_shown(std::slice::from_ref(&post.txn_id)).await?;
            }
            ctx.store.post_sent(post.id, event_id.as_str(), ctx.clock.now()).await?;
            metrics::counter!("umstieg_posts_total", "channel" => line.channel.name.to_string())
                .increment(1);
            Ok(())
        }
        Err(Stop::Matrix(error)) if matches!(error.kind(), ErrorKind::Gone) => {
            portals::came_undone(ctx, line, conversation, portal, post.speaker, &error).await?;
            Err(Stop::PortalGone)
        }
        Err(stop) => Err(stop),
    }
}

/// Where the file of a post lies, uploaded if it was not: its address, or for an encrypted room an
/// `EncryptedFile` with the key beside the address. The media repository sees neither a name nor a
/// type of what is encrypted (TIM-29).
async fn media_of(
    ctx: &Ctx,
    post: &StoredPost,
    letter: LetterId,
    file: &Attachment,
    speaker: &UserId,
    is_encrypted: bool,
) -> Result<Media, Stop> {
    match &post.media {
        // The conversation may have moved into a room of another kind since.
        Some(media @ Media::Plain(_)) if !is_encrypted => return Ok(media.clone()),
        Some(media @ Media::Encrypted(_)) if is_encrypted => return Ok(media.clone()),
        _ => {}
    }
    let media = upload(ctx, letter, file, speaker, is_encrypted).await?;
    ctx.store.post_uploaded(post.id, &media).await?;
    Ok(media)
}

/// Uploads a file out of its letter, a piece at a time.
async fn upload(
    ctx: &Ctx,
    letter: LetterId,
    file: &Attachment,
    speaker: &UserId,
    is_encrypted: bool,
) -> Result<Media, Stop> {
    let pieces = ctx.store.letter_pieces(letter).await?.ok_or(Stop::Lost("letter_lost"))?;
    let _held = ctx.budget.take(stored_mail::poured_bytes(&pieces, file)).await;
    let (into, taken) = mpsc::channel(stored_mail::PIECES_WAITING_MAX);
    let upload = Upload { bytes: file.bytes, pieces: taken };
    let homeserver = &ctx.homeserver;
    let uploading = async {
        Ok::<_, MatrixError>(if is_encrypted {
            Media::Encrypted(homeserver.upload_encrypted(speaker, upload).await?)
        } else {
            Media::Plain(homeserver.upload(speaker, &file.media_type, upload).await?.to_string())
        })
    };
    let (poured, uploaded) = tokio::join!(stored_mail::pour(ctx, &pieces, file, into), uploading);
    // That it could not be read is why its upload broke off.
    poured?;
    Ok(uploaded?)
}

/// The letter that was parsed last: a letter with five files is read once, not five times.
#[derive(Default)]
struct ParsedLetter(Option<(LetterId, Letter)>);

/// The file a post carries, if it carries one.
async fn file_of(
    ctx: &Ctx,
    post: &StoredPost,
    parsed: &mut ParsedLetter,
) -> Result<Option<(LetterId, Attachment)>, Stop> {
    match post.kind {
        PostKind::Text => Ok(None),
        PostKind::Original { letter } => {
            let pieces = ctx.store.letter_pieces(letter).await?.ok_or(Stop::Lost("letter_lost"))?;
            let original = Attachment {
                file_name: format!("original-{letter}.eml"),
                media_type: "message/rfc822".to_owned(),
                bytes: pieces.bytes(),
                place: 0..pieces.bytes(),
                encoding: TransferEncoding::Identity,
                within: Vec::new(),
            };
            Ok(Some((letter, original)))
        }
        PostKind::Attachment { letter, index } => {
            if parsed.0.as_ref().is_none_or(|(id, _)| *id != letter) {
                let read = match stored_mail::read(ctx, letter).await {
                    Ok(read) => read.ok_or(Stop::Lost("letter_lost"))?,
                    Err(Unread::Store(error)) => return Err(error.into()),
                    Err(Unread::Panicked) => return Err(Stop::Lost("unreadable")),
                };
                parsed.0 = Some((letter, read.letter));
            }
            let attachment = parsed.0.as_ref().and_then(|(_, read)| read.attachments.get(index));
            let attachment = attachment.cloned().ok_or(Stop::Lost("attachment_lost"))?;
            Ok(Some((letter, attachment)))
        }
    }
}
