-- The tables of the two roads. Words and order are those of docs/architecture.md.
-- Rule for what follows: a migration adds; it never changes what a column means.

-- Columns that are sealed (src/store/seal.rs) are bytea, and their comment says so.

-- The keys that seal, each wrapped by the key from the settings, which is never here.
create table seal_keys (
    -- Stands in every value it sealed.
    id        int primary key check (id > 0),
    wrapped   bytea not null,
    -- Tells a person which key of the settings wrapped it.
    outer_key text not null,
    made_at   timestamptz not null
);

-- One thread with one correspondent on one channel.
create table conversations (
    id            bigint generated always as identity primary key,
    channel       text not null,
    correspondent text not null,
    created_at    timestamptz not null,
    -- What the room's team may call it: a number without meaning.
    constraint conversations_channel_not_empty check (channel <> '' and correspondent <> '')
);
create index conversations_by_correspondent on conversations (channel, correspondent, id desc);

-- What a channel brought us, byte for byte. `mail_key` is the mailbox's own name for the mail.
create table letters (
    id              bigint generated always as identity primary key,
    channel         text not null,
    mail_key        text not null,
    received_at     timestamptz not null,
    -- Sealed.
    raw             bytea not null,
    -- Too large: only its head was fetched, and the mailbox holds the only copy of the rest.
    head_only       boolean not null,
    -- stored: nothing decided yet. placed: its posts are saved. posted: all of them are in the room.
    -- duplicate: the same mail had come before. parked: a person has to look.
    state           text not null default 'stored'
                    check (state in ('stored', 'placed', 'posted', 'duplicate', 'parked', 'dropped')),
    conversation_id bigint references conversations,
    -- Hash of what identifies the mail's content, so that a second delivery is recognised.
    fingerprint     bytea,
    -- When the mailbox was seen to have deleted it, for mailboxes we may delete from.
    deleted_at      timestamptz,
    unique (channel, mail_key)
);
create unique index letters_by_fingerprint on letters (channel, fingerprint)
    where fingerprint is not null and state <> 'duplicate';
create index letters_by_conversation on letters (conversation_id, id);

-- Every Message-ID seen in a conversation, in and out. It binds channel, correspondent and id:
-- a thread claimed by anybody else matches nothing.
create table thread_ids (
    channel         text not null,
    correspondent   text not null,
    message_id      text not null,
    conversation_id bigint not null references conversations,
    seen_at         timestamptz not null,
    primary key (channel, correspondent, message_id)
);
create index thread_ids_by_conversation on thread_ids (conversation_id);

-- The room of a conversation. A conversation has one that is not gone; a new one is opened when
-- the old one was left, deleted or upgraded.
create table portals (
    id              bigint generated always as identity primary key,
    conversation_id bigint not null references conversations,
    -- Random part of the room alias: makes createRoom repeatable, and means nothing to anybody.
    alias_token     uuid not null unique,
    room_id         text unique,
    state           text not null default 'opening' check (state in ('opening', 'open', 'gone')),
    -- Who was invited already, so that a late joiner is invited once.
    invited         text[] not null default '{}',
    created_at      timestamptz not null,
    -- When its room was seen to be upgraded: it is followed, or given up when that takes too long.
    upgraded_at     timestamptz
);
create unique index portals_one_per_conversation on portals (conversation_id) where state <> 'gone';

-- Who is in a portal, as the room's own events tell.
create table portal_members (
    room_id    text not null,
    user_id    text not null,
    membership text not null,
    -- The event's own time, in milliseconds since 1970: of two doors one may bring it late.
    said_at_ms bigint not null default 0,
    primary key (room_id, user_id)
);

-- What we say in a portal, in the order of `id`.
create table posts (
    id              bigint generated always as identity primary key,
    conversation_id bigint not null references conversations,
    letter_id       bigint references letters,
    dispatch_id     bigint,
    speaker         text not null check (speaker in ('ghost', 'bot')),
    -- Fixed before the first try: a repeat is recognised by the homeserver.
    txn_id          text not null unique,
    -- Sealed: JSON content of an m.room.message without what is only known when it is sent.
    content         bytea not null,
    -- For a file: which attachment of the letter, or -1 for the letter itself.
    file_index      int,
    -- Sealed: where the file lies, once it was uploaded.
    media           bytea,
    -- The notice this post replaces (m.replace), so that one notice shows the latest state.
    replaces        bigint references posts,
    state           text not null default 'pending'
                    check (state in ('pending', 'sent', 'parked', 'dropped')),
    attempts        int not null default 0,
    next_attempt_at timestamptz,
    event_id        text unique,
    sent_at         timestamptz,
    -- When it came back to us through a door.
    echoed_at       timestamptz
);
create index posts_pending on posts (conversation_id, id) where state = 'pending';
create index posts_by_letter on posts (letter_id);

-- Names of transactions the homeserver delivered: it repeats them until it hears a 200.
create table matrix_transactions (
    txn_id      text primary key,
    received_at timestamptz not null
);

-- What happened in rooms, from both doors, once each.
create table room_events (
    id          bigint generated always as identity primary key,
    event_id    text not null unique,
    room_id     text not null,
    sender      text not null,
    -- Sealed JSON; nothing once it was read and acted on.
    event       bytea check (event is not null or state = 'done'),
    door        text not null check (door in ('transaction', 'sync')),
    received_at timestamptz not null,
    state       text not null default 'new' check (state in ('new', 'done'))
);
create index room_events_new on room_events (room_id, id) where state = 'new';

-- How far the bot's own /sync was read and saved.
create table sync_positions (
    user_id    text primary key,
    since      text not null,
    updated_at timestamptz not null
);

-- Ghosts that exist on the homeserver, with the device they speak from.
create table ghosts (
    name      text primary key,
    ready_at  timestamptz not null
);

-- What we hand to a channel, in the order of `id` within a conversation.
create table dispatches (
    id              bigint generated always as identity primary key,
    conversation_id bigint not null references conversations,
    author          text not null,
    -- Fixed before the first try: a repeat is recognised by its receivers.
    message_id      text not null unique,
    state           text not null check (state in ('collecting', 'waiting', 'handing_over',
                    'sending_body', 'accepted', 'failed', 'unclear', 'withdrawn')),
    opened_at       timestamptz not null,
    -- While collecting: when it is complete.
    closes_at       timestamptz not null,
    -- Sealed; nothing while collecting.
    subject         bytea,
    in_reply_to     text,
    -- Oldest first.
    ancestors       text[] not null default '{}',
    attempts        int not null default 0,
    next_attempt_at timestamptz,
    -- Sealed: what the channel's server said last, for the person who looks for the cause. It likes
    -- to repeat addresses.
    reply           bytea,
    settled_at      timestamptz
);
create index dispatches_open on dispatches (conversation_id, id)
    where state in ('collecting', 'waiting', 'handing_over', 'sending_body');
alter table posts add constraint posts_dispatch foreign key (dispatch_id) references dispatches;
create index posts_by_dispatch on posts (dispatch_id, id) where dispatch_id is not null;

-- The room messages a dispatch is made of.
create table dispatch_parts (
    id          bigint generated always as identity primary key,
    dispatch_id bigint not null references dispatches,
    event_id    text not null unique,
    -- Sealed JSON: a text, or a file in the media repository with what was said about it, if
    -- anything.
    content     bytea not null,
    withdrawn   boolean not null default false
);
create index dispatch_parts_by_dispatch on dispatch_parts (dispatch_id, id);

-- What failed for good and waits for a person.
create table parked (
    id          bigint generated always as identity primary key,
    kind        text not null check (kind in ('letter', 'post', 'dispatch')),
    item_id     bigint not null,
    channel     text not null,
    -- A word out of a fixed set, without personal data.
    reason      text not null,
    parked_at   timestamptz not null,
    resolved_at timestamptz,
    resolution  text check (resolution in ('retried', 'dropped'))
);
create unique index parked_once on parked (kind, item_id) where resolved_at is null;

-- What is sealed looks like chance: to compress it would be in vain.
alter table letters alter column raw set storage external;
alter table posts alter column content set storage external;
alter table room_events alter column event set storage external;
alter table dispatch_parts alter column content set storage external;
