-- What is kept of a channel beside what it brought.
create table channels (
    channel   text primary key,
    -- What its conversations are of; nothing while it is not known.
    kind      text,
    -- The names of its letters and rooms are made with this. It stays when the channel is called
    -- otherwise, so that a copy of before finds what was said since.
    made_with text not null
);
insert into channels (channel, kind, made_with)
select
    known.channel,
    case
        when bool_and(conversation.correspondent like '%@%') then 'kim'
        when bool_and(conversation.correspondent not like '%@%') then 'fax'
    end,
    known.channel
from (
    select channel from conversations
    union
    select channel from letters
    union
    select channel from mailboxes
) as known
left join conversations as conversation
    on conversation.channel = known.channel
   and conversation.correspondent <> 'unknown'
group by known.channel;

-- Whoever comes and goes, or asks again and again, is told of, and answered, some times a day.
-- strangers: there are many of them. answered: somebody who does not belong there was.
-- is_gone: it is not there any more, so that its coming is news again.
alter table told_of_members add column times int not null default 1;
alter table told_of_members add column is_gone boolean not null default false;
alter table told_of_members drop constraint told_of_members_what_check;
alter table told_of_members add constraint told_of_members_what_check
    check (what in ('stranger', 'strangers', 'answered', 'identity', 'stays', 'unknown'));

-- Who could not be removed, went and is there again, is tried once more.
create or replace view former_members as
select portal.conversation_id, member.room_id, member.user_id
from portals as portal
join portal_members as member on member.room_id = portal.room_id
left join admitted
    on admitted.conversation_id = portal.conversation_id
   and admitted.user_id = member.user_id
where portal.state = 'open'
  and member.membership in ('join', 'invite')
  and admitted.state is distinct from 'in'
  and (
      admitted.state = 'out'
      or exists (
          select 1
          from portals as room
          where room.conversation_id = portal.conversation_id
            and member.user_id = any (room.invited)
      )
  )
  and not exists (
      select 1
      from told_of_members as told
      where told.room_id = member.room_id
        and told.user_id = member.user_id
        and told.what = 'stays'
        and not told.is_gone
  );
