-- What a post holds. content: something that was written, for devices the channel trusts. word: the
-- gateway's own, with nothing of it, for every device of the members. What was saved before this
-- column is treated as content.
alter table posts add column substance text not null default 'content'
    check (substance in ('content', 'word'));

-- Members who can read no letter, because none of their devices is signed, and were told so. A
-- member goes from here as soon as one is.
create table locked_out_members (
    room_id text not null,
    user_id text not null,
    told_at timestamptz not null,
    primary key (room_id, user_id)
);

-- When an Olm message was read: the homeserver repeats it only until the position after it is saved.
alter table crypto_message_hashes add column saved_at timestamptz not null default now();
create index crypto_message_hashes_by_age on crypto_message_hashes (device, saved_at);
