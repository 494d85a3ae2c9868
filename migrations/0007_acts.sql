-- What people did to what they had said, and the order in which a room's events are read.

-- Where an event stands in the order of the bot's /sync. A transaction only fetches: until /sync has
-- told its place, an event is not acted upon.
create sequence room_event_places;
alter table room_events add column place bigint;
-- What waited before there were places is read in the order in which it came.
update room_events set place = id where state <> 'done';
select setval('room_event_places', (select coalesce(max(id), 0) + 1 from room_events));

-- fetched: a transaction brought it, and its place is not known. new: to be read. waiting: for its
-- key. parked: it cannot be read, and a person decides. done: read and acted upon.
alter table room_events drop constraint room_events_state_check;
alter table room_events add constraint room_events_state_check
    check (state in ('fetched', 'new', 'waiting', 'parked', 'done'));
-- Saved together with what follows from it, so that reading it twice does nothing twice.
alter table room_events add column acted_at timestamptz;
-- How often its reading was begun. One that ends the gateway each time is given up.
alter table room_events add column attempts int not null default 0;
drop index room_events_new;
create index room_events_new on room_events (room_id, place) where state in ('fetched', 'new');
create index room_events_fetched on room_events (received_at) where state = 'fetched';

-- What people did to events: a redaction, an edit. Kept from the moment a door tells of it, whether
-- or not what it was done to is known.
create table room_acts (
    id          bigint generated always as identity primary key,
    event_id    text not null unique,
    room_id     text not null,
    author      text not null,
    -- What it was done to.
    target      text not null,
    kind        text not null check (kind in ('redaction', 'edit')),
    -- Of an edit. unread: what it says is not known yet. says: it can leave. never: it cannot.
    state       text not null default 'unread' check (state in ('unread', 'says', 'never')),
    -- Sealed: what the message says after an edit that can leave.
    content     bytea check ((content is not null) = (state = 'says')),
    received_at timestamptz not null,
    -- Its author was told that it came while the answer was under way; what became of it follows.
    is_told_under_way boolean not null default false
);
create index room_acts_by_target on room_acts (target);
create index room_acts_unread on room_acts (received_at) where kind = 'edit' and state = 'unread';
create index room_acts_under_way on room_acts (id) where is_told_under_way;
alter table room_acts alter column content set storage external;

-- The edit whose key did not come in time, for which a part was taken out of its dispatch. It comes
-- back with the key.
alter table dispatch_parts add column held_by text;
-- As what it left, or may have: the edit that it said, or '' for its first words. Nothing while no
-- body with it ever began to leave.
alter table dispatch_parts add column left_as text;

-- Rows of `room_events` are parked as well, and rooms of which a part was not heard (gap, by
-- conversation).
alter table parked drop constraint parked_kind_check;
alter table parked add constraint parked_kind_check
    check (kind in ('letter', 'mail', 'post', 'dispatch', 'conversation', 'event', 'gap'));
-- settled: nothing is left to decide.
alter table parked drop constraint if exists parked_resolution_check;
alter table parked add constraint parked_resolution_check
    check (resolution in ('retried', 'dropped', 'settled'));
