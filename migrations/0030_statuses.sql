-- The type of the event that a post becomes; nothing for m.room.message.
alter table posts add column event_type text;
-- From then on nobody waits for it any more, and it is not said.
alter table posts add column until timestamptz;

-- Room messages of which a client wants to be told what became of them, in an event of its own form.
create table status_wishes (
    event_id text not null,
    form     text not null check (form in ('gematik', 'beeper')),
    -- From then on it is not told any more; nothing where it wants to be told at any time.
    until    timestamptz,
    -- What was told last, as a word, and how often something was.
    said     text,
    times    int not null default 0,
    primary key (event_id, form)
);
