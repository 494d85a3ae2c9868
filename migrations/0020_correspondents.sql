-- Expand: those a channel talks to, once each. Conversations and Message-IDs point to them.

create table correspondents (
    id            bigint generated always as identity primary key,
    -- As in `channels`: what their address is one of.
    kind          text not null check (kind in ('kim', 'fax')),
    -- The address or number, as `Correspondent::key` writes it.
    key           text not null check (key <> ''),
    -- When the first and the newest letter of theirs came, on any channel of this kind.
    first_seen_at timestamptz not null,
    last_seen_at  timestamptz not null,
    -- What is known of whether they can be reached: when a dispatch to them was last accepted, and
    -- when one last failed for good.
    accepted_at   timestamptz,
    failed_at     timestamptz,
    unique (kind, key)
);

-- The kind of a channel is not known as long as it names no sender of any letter. Its conversations
-- are all of unknown senders, of which no letter ever finds an older conversation: any kind will do.
insert into correspondents (kind, key, first_seen_at, last_seen_at, accepted_at, failed_at)
select
    coalesce(channel.kind, 'kim'),
    conversation.correspondent,
    min(conversation.created_at),
    max(greatest(conversation.created_at, letters.newest_at)),
    max(dispatches.accepted_at),
    max(dispatches.failed_at)
from conversations as conversation
left join channels as channel on channel.channel = conversation.channel
left join lateral (
    select max(received_at) as newest_at
    from letters
    where letters.conversation_id = conversation.id
) as letters on true
left join lateral (
    select
        max(settled_at) filter (where state = 'accepted') as accepted_at,
        max(settled_at) filter (where state = 'failed') as failed_at
    from dispatches
    where dispatches.conversation_id = conversation.id
) as dispatches on true
group by 1, 2;

alter table conversations add column correspondent_id bigint references correspondents;
update conversations as conversation
set correspondent_id = correspondents.id
from correspondents
where correspondents.key = conversation.correspondent
  and correspondents.kind = coalesce(
      (select channel.kind from channels as channel where channel.channel = conversation.channel),
      'kim'
  );
create index conversations_with_correspondent
    on conversations (correspondent_id, channel, id desc);

alter table thread_ids add column correspondent_id bigint references correspondents;
update thread_ids
set correspondent_id = conversations.correspondent_id
from conversations
where conversations.id = thread_ids.conversation_id;
create unique index thread_ids_of_correspondent
    on thread_ids (channel, correspondent_id, message_id);
