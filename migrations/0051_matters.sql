-- Expand: what each conversation asks of its team, and who did what about it.

create table matters (
    conversation_id bigint primary key references conversations,
    state           text not null check (state in ('open', 'taken', 'answered', 'done')),
    -- The Matrix user who takes care of it.
    holder          text,
    -- Since when a letter of it waits for an answer, whoever took it meanwhile.
    waits_since     timestamptz not null,
    -- Since when it stands as it does.
    since           timestamptz not null,
    -- When the tray was reminded of it as it stands.
    reminded_at     timestamptz,
    -- What the tray has still to be told, and of which letter.
    news            text check (news in ('new', 'again')),
    news_letter     bigint references letters,
    constraint matters_held check ((state = 'taken') = (holder is not null)),
    constraint matters_news_of check ((news is null) = (news_letter is null))
);
create index matters_waiting on matters (waits_since) where state in ('open', 'taken');
create index matters_with_news on matters (conversation_id) where news is not null;

-- Each step, with who and when.
create table matter_steps (
    id              bigint generated always as identity primary key,
    conversation_id bigint not null references conversations,
    step            text not null,
    -- The Matrix user who took it; nothing for a letter and for a report.
    author          text,
    -- To whom it was handed over.
    holder          text,
    taken_at        timestamptz not null,
    letter_id       bigint unique references letters,
    dispatch_id     bigint references dispatches,
    -- The sign on an event that says so, and in the room of which conversation it stands.
    sign            text unique,
    sign_in         bigint references conversations,
    -- The sign is gone.
    taken_back_at   timestamptz,
    constraint matter_steps_sign_in check ((sign is null) = (sign_in is null))
);
create index matter_steps_by_conversation on matter_steps (conversation_id, id);

-- The posts of a tray that speak of one conversation: what people put a sign to.
create table tray_lines (
    txn_id          text primary key,
    conversation_id bigint not null references conversations
);

-- When the team was last reminded in this room of what waits.
alter table channel_notices add column reminded_at timestamptz;

-- The newest step of the conversation when the dispatch was opened: a letter behind it is not answered by
-- it. Nothing for those of earlier versions.
alter table dispatches add column after_step bigint;
