-- Whom we believe, who reads, and what nobody has read yet.

-- The identity of each member (its cross-signing master key, Ed25519 in base64): seen first, it is
-- pinned for the whole gateway. Another one is neither believed nor given keys until somebody
-- confirms it.
create table identities (
    user_id   text primary key,
    pinned    text not null,
    pinned_at timestamptz not null,
    -- Who says that the pinned one is right.
    pinned_by text not null check (pinned_by in ('first_seen', 'speaker', 'admin')),
    -- The one the homeserver told of last.
    seen      text not null,
    seen_at   timestamptz not null
);
create index identities_changed on identities (user_id) where seen <> pinned;

-- Whom a speaker let into a conversation (in), or sent out of it again (out). Holds for whatever room
-- the conversation has.
create table admitted (
    conversation_id bigint not null references conversations,
    user_id         text not null,
    state           text not null check (state in ('in', 'out')),
    changed_at      timestamptz not null,
    primary key (conversation_id, user_id)
);

-- What a room was told of a member, once.
-- stranger: it is there, and nobody let it in. identity: it has another identity (detail: which).
-- stays: it should go, and cannot be removed. unknown: its homeserver does not know it.
create table told_of_members (
    room_id text not null,
    user_id text not null,
    what    text not null check (what in ('stranger', 'identity', 'stays', 'unknown')),
    detail  text not null default '',
    told_at timestamptz not null,
    primary key (room_id, user_id, what, detail)
);

-- Of which devices a member was told that none of them reads letters: of other ones it is news again.
alter table locked_out_members add column devices text not null default '';

-- Members whose devices have had a key for what is written in a room. Whoever is not here cannot
-- read what came before.
create table room_readers (
    room_id text not null,
    user_id text not null,
    since   timestamptz not null,
    primary key (room_id, user_id)
);
-- Whoever is in a room by now is not told of what came before this was noted.
insert into room_readers (room_id, user_id, since)
select room_id, user_id, now()
from portal_members
where membership in ('join', 'invite');

-- Memberships are noted in the order they are told. certain: we invited it ourselves a moment ago;
-- nothing was heard, and no key given, since. said_at_ms is the event's own time, and orders
-- nothing: whoever writes the event chooses it.
alter table portal_members add column certain boolean not null default false;
create index portal_members_by_user on portal_members (user_id)
    where membership in ('join', 'invite');

-- Who is in an open portal and was sent out, or was invited once by the gateway itself and not let in
-- by a speaker. Whether the settings still name them is asked by who knows the settings. Who could
-- not be removed is left out.
create view former_members as
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
  );

-- unshown: no device of a human member had the key when it left (in a room that is not encrypted: no
-- human was there). repeated: it was said once more since. again: how often it is said once more.
alter table posts add column unshown boolean not null default false;
alter table posts add column repeated boolean not null default false;
alter table posts add column again int not null default 0 check (again >= 0);
create index posts_unshown on posts (conversation_id, id) where unshown and not repeated;

-- Every room a conversation has had.
create index portals_by_conversation on portals (conversation_id);

-- Since when something of a letter lies in its room and no human has joined it.
alter table portals add column deserted_since timestamptz;
create index portals_deserted on portals (deserted_since)
    where deserted_since is not null and state = 'open';

-- A portal that nobody joins is parked, and settles by itself when somebody does.
alter table parked drop constraint if exists parked_kind_check;
alter table parked add constraint parked_kind_check
    check (kind in ('letter', 'post', 'dispatch', 'mail', 'event', 'portal'));
alter table parked drop constraint if exists parked_resolution_check;
alter table parked add constraint parked_resolution_check
    check (resolution in ('retried', 'dropped', 'settled'));
