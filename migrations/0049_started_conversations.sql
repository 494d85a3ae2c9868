-- Conversations that a speaker began, and not a letter.
alter table conversations
    -- The command that began it; nothing where a letter did.
    add column started_in text,
    -- What its first mails are about, sealed.
    add column subject bytea;
create unique index conversations_started_in on conversations (started_in)
    where started_in is not null;

-- Which command settled a doubt, and who gave it; nothing where an earlier version noted it.
alter table settled_doubts
    add column settled_in text,
    add column settled_by text;

-- When the room of a channel said what can be done there; nothing where it did not yet.
alter table channel_notices add column welcomed_at timestamptz;
