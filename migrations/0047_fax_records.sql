-- What is kept of each file of a fax, and nothing of what was on it (FAX-39).
create table fax_records (
    id          bigint generated always as identity primary key,
    channel     text not null,
    -- The mail that brought it, or the answer that it left with.
    letter_id   bigint references letters,
    dispatch_id bigint references dispatches,
    -- The file's place in its mail; 0 for what leaves.
    file        integer not null check (file >= 0),
    pages       integer check (pages > 0),
    bytes       bigint not null check (bytes >= 0),
    -- SHA-256 of the file as it came or left; null where it was not opened.
    digest      bytea,
    noted_at    timestamptz not null,
    check ((letter_id is null) <> (dispatch_id is null)),
    unique nulls not distinct (letter_id, dispatch_id, file)
);
create index fax_records_by_time on fax_records (noted_at);

-- When the content of a mail was deleted because of its age. The row stays as evidence.
alter table letters add column purged_at timestamptz;
create index letters_to_purge on letters (channel, received_at) where purged_at is null;

-- What a fax gateway wrote about why a fax failed, sealed (FAX-32).
alter table reports add column words bytea;
