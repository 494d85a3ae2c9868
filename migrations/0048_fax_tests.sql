-- Test faxes that an admin sent with `umstieg fax test`: they are of no room.
create table fax_tests (
    id          bigint generated always as identity primary key,
    channel     text not null,
    message_id  text not null unique,
    number      text not null,
    pages       integer not null check (pages > 0),
    begun_at    timestamptz not null,
    -- What the gateway says by now.
    said        text check (said in ('accepted', 'delayed', 'delivered', 'undelivered')),
    -- Why, as a word.
    why         text,
    said_at     timestamptz
);
create index fax_tests_open on fax_tests (channel, number, begun_at)
    where said is null or said in ('accepted', 'delayed');
