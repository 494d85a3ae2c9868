-- Mailboxes as they are: a mail's key means something within one mailbox at one server only, and only
-- while the mail is there.

-- A generation of a mailbox. Another server, account or UIDVALIDITY is another one.
create table mailboxes (
    id          bigint generated always as identity primary key,
    -- Who reads it. A channel that is called otherwise in the settings takes it along.
    channel     text not null,
    -- SHA-256 of protocol, host, port, user and folder.
    place       bytea not null,
    -- IMAP's UIDVALIDITY; 0 where the protocol has none.
    validity    bigint not null,
    found_at    timestamptz not null,
    -- When all it held at first was fetched or left there; until then `since` of the settings counts.
    looked_at   timestamptz,
    -- The mail that is being fetched: found by the next look when the gateway ended meanwhile.
    fetching    text,
    -- How often the server's sizes called a mail another one that was the same.
    false_sizes int not null default 0,
    unique (place, validity)
);
create index mailboxes_by_channel on mailboxes (channel);

-- Which generation brought it. Nothing for letters of before: they are not deleted from any mailbox.
alter table letters add column mailbox_id bigint references mailboxes;
-- SHA-256 of its bytes.
alter table letters add column digest bytea;
-- What the server's list said of its length, if it said anything: it tells mails apart, no more.
alter table letters add column listed_bytes bigint;
-- Since when its key does not name it any more: the key was not in the list, or names another mail.
alter table letters add column left_at timestamptz;
-- How often the mailbox confirmed its deletion.
alter table letters add column deletions int not null default 0;
-- It could not be had: `raw` holds its head, or nothing. It is tried again now and then.
alter table letters add column out_of_reach boolean not null default false;
-- It could not be had because of its length, and is not tried again.
alter table letters add column too_large boolean not null default false;
-- The letter out of reach that this one is, now that it could be had.
alter table letters add column supersedes bigint references letters;
-- The letter that this one repeats.
alter table letters add column repeats bigint references letters;
-- It is never deleted from its mailbox: what the Clientmodul could not decrypt is to be had later.
alter table letters add column stays boolean not null default false;

alter table letters drop constraint letters_channel_mail_key_key;
create unique index letters_by_key on letters (mailbox_id, mail_key) where left_at is null;
create index letters_by_digest on letters (mailbox_id, digest);
-- A second copy is found where no fingerprint tells.
create index letters_by_name on letters (channel, mail_key);

-- Mails in a mailbox that are no letters, and why.
create table unfetched_mails (
    id          bigint generated always as identity primary key,
    mailbox_id  bigint not null references mailboxes,
    mail_key    text not null,
    -- trying: it could not be had yet. aside: not in several tries; parked, tried now and then.
    -- final: no further try would bring it. dropped: a person gave it up. skipped: older than `since`.
    -- gone: it was put aside, and is not in the mailbox any more.
    state       text not null
                check (state in ('trying', 'aside', 'final', 'dropped', 'skipped', 'gone')),
    tries       int not null default 0,
    next_try_at timestamptz,
    -- A word out of a fixed set.
    reason      text not null,
    noted_at    timestamptz not null,
    unique (mailbox_id, mail_key)
);

-- Rows of `unfetched_mails` are parked as well.
alter table parked drop constraint parked_kind_check;
alter table parked add constraint parked_kind_check
    check (kind in ('letter', 'post', 'dispatch', 'mail', 'event', 'conversation'));

-- What the names of ghosts and rooms at the homeserver are made with: with others, nothing that was
-- made before would be found again.
create table gateway_names (
    only_row    boolean primary key default true check (only_row),
    server_name text not null,
    user_prefix text not null
);
