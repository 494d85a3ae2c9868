-- Mails in pieces, so that none of them is ever in memory as a whole.

-- `letters.raw` holds a mail, or of a long one its first piece. Names what follows, if anything does.
create sequence letter_rests;
alter table letters add column rest bigint unique;
-- How many pieces follow.
alter table letters add column rest_pieces int not null default 0
    check ((rest_pieces > 0) = (rest is not null));

-- What follows the first piece. It is saved before its letter is, while it comes; only with the
-- letter does it count, and what no letter names was left behind by a connection that broke.
create table letter_pieces (
    rest   bigint not null,
    -- From 1.
    number int not null check (number > 0),
    -- Sealed.
    piece  bytea not null,
    primary key (rest, number)
);
alter table letter_pieces alter column piece set storage external;
