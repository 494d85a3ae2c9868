-- Expand: what the directory of KIM addresses said about those the gateway talks to, and when. No name
-- and no certificate: the table answers whether a letter can be sent, and is no copy of the directory.
create table listings (
    id            bigint generated always as identity primary key,
    -- In lower case, as in `correspondents`.
    address       text not null unique check (address <> ''),
    -- Whether an entry named it at the newest look.
    listed        boolean not null,
    -- As the newest entry had them; nothing where it did not say.
    version       text,
    takes_large   boolean not null,
    telematik_id  text,
    looked_up_at  timestamptz not null,
    -- How often an entry that had been there was not found any more.
    vanishings    bigint not null default 0
);
create index listings_looked_up on listings (looked_up_at);
