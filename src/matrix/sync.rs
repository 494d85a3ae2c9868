//! What happened since: the bot's own `/sync`, and `/messages` for its gaps.
//!
//! Answers are read leniently, piece by piece: a `/sync` that cannot be read as a whole would come
//! again for ever, and nothing after it would be heard.

use std::{collections::BTreeMap, time::Duration};

use ruma::{
    DeviceId, OneTimeKeyAlgorithm, OwnedRoomId, OwnedUserId, RoomId, UInt, UserId,
    api::{
        Direction,
        client::{
            filter::{Filter, FilterDefinition, RoomEventFilter, RoomFilter},
            message::get_message_events,
        },
    },
    presence::PresenceState,
    serde::Raw,
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    DeviceNews, Endpoint, Homeserver, MatrixError, RawEvent, Voice,
    client::{As, read},
};

/// Timeline events per room in one `/sync`; `/messages` brings the rest.
const TIMELINE_EVENTS_MAX: u32 = 50;

/// The same for a `/sync` without `since`: there, only the homeserver's position is of interest.
const FIRST_TIMELINE_EVENTS_MAX: u32 = 1;

/// How many events are requested at once when posts of ours are looked for.
const OWN_POSTS_AT_ONCE: u32 = 100;

/// The state that matters to a gateway: who is there, whether the room goes on elsewhere, and how
/// it is encrypted.
const STATE_TYPES: [&str; 4] =
    ["m.room.member", "m.room.tombstone", "m.room.create", "m.room.encryption"];

/// What one `/sync` brought.
#[derive(Debug, Clone, Default)]
pub struct SyncBatch {
    /// From where to go on. Saved after everything below is.
    pub next_batch: String,
    pub joined: Vec<RoomNews>,
    /// Rooms into which a user invited the bot.
    pub invites: Vec<RoomInvite>,
    /// Rooms the bot is no longer in, left, removed from, or deleted (TIM-20): the last it sees of
    /// them.
    pub left: Vec<RoomNews>,
    /// What came for the device that asked.
    pub device: DeviceNews,
    /// Unreadable pieces; they are left out.
    pub unreadable: usize,
}

/// News from a room.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomNews {
    pub room_id: OwnedRoomId,
    /// Changes of the state that happened before the timeline.
    pub state: Vec<RawEvent>,
    /// Oldest first.
    pub timeline: Vec<RawEvent>,
    /// Whether events are missing before the timeline: between the `since` of the request and
    /// `prev_batch`.
    pub limited: bool,
    /// The point right before the timeline.
    pub prev_batch: Option<String>,
}

impl RoomNews {
    /// Whether the timeline holds the room's first event, so that nothing can be missing before it.
    pub fn begins(&self) -> bool {
        let kind = |event: &RawEvent| {
            event.event.get("type").and_then(Value::as_str) == Some("m.room.create")
        };
        self.timeline.iter().any(kind)
    }
}

/// A user invited the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInvite {
    pub room_id: OwnedRoomId,
    pub inviter: Option<OwnedUserId>,
    /// The room that this one replaces, as the inviter claims (TIM-4).
    pub predecessor: Option<OwnedRoomId>,
}

/// Some events of a room.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventPage {
    /// Newest first.
    pub events: Vec<RawEvent>,
    /// From where to go on; `None` at the end.
    pub end: Option<String>,
    /// Unreadable events; they are left out.
    pub unreadable: usize,
}

impl Homeserver {
    /// What happened since `since` in all rooms of the bot; waits up to `timeout` for something.
    ///
    /// Without `since` the homeserver tells its present position, with the last event of each room.
    /// The request deletes to-device messages up to `since`. Without a `timeout` the homeserver says
    /// what holds now, and not what it said before.
    pub async fn sync(
        &self,
        device: &DeviceId,
        since: Option<&str>,
        timeout: Duration,
    ) -> Result<SyncBatch, MatrixError> {
        use ruma::api::client::sync::sync_events::v3;
        let filter = match since {
            Some(_) if timeout.is_zero() => never_the_same(filter(TIMELINE_EVENTS_MAX)),
            Some(_) => filter(TIMELINE_EVENTS_MAX),
            None => never_the_same(filter(FIRST_TIMELINE_EVENTS_MAX)),
        };
        let mut request = v3::Request::new();
        request.filter = Some(v3::Filter::FilterDefinition(filter));
        request.since = since.map(str::to_owned);
        request.set_presence = PresenceState::Offline;
        request.timeout = Some(timeout);
        let who = As::Device(self.bot(), device);
        let body = self.ask_for_news(who, request, timeout).await?;
        batch_of(&body, self.bot())
    }

    /// What came for a ghost's device since `since`, and nothing else. The request deletes what
    /// came before `since`.
    pub async fn inbox(
        &self,
        voice: Voice<'_>,
        since: Option<&str>,
    ) -> Result<DeviceNews, MatrixError> {
        use ruma::api::client::sync::sync_events::v3;
        let mut filter = FilterDefinition::empty();
        filter.presence = Filter::ignore_all();
        filter.account_data = Filter::ignore_all();
        filter.room = RoomFilter::ignore_all();
        let mut request = v3::Request::new();
        request.filter = Some(v3::Filter::FilterDefinition(filter));
        request.since = since.map(str::to_owned);
        request.set_presence = PresenceState::Offline;
        let who = As::Device(voice.user, voice.device);
        let body = self.ask_for_news(who, request, Duration::ZERO).await?;
        let answer: SyncAnswer<'_> = read(Endpoint::Sync, &body)?;
        Ok(device_news(&answer))
    }

    /// Events of a room from `from` back towards `to`, newest first: with `from` the `prev_batch` of
    /// a limited timeline and `to` the last `since`, these are the ones missing in between. Without
    /// `to`, everything before.
    pub async fn messages_before(
        &self,
        room: &RoomId,
        from: &str,
        to: Option<&str>,
        limit: u32,
    ) -> Result<EventPage, MatrixError> {
        let mut request =
            get_message_events::v3::Request::new(room.to_owned(), Direction::Backward);
        request.from = Some(from.to_owned());
        request.to = to.map(str::to_owned);
        request.limit = UInt::from(limit);
        let (chunk, end) = self.page(request).await?;
        let mut page = EventPage { end, ..EventPage::default() };
        page.events = events(chunk.iter().map(|event| &**event), room, &mut page.unreadable);
        Ok(page)
    }

    /// Asks for events of a room, as the bot; returns where the next ones follow, if any do.
    async fn page(
        &self,
        request: get_message_events::v3::Request,
    ) -> Result<(Vec<Box<RawValue>>, Option<String>), MatrixError> {
        #[derive(Deserialize)]
        struct MessagesAnswer {
            #[serde(default)]
            chunk: Vec<Box<RawValue>>,
            end: Option<String>,
        }
        let from = request.from.clone();
        let who = As::User(self.bot());
        let MessagesAnswer { chunk, end } =
            self.ask_leniently(Endpoint::Messages, who, request).await?;
        // Some servers name an end even after the last event.
        let end = end.filter(|end| !chunk.is_empty() && Some(end) != from.as_ref());
        Ok((chunk, end))
    }

    /// Events in a room that our users sent with a `mark` in their content, newest first, from `from`
    /// or from the newest on; and which of them bear the mark `another`. A person's event with such a
    /// mark is left out.
    pub async fn own_posts(
        &self,
        room: &RoomId,
        from: Option<&str>,
        mark: &str,
        another: &str,
    ) -> Result<OwnPosts, MatrixError> {
        let mut request =
            get_message_events::v3::Request::new(room.to_owned(), Direction::Backward);
        request.from = from.map(str::to_owned);
        request.limit = UInt::from(OWN_POSTS_AT_ONCE);
        let (chunk, end) = self.page(request).await?;
        let is_ours = |event: &Value| {
            let sender = event.get("sender").and_then(Value::as_str).unwrap_or_default();
            UserId::parse(sender).is_ok_and(|sender| self.is_ours(&sender))
        };
        let events = chunk.iter().filter_map(|event| serde_json::from_str(event.get()).ok());
        let mut own = OwnPosts { posts: Vec::new(), marked: Vec::new(), end };
        for event in events.filter(is_ours) {
            let text = |at: &str| event.pointer(at).and_then(Value::as_str).map(str::to_owned);
            let of_content = |mark: &str| text(&format!("/content/{mark}"));
            let (Some(mark), Some(event_id)) = (of_content(mark), text("/event_id")) else {
                continue;
            };
            if of_content(another).as_ref() == Some(&mark) {
                own.marked.push(mark.clone());
            }
            own.posts.push((mark, event_id));
        }
        Ok(own)
    }
}

/// Posts of ours in a room, newest first.
#[derive(Debug)]
pub struct OwnPosts {
    /// What each is marked with, and its event.
    pub posts: Vec<(String, String)>,
    /// Those marks whose events bear the other mark as well.
    pub marked: Vec<String>,
    /// Where older ones follow.
    pub end: Option<String>,
}

/// A filter that does the same, for the homeserver's present position. Synapse answers a request that
/// it has heard within two minutes as it did before (`sync_response_cache_duration`): this filter is
/// new each time.
fn never_the_same(mut filter: FilterDefinition) -> FilterDefinition {
    filter.room.timeline.not_types = vec![format!("umstieg.asked.{}", uuid::Uuid::new_v4())];
    filter
}

/// Neither presence nor account data nor typing; of the state only what matters.
fn filter(timeline_events_max: u32) -> FilterDefinition {
    let mut state = RoomEventFilter::empty();
    state.types = Some(STATE_TYPES.map(str::to_owned).to_vec());
    let mut timeline = RoomEventFilter::empty();
    timeline.limit = Some(UInt::from(timeline_events_max));
    let mut filter = FilterDefinition::empty();
    filter.presence = Filter::ignore_all();
    filter.account_data = Filter::ignore_all();
    filter.room.account_data = RoomEventFilter::ignore_all();
    filter.room.ephemeral = RoomEventFilter::ignore_all();
    filter.room.state = state;
    filter.room.timeline = timeline;
    filter
}

#[derive(Deserialize)]
struct SyncAnswer<'a> {
    next_batch: String,
    #[serde(borrow, default)]
    rooms: Rooms<'a>,
    #[serde(borrow, default)]
    to_device: EventList<'a>,
    #[serde(default)]
    device_lists: DeviceLists,
    #[serde(default)]
    device_one_time_keys_count: BTreeMap<OneTimeKeyAlgorithm, UInt>,
    device_unused_fallback_key_types: Option<Vec<OneTimeKeyAlgorithm>>,
}

#[derive(Default, Deserialize)]
struct DeviceLists {
    #[serde(default)]
    changed: Vec<String>,
    #[serde(default)]
    left: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Rooms<'a> {
    #[serde(borrow, default)]
    join: BTreeMap<String, &'a RawValue>,
    #[serde(borrow, default)]
    invite: BTreeMap<String, &'a RawValue>,
    #[serde(borrow, default)]
    leave: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
struct JoinedRoom<'a> {
    #[serde(borrow, default)]
    state: EventList<'a>,
    #[serde(borrow, default)]
    timeline: Timeline<'a>,
}

#[derive(Default, Deserialize)]
struct EventList<'a> {
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Timeline<'a> {
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
    #[serde(default)]
    limited: bool,
    prev_batch: Option<String>,
}

/// What came for the device that asked.
fn device_news(answer: &SyncAnswer<'_>) -> DeviceNews {
    let users =
        |names: &[String]| names.iter().filter_map(|user| UserId::parse(user).ok()).collect();
    DeviceNews {
        to_device: answer
            .to_device
            .events
            .iter()
            .map(|event| Raw::from_json((*event).to_owned()))
            .collect(),
        changed: users(&answer.device_lists.changed),
        left: users(&answer.device_lists.left),
        one_time_keys: answer.device_one_time_keys_count.clone(),
        unused_fallback_keys: answer.device_unused_fallback_key_types.clone(),
        next_batch: answer.next_batch.clone(),
    }
}

fn batch_of(body: &[u8], bot: &UserId) -> Result<SyncBatch, MatrixError> {
    let answer: SyncAnswer<'_> = read(Endpoint::Sync, body)?;
    let mut batch = SyncBatch {
        device: device_news(&answer),
        next_batch: answer.next_batch,
        ..SyncBatch::default()
    };
    batch.joined = rooms_of(answer.rooms.join, &mut batch.unreadable);
    batch.left = rooms_of(answer.rooms.leave, &mut batch.unreadable);
    for (room_id, json) in answer.rooms.invite {
        match RoomId::parse(&room_id) {
            Ok(room_id) => batch.invites.push(invite_of(room_id, json, bot)),
            Err(_) => batch.unreadable += 1,
        }
    }
    Ok(batch)
}

fn rooms_of(rooms: BTreeMap<String, &RawValue>, unreadable: &mut usize) -> Vec<RoomNews> {
    let mut all = Vec::new();
    for (room_id, json) in rooms {
        let Some((room_id, room)) = room_of(&room_id, json) else {
            *unreadable += 1;
            continue;
        };
        all.push(RoomNews {
            state: events(room.state.events.into_iter(), &room_id, unreadable),
            timeline: events(room.timeline.events.into_iter(), &room_id, unreadable),
            limited: room.timeline.limited,
            prev_batch: room.timeline.prev_batch,
            room_id,
        });
    }
    all
}

fn room_of<'a>(room_id: &str, json: &'a RawValue) -> Option<(OwnedRoomId, JoinedRoom<'a>)> {
    Some((RoomId::parse(room_id).ok()?, serde_json::from_str(json.get()).ok()?))
}

/// An invite's room counts even if its state is unreadable.
fn invite_of(room_id: OwnedRoomId, json: &RawValue, bot: &UserId) -> RoomInvite {
    #[derive(Deserialize)]
    struct Invite {
        invite_state: Stripped,
    }
    #[derive(Deserialize)]
    struct Stripped {
        events: Vec<serde_json::Value>,
    }
    let events = serde_json::from_str::<Invite>(json.get())
        .map(|invite| invite.invite_state.events)
        .unwrap_or_default();
    let text = |event: &serde_json::Value, pointer: &str| {
        event.pointer(pointer).and_then(|value| value.as_str()).map(str::to_owned)
    };
    let is = |event: &serde_json::Value, event_type: &str, state_key: &str| {
        text(event, "/type").as_deref() == Some(event_type)
            && text(event, "/state_key").as_deref() == Some(state_key)
    };
    let inviter = events
        .iter()
        .find(|event| is(event, "m.room.member", bot.as_str()))
        .and_then(|event| UserId::parse(text(event, "/sender")?).ok());
    let predecessor = events
        .iter()
        .find(|event| is(event, "m.room.create", ""))
        .and_then(|event| RoomId::parse(text(event, "/content/predecessor/room_id")?).ok());
    RoomInvite { room_id, inviter, predecessor }
}

fn events<'a>(
    jsons: impl Iterator<Item = &'a RawValue>,
    room: &RoomId,
    unreadable: &mut usize,
) -> Vec<RawEvent> {
    let mut events = Vec::new();
    for json in jsons {
        match RawEvent::read(json, Some(room.as_str())) {
            Some(event) => events.push(event),
            None => *unreadable += 1,
        }
    }
    events
}
