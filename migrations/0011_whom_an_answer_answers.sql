-- What a Message-ID leads back to, and what an answer answers.

-- The one mail that bears the id (`l` and a letter's number, `d` and a dispatch's); nothing while it
-- was only named by others, and for what was noted before this column.
alter table thread_ids add column bearer text;
-- Seen in several conversations, or borne by several mails: it leads into none of them any more.
alter table thread_ids add column is_ambiguous boolean not null default false;

-- Where the sender wants answers to this letter, when that is elsewhere and may be written to. Its
-- room was told so.
alter table letters add column answer_to text;
-- What is not sure about the caller of a fax, in one line: an answer waits until a person has
-- confirmed that the number is right.
alter table letters add column caller_doubt text;

-- Doubts about callers that a person settled, so that nobody is asked twice.
create table settled_doubts (
    conversation_id bigint not null references conversations,
    doubt           text not null,
    settled_at      timestamptz not null,
    primary key (conversation_id, doubt)
);

-- The letter a dispatch answers; nothing when none stood in the room, and for what was gathered
-- before this column.
alter table dispatches add column letter_id bigint references letters;
