-- What may have happened that the database does not know: an attempt that may have arrived, a notice
-- that was deleted in its room, and everything since the copy was made of which the database is one.

-- An attempt before the one of now may have arrived. It stays true whatever becomes of later ones.
alter table dispatches add column may_have_arrived boolean not null default false;
update dispatches
set may_have_arrived = true
where state = 'unclear'
   or exists (
       select 1
       from parked
       where parked.kind = 'dispatch'
         and parked.item_id = dispatches.id
         and parked.reason = 'unclear'
   );

-- What was to be replaced stood in no room any more: it is a message of its own, and what is said
-- later replaces it.
alter table posts add column stands_alone boolean not null default false;

-- asked: the database is a copy, so nobody knows whether a speaker sent them out since. Until one lets
-- them in again they get no keys, and they are not removed.
alter table told_of_members drop constraint told_of_members_what_check;
alter table told_of_members add constraint told_of_members_what_check
    check (what in ('stranger', 'strangers', 'answered', 'identity', 'stays', 'unknown', 'refused', 'asked'));
alter table admitted drop constraint if exists admitted_state_check;
alter table admitted add constraint admitted_state_check check (state in ('in', 'out', 'asked'));

create or replace view former_members as
select portal.conversation_id, member.room_id, member.user_id
from portals as portal
join portal_members as member on member.room_id = portal.room_id
left join admitted
    on admitted.conversation_id = portal.conversation_id
   and admitted.user_id = member.user_id
where portal.state = 'open'
  and member.membership in ('join', 'invite')
  and (admitted.state is null or admitted.state = 'out')
  and (
      admitted.state = 'out'
      or exists (
          select 1
          from portals as room
          where room.conversation_id = portal.conversation_id
            and member.user_id = any (room.invited || room.former)
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

-- It was said before the database was replaced by an older copy of itself: perhaps it was passed on.
alter table room_events add column before_copy boolean not null default false;
-- The bot's next /sync brings what was said since the copy was made.
alter table sync_positions add column of_copy boolean not null default false;
