-- Posts that stand in a room, and of which the table of posts knew nothing when it was compared with
-- the room: the database is a copy from the past. A letter that comes once more finds its own here.
create table found_posts (
    txn_id   text primary key,
    event_id text not null,
    found_at timestamptz not null
);

-- The room may hold posts that are not known here; it is read before anything is said in it.
alter table portals add column to_compare boolean not null default false;
