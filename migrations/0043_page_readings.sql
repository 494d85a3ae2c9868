-- Expand: faxes whose pages a machine reads in the background, once they are in their room.
create table page_readings (
    letter_id        bigint primary key references letters on delete cascade,
    -- said: the room was told. nothing: there was nothing to tell. given_up: it could not be read.
    -- dropped: the fax is not in its room any more, or the channel does not want it any more.
    state            text not null default 'waiting'
                     check (state in ('waiting', 'said', 'nothing', 'given_up', 'dropped')),
    -- Counted before each attempt begins.
    attempts         integer not null default 0 check (attempts >= 0),
    next_attempt_at  timestamptz,
    ended_at         timestamptz,
    check ((state = 'waiting') = (ended_at is null))
);
create index page_readings_waiting on page_readings (letter_id) where state = 'waiting';

-- Numbers that stand on the pages of a fax, as a machine read them: guesses at who sent it.
create table page_hints (
    letter_id  bigint not null references letters on delete cascade,
    place      integer not null check (place > 0),
    kind       text not null check (kind in ('phone', 'fax', 'bsnr', 'lanr')),
    -- A barcode says so.
    of_code    boolean not null,
    -- Sealed.
    number     bytea not null,
    primary key (letter_id, place)
);
