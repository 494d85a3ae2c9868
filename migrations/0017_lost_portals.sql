-- Rooms that are gone, and in which something lies that nobody could read and that was not said once more.
create view lost_portals as
select portal.id
from portals as portal
where portal.state = 'gone'
  and portal.deserted_since is not null
  and exists (
      select 1
      from posts
      where posts.conversation_id = portal.conversation_id
        and posts.unshown
        and not posts.repeated
        and posts.sent_at >= portal.deserted_since
  );

drop index portals_deserted;
create index portals_deserted on portals (deserted_since) where deserted_since is not null;
