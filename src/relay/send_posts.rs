//! Road (a), second half: the posts of a conversation reach its portal, in order.

use std::time::Duration;

use ruma::UserId;
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::warn;

use super::{
    Ctx, Line, attempts,
    damage::INTERRUPTED,
    devices::{self, Saying},
    fax_pages,
    portals::{self, OpenPortal},
    put_off::{self, PutOff},
    readers, scanning,
    stop::Stop,
    stored_mail::{self, Unread},
    tray,
};
use crate::{
    matrix::{ErrorKind, MatrixError, Upload},
    model::{Attachment, ConversationId, Letter, LetterId, Media, Speaker},
    rules::{
        posts,
        retry::{at_least, is_suspect},
        status::{self, StatusPlace},
    },
    store::{Attempt, Conversation, Job, PostKind, StoreError, StoredPost},
};

/// Posts loaded at once: enough to keep a portal busy, few enough to stay small in memory.
const POSTS_AT_ONCE: usize = 20;

/// How often a portal may turn out to be gone in one go: the old room refuses, its successor is
/// found or not, another room is opened.
const REOPENED_MAX: u8 = 3;

/// Wait before a room is looked after again when the homeserver was away.
const KEPT_AGAIN: Duration = Duration::from_secs(60);

/// Sends the posts of a conversation that wait, in order, opening the portal when there is none. Then the
/// tray is told of what is in the room.
pub async fn send_posts(ctx: &Ctx, id: ConversationId) -> Result<(), StoreError> {
    send_waiting(ctx, id).await?;
    tray::tell_news(ctx, Some(id)).await
}

async fn send_waiting(ctx: &Ctx, id: ConversationId) -> Result<(), StoreError> {
    let Some(conversation) = ctx.store.conversation(id).await? else { return Ok(()) };
    let Some(line) = ctx.line(&conversation.channel) else {
        warn!(conversation.id = %id, "Posts wait for a channel that is not in the settings");
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
        // A post that failed in another way since was not what ended the gateway.
        let interrupted = if head.next_attempt_at.is_none() { head.attempts } else { 0 };
        let _turn = ctx.turns.take(is_suspect(interrupted, ctx.attempts_max)).await;
        // Counted before anything of it is done. Those behind it are counted when they are the
        // first: whatever ends the gateway in the middle of one leaves it there.
        let Some(attempts) = ctx.store.post_begins(head.id).await? else { continue };
        let saying = Posts { ctx, line, conversation: &conversation, waiting: &waiting };
        let said = saying.say(head, attempts, &mut reopened, &mut parsed).await;
        match attempts::ended(ctx, Attempt::Post(head.id), said).await? {
            SayingProgress::All | SayingProgress::NotNow => return Ok(()),
            SayingProgress::More => {}
        }
    }
}

/// How far the sending of some posts got.
enum SayingProgress {
    /// All that wait were said.
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
    ) -> Result<SayingProgress, StoreError> {
        let Self { ctx, line, conversation, waiting } = *self;
        let put_off = PutOff { ctx, line, conversation };
        if attempts > ctx.attempts_max {
            put_off.park(head, INTERRUPTED).await?;
            return Ok(SayingProgress::More);
        }
        let portal = match portals::open(ctx, line, conversation).await {
            Ok(portal) => portal,
            // Comparing the room is not an attempt at the post.
            Err(Stop::PostsFound) => {
                attempts::is_none(ctx, Attempt::Post(head.id)).await;
                return Ok(SayingProgress::More);
            }
            Err(Stop::PortalGone) if *reopened < REOPENED_MAX => {
                // The next round opens another room, and that is not an attempt at the post.
                attempts::is_none(ctx, Attempt::Post(head.id)).await;
                *reopened += 1;
                return Ok(SayingProgress::More);
            }
            Err(stop) => {
                put_off.room(head, attempts, stop).await?;
                return Ok(SayingProgress::NotNow);
            }
        };
        let mut is_done = true;
        for post in waiting {
            if post.id != head.id && post.replaces == Some(None) {
                // The post it replaces may have gone out a moment ago: the database is asked again.
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
                    return Ok(SayingProgress::NotNow);
                }
                Err(stop) => {
                    if !put_off.post(post, stop).await? {
                        return Ok(SayingProgress::NotNow);
                    }
                    is_done = false;
                    break;
                }
            }
        }
        // What came since has its own job.
        let is_all = is_done && waiting.len() < POSTS_AT_ONCE;
        Ok(if is_all { SayingProgress::All } else { SayingProgress::More })
    }
}

/// Nothing waits to be said, but the room may need something: it was upgraded, or a member of the
/// team is not in it. A later wake-up does what cannot be done now.
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
                let again = ctx.clock.now() + at_least(error.limited_for(), KEPT_AGAIN);
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
    if post.until.is_some_and(|until| until <= ctx.clock.now()) {
        return Ok(ctx.store.post_is_late(post.id).await?);
    }
    // Whoever deleted a fax does not want to read it again.
    if let Some(letter) = post.letter.filter(|_| posts::is_reading(&post.txn_id))
        && ctx.store.reading_came_too_late(letter).await?
    {
        return Ok(ctx.store.post_is_late(post.id).await?);
    }
    let speaker = match post.speaker {
        Speaker::Ghost => portal.ghost.as_ref(),
        Speaker::Bot => ctx.homeserver.bot(),
    };
    let content = content_of(ctx, line, post, portal, speaker, parsed).await?;
    let content = posts::marked(content, &post.txn_id);
    let saying = Saying {
        speaker,
        substance: post.substance,
        event_type: post.event_type.as_deref().unwrap_or(posts::WORDS_TYPE),
        content: &content,
        txn_id: &post.txn_id,
    };
    // In an encrypted room, this is known when the post is encrypted.
    let is_unheard =
        post.letter.is_some() && !portal.room.is_attended && portal.room.rotation.is_none();
    if is_unheard {
        // Before it is said, so that nobody is forgotten after a crash.
        let room = portal.room.id.as_str();
        ctx.store.portal_is_deserted(room, &post.txn_id, ctx.clock.now()).await?;
        ctx.store.post_is_unshown(&post.txn_id).await?;
    }
    match devices::say(ctx, line, &portal.room.id, portal.room.rotation, saying).await {
        Ok(event_id) => {
            if post.is_unshown
                && portal.room.rotation.is_some()
                && portals::stands_readable(ctx, &portal.room.id, &post.txn_id).await?
            {
                ctx.store.posts_are_shown(std::slice::from_ref(&post.txn_id)).await?;
            }
            ctx.store.post_sent(post.id, event_id.as_str(), ctx.clock.now()).await?;
            if is_unheard {
                readers::note_heard_meanwhile(ctx, line, &portal.room.id).await?;
            }
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

/// What a post says, with what is known only when it is sent: where its file lies, what it replaces, who
/// says it.
async fn content_of(
    ctx: &Ctx,
    line: &Line,
    post: &StoredPost,
    portal: &OpenPortal,
    speaker: &UserId,
    parsed: &mut ParsedLetter,
) -> Result<Value, Stop> {
    let mut content = post.content.clone();
    if let Some((letter, file)) = file_of(ctx, post, parsed).await? {
        let is_encrypted = portal.room.rotation.is_some();
        if let Some(made) = fax_pages::made_of(&post.kind) {
            let (of, saying) = ((letter, &file, made), (speaker, is_encrypted));
            content = fax_pages::content_of(ctx, line, post, of, saying).await?;
        } else {
            let media = media_of(ctx, post, letter, &file, speaker, is_encrypted).await?;
            let whole = posts::merged(&content, &posts::file(&file));
            content = posts::with_media(&whole, &media, file.bytes);
        }
    }
    match &post.replaces {
        Some(Some(replaced)) => content = posts::replacing(&content, replaced),
        Some(None) => ctx.store.post_stands_alone(post.id).await?,
        None => {}
    }
    if let Some(event_type) = &post.event_type {
        let device = devices::device_id(ctx, speaker).await?;
        let place = StatusPlace {
            device: device.as_str(),
            ghost: Some(portal.ghost.as_str()),
            is_reported_on: line.channel.report_wait().is_some(),
        };
        content = status::completed(event_type, content, place);
    }
    Ok(content)
}

/// Where the file of a post lies, uploaded if it was not: its address, or for an encrypted room an
/// `EncryptedFile` with the key beside the address. The media repository sees neither name nor type
/// of an encrypted file (TIM-29).
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
    scanning::before_upload(ctx, &post.kind, letter, file).await?;
    let media = upload(ctx, letter, file, speaker, is_encrypted).await?;
    ctx.store.post_uploaded(post.id, &media).await?;
    Ok(media)
}

/// Uploads a file from its letter, a piece at a time.
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
    // The upload broke off because the letter could not be read.
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
            Ok(Some((letter, scanning::whole(letter, &pieces))))
        }
        PostKind::Attachment { letter, index } | PostKind::Made { letter, index, .. } => {
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
