-- Whether the server that took a dispatch agreed to report what becomes of it (DSN). Nothing where no
-- server took it, or an earlier version handed it over.
alter table dispatches add column reports_requested boolean;

-- The conversation in whose room a channel's team is told about the channel itself.
create table channel_notices (
    channel         text primary key,
    conversation_id bigint not null references conversations
);

-- What keeps the gateway out of an account, and what the team was told of it. A row for each side of a
-- channel and each trouble that was met there.
create table account_troubles (
    channel text not null,
    side    text not null check (side in ('inbox', 'outbox')),
    trouble text not null,
    -- Since when it lasts; nothing while it does not.
    since   timestamptz,
    -- When the team was told of it last.
    told_at timestamptz,
    -- The team was told of it, and of nothing else since.
    stands  boolean not null default false,
    primary key (channel, side, trouble)
);
