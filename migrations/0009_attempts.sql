-- Attempts of everything, counted before the work begins: an attempt that the gateway did not
-- survive is one. And one parked row for each cause.

-- To place it. Not counted: what failed because the database was away before it began.
alter table letters add column attempts int not null default 0;
-- What waits for its place; the state is looked at every few seconds.
create index letters_stored on letters (channel, id) where state = 'stored';

-- A conversation whose room cannot be had is parked: nothing of it is tried until a person says so,
-- and its posts stay as they are. All conversations with one correspondent share the row.
alter table conversations add column parked_id bigint references parked;
create index conversations_parked on conversations (parked_id) where parked_id is not null;

-- Under which row a post is parked: what failed in one conversation for one reason shares one.
alter table posts add column parked_id bigint references parked;
create index posts_parked on posts (parked_id) where parked_id is not null;
update posts
set parked_id = parked.id
from parked
where parked.kind = 'post'
  and parked.item_id = posts.id
  and parked.resolved_at is null
  and posts.state = 'parked';

-- The program knows the words (model::state, store::parked) and takes every other for damage.
alter table parked drop constraint if exists parked_kind_check;
alter table parked drop constraint if exists parked_resolution_check;
-- settled: it turned out to be where it should be.
alter table parked add constraint parked_resolution_check
    check (resolution in ('retried', 'dropped', 'settled'));

-- When its inbox was last begun to be read: one that fails each time does not go before all others.
alter table devices add column drain_begun_at timestamptz;
