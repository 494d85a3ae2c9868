-- Expand: a fax may wait until a person has confirmed what was shown of it.
alter table dispatches drop constraint dispatches_state_check;
alter table dispatches add constraint dispatches_state_check check (state in (
    'collecting', 'waiting', 'handing_over', 'previewed', 'sending_body', 'accepted', 'delayed', 'relayed',
    'delivered', 'read', 'discarded', 'undelivered', 'contradicted', 'failed', 'unclear', 'withdrawn'
));

-- What was shown of a fax before it left, and who confirmed it. The newest of a dispatch counts.
create table fax_previews (
    id            bigint generated always as identity primary key,
    dispatch_id   bigint not null references dispatches,
    -- A hash of the paper and of where it goes: only what bears it may leave.
    shown         text not null check (shown <> ''),
    -- The names of the two posts that show it.
    file_txn_id   text not null unique,
    words_txn_id  text not null unique,
    made_at       timestamptz not null,
    reminded_at   timestamptz,
    -- Who confirmed it, and in which event.
    confirmed_by  text,
    confirmed_in  text,
    confirmed_at  timestamptz,
    check ((confirmed_by is null) = (confirmed_at is null)),
    check ((confirmed_by is null) = (confirmed_in is null))
);
create index fax_previews_of_dispatches on fax_previews (dispatch_id, id);
create index fax_previews_unreminded on fax_previews (made_at)
    where reminded_at is null and confirmed_at is null;
