-- Contract: conversations and Message-IDs name their correspondent by `correspondent_id` alone.

-- What a gateway of the version before wrote since.
insert into correspondents (kind, key, first_seen_at, last_seen_at)
select coalesce(channel.kind, 'kim'), conversation.correspondent, min(created_at), max(created_at)
from conversations as conversation
left join channels as channel on channel.channel = conversation.channel
where conversation.correspondent_id is null
group by 1, 2
on conflict (kind, key) do nothing;
update conversations as conversation
set correspondent_id = correspondents.id
from correspondents
where conversation.correspondent_id is null
  and correspondents.key = conversation.correspondent
  and correspondents.kind = coalesce(
      (select channel.kind from channels as channel where channel.channel = conversation.channel),
      'kim'
  );
update thread_ids
set correspondent_id = conversations.correspondent_id
from conversations
where thread_ids.correspondent_id is null
  and conversations.id = thread_ids.conversation_id;

alter table conversations alter column correspondent_id set not null;
drop index conversations_by_correspondent;
alter table conversations drop constraint conversations_channel_not_empty;
alter table conversations drop column correspondent;
alter table conversations add constraint conversations_channel_not_empty check (channel <> '');

alter table thread_ids drop constraint thread_ids_pkey;
alter table thread_ids drop column correspondent;
alter table thread_ids
    add constraint thread_ids_pkey primary key using index thread_ids_of_correspondent;
