-- Who belongs to a portal again after having gone, and whose devices read nothing there meanwhile.

-- Who was invited once and does not belong here any more. Should they belong here again, they are
-- invited as newcomers are; until then they are told from strangers by this.
alter table portals add column former text[] not null default '{}';

-- Since when somebody who read here gets no more keys. Whoever gets one again is told what came since.
alter table room_readers add column until timestamptz;

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
