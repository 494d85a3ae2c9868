//! The channel's own room: what its team is told there of letters that wait.
//!
//! Each sentence is noted as told in the transaction that saves its post, so it is said once, wherever the
//! gateway is ended.

use ruma::RoomId;
use tracing::info;

use super::{Ctx, Line, fax_names, notices::notice};
use crate::{
    model::{ConversationId, Correspondent, RoomLink},
    phrases::{CameAt, MatterPhrase, MatterWho, Phrase, Phrases},
    rules::matters,
    store::{MatterNews, OpenMatter, StoreError},
};

/// Lines of a list: a screen. What is beyond it is counted.
const LINES_MAX: i64 = 20;

/// Trays are told of as many letters in one go.
const NEWS_AT_ONCE: i64 = 100;

/// What stands for a portal that is not there yet.
const NO_ROOM: &str = "–";

/// The list of what waits on a channel.
pub(super) async fn list(ctx: &Ctx, line: &Line) -> Result<Phrase, StoreError> {
    let (open, in_all) = ctx.store.open_matters(&line.channel.name, LINES_MAX).await?;
    let (lines, more) = lines(ctx, line, &open, in_all);
    Ok(Phrase::OfMatter(MatterPhrase::list(lines, more)))
}

fn lines(ctx: &Ctx, line: &Line, open: &[OpenMatter], in_all: i64) -> (Vec<MatterPhrase>, u64) {
    let lines: Vec<MatterPhrase> = open.iter().map(|matter| line_of(ctx, line, matter)).collect();
    let shown = i64::try_from(lines.len()).unwrap_or(i64::MAX);
    (lines, u64::try_from(in_all - shown).unwrap_or_default())
}

fn line_of(ctx: &Ctx, line: &Line, matter: &OpenMatter) -> MatterPhrase {
    let who = who(line, &matter.correspondent, matter.ghost_name.as_deref());
    let at = CameAt(matter.waits_since);
    let link = matter.room_id.as_deref().map_or_else(|| NO_ROOM.to_owned(), |room| link(ctx, room));
    match &matter.holder {
        None => MatterPhrase::LineOpen { who, at, link },
        Some(holder) => {
            MatterPhrase::LineTaken { who, at, holder: MatterWho(holder.clone()), link }
        }
    }
}

/// What the portal calls the correspondent; until there is one, what its ghost will be called at least.
fn who(line: &Line, key: &str, ghost_name: Option<&str>) -> MatterWho {
    let named = ghost_name.map(str::to_owned).unwrap_or_else(|| {
        let language = line.channel.language;
        match Correspondent::from_key(line.channel.kind(), key) {
            Ok(Correspondent::Mail(address)) => {
                Phrases::say(language, &Phrase::GhostKim { name: address.as_str().to_owned() })
            }
            Ok(Correspondent::UnknownSender) | Err(_) => {
                Phrases::say(language, &Phrase::GhostUnknownKim)
            }
            Ok(of_fax) => fax_names::ghost_name(line, &of_fax, None),
        }
    });
    MatterWho(named)
}

/// A link to a portal, through our homeserver, which is in each.
fn link(ctx: &Ctx, room_id: &str) -> String {
    let room = RoomId::parse(room_id).ok();
    let link = room.map(|room| RoomLink::to(&room, ctx.homeserver.server_name()));
    link.map_or_else(|| NO_ROOM.to_owned(), |link| link.as_str().to_owned())
}

/// Tells trays of letters that opened a conversation, or opened it again, once these are in their rooms: of
/// one conversation, or of all.
pub async fn tell_news(ctx: &Ctx, conversation: Option<ConversationId>) -> Result<(), StoreError> {
    for news in ctx.store.matter_news(conversation, NEWS_AT_ONCE).await? {
        let Some(line) = ctx.line(&news.channel) else { continue };
        // Who took it meanwhile has seen it.
        let is_told = line.channel.tray.announce && !news.is_settled;
        let said = is_told.then(|| notice(line, &phrase_of(ctx, line, &news)));
        let (channel, now) = ((&line.channel.name, line.channel.kind()), ctx.clock.now());
        if ctx.store.tell_matter_news(&news, channel, said.as_ref(), now).await? {
            info!(conversation.id = %news.conversation, "Told a tray of a letter in conversation {}", news.conversation);
        }
    }
    Ok(())
}

fn phrase_of(ctx: &Ctx, line: &Line, news: &MatterNews) -> Phrase {
    Phrase::OfMatter(MatterPhrase::News {
        news: news.news,
        who: who(line, &news.correspondent, news.ghost_name.as_deref()),
        at: CameAt(news.came_at),
        link: link(ctx, &news.room_id),
    })
}

/// Reminds each team of what has waited for long, within its hours and in one message.
pub async fn remind(ctx: &Ctx) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    for (name, line) in &ctx.channels {
        let tray = &line.channel.tray;
        let Some(after) = tray.remind_after else { continue };
        let last = ctx.store.reminded_at(name).await?;
        if !matters::may_remind(tray.hours.as_ref(), last, now) {
            continue;
        }
        let before = now - after;
        let reminder = ctx.store.reminder(name, before, LINES_MAX).await?;
        if reminder.matters.is_empty() {
            continue;
        }
        let (lines, more) = lines(ctx, line, &reminder.matters, reminder.in_all);
        let said = notice(line, &Phrase::OfMatter(MatterPhrase::remind(lines, more)));
        let channel = (name, line.channel.kind());
        if ctx.store.remind_tray(channel, (last, before), &said, now).await? {
            info!(channel.name = %name, "Reminded the team of {} conversations that wait", reminder.in_all);
        }
    }
    Ok(())
}
