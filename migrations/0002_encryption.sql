-- The gateway's own devices on the homeserver, and all that their encryption has to remember.

-- A device is named here before the homeserver hears of it, so that none is ever left behind unknown.
create table devices (
    id               bigint generated always as identity primary key,
    user_id          text not null,
    device_id        text not null,
    -- new: it may or may not exist on the homeserver. ready: it exists and its keys are there.
    -- retired: never used again; to be deleted on the homeserver, then forgotten.
    state            text not null default 'new' check (state in ('new', 'ready', 'retired')),
    made_at          timestamptz not null,
    -- How far its to-device messages were read, and when that was done last.
    inbox_since      text,
    inbox_drained_at timestamptz,
    unique (user_id, device_id)
);
create unique index devices_one_alive on devices (user_id) where state <> 'retired';
create index devices_by_drain on devices (inbox_drained_at) where state = 'ready';

-- Counts how often the keys began anew. A restored backup is recognised by a count that is too low.
create table crypto_epoch (
    only_row boolean primary key default true check (only_row),
    epoch    bigint not null
);
insert into crypto_epoch (epoch) values (0);

-- In the tables below, what strangers may name as they like (rooms, sessions, devices) is keyed by
-- the SHA-256 of its name: a name can be longer than an index takes, or hold what text cannot.
-- Every `sealed` is bound to its place: it is not opened in another row.

-- Accounts, Olm sessions, the sessions we send with, secrets, and single values of a device.
create table crypto_records (
    device  bigint not null references devices on delete cascade,
    kind    text not null,
    -- What the name stands below: the room of a session, the key of a peer. Empty for most kinds.
    part_of bytea not null,
    -- Empty where a device has one of this kind.
    name    bytea not null,
    sealed  bytea not null,
    primary key (device, kind, part_of, name)
);

-- The keys that open what others say in a room.
create table crypto_room_keys (
    device       bigint not null references devices on delete cascade,
    room         bytea not null,
    session      bytea not null,
    -- The Curve25519 key of the device that made it, and what is known of that device (a number of
    -- matrix-sdk-crypto's `SenderDataType`).
    sender_key   bytea not null,
    sender_data  smallint not null,
    -- The version of the key backup that has it.
    backed_up_to text,
    sealed       bytea not null,
    primary key (device, room, session)
);
create index crypto_room_keys_by_sender
    on crypto_room_keys (device, sender_key, sender_data, session);

-- Olm messages that were read, so that none is read twice.
create table crypto_message_hashes (
    device bigint not null references devices on delete cascade,
    digest bytea not null,
    primary key (device, digest)
);

-- Whose devices a device has to know, and whether what it knows is out of date.
create table crypto_tracked_users (
    device  bigint not null references devices on delete cascade,
    user_id text not null,
    dirty   boolean not null,
    primary key (device, user_id)
);
create index crypto_tracked_users_by_user on crypto_tracked_users (user_id) where not dirty;

-- What others publish (signed device keys, cross-signing keys): the same for all who know them, and
-- stored once. JSON, as bytes.
create table crypto_public_keys (
    sha256 bytea primary key,
    keys   bytea not null
);

-- The devices of others, as one of our devices sees them: the keys, and (sealed, bound to just these
-- keys) what it thinks of them.
create table crypto_peer_devices (
    device  bigint not null references devices on delete cascade,
    user_id text not null,
    name    bytea not null,
    keys    bytea not null references crypto_public_keys,
    sealed  bytea not null,
    primary key (device, user_id, name)
);
create index crypto_peer_devices_by_keys on crypto_peer_devices (keys);

-- The cross-signing identities of others, in the same way.
create table crypto_peer_identities (
    device  bigint not null references devices on delete cascade,
    user_id text not null,
    keys    bytea not null references crypto_public_keys,
    sealed  bytea not null,
    primary key (device, user_id)
);
create index crypto_peer_identities_by_keys on crypto_peer_identities (keys);

-- Who works with a device just now, where several could.
create table crypto_leases (
    device     bigint not null references devices on delete cascade,
    key        text not null,
    holder     text not null,
    generation bigint not null,
    expires_at timestamptz not null,
    primary key (device, key)
);

-- How the room of a portal is encrypted (its m.room.encryption), once that is known.
alter table portals add column encryption jsonb;

-- An event whose key has not come waits for it, for as long as it takes; its sender is told.
alter table room_events drop constraint room_events_state_check;
alter table room_events add constraint room_events_state_check
    check (state in ('new', 'waiting', 'done'));
alter table room_events add column session_id text;
alter table room_events add column announced_at timestamptz;
create index room_events_waiting on room_events (room_id, session_id) where state = 'waiting';

-- Which message of its session an event was, so that a copy of what was encrypted is known as one.
alter table room_events add column message_index bigint;
create unique index room_events_once on room_events (room_id, session_id, message_index)
    where message_index is not null;
