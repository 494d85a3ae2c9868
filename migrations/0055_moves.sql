-- Expand: what people put right about threads. Each row is one order of a speaker, kept as the record of it.
create table moves (
    id                bigint generated always as identity primary key,
    -- The letter that went; nothing when the whole conversation goes on elsewhere.
    letter_id         bigint references letters,
    from_conversation bigint not null references conversations,
    to_conversation   bigint not null references conversations,
    asked_by          text not null,
    -- The room message that asked for it.
    event_id          text not null unique,
    moved_at          timestamptz not null,
    check (from_conversation <> to_conversation)
);
create index moves_of_letters on moves (letter_id) where letter_id is not null;
create index moves_from on moves (from_conversation);
create index moves_to on moves (to_conversation);

-- Where a conversation goes on. Never a chain: it names the last one.
alter table conversations add column joined_into bigint references conversations
    check (joined_into <> id);
create index conversations_joined on conversations (joined_into) where joined_into is not null;
