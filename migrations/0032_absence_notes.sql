-- Absence notes that were told in the thread of the answer they are about (KIM-21). Each is a letter that
-- nothing answers. The same words of the same sender are told once a day in a thread; a note that is not
-- told again is a letter of the state 'duplicate' that repeats this one.
create table absence_notes (
    letter_id       bigint primary key references letters,
    conversation_id bigint not null references conversations,
    -- SHA-256 of its words.
    words           bytea not null,
    told_at         timestamptz not null,
    -- How often the same note came since and was not told.
    again           bigint not null default 0
);
create index absence_notes_of_threads on absence_notes (conversation_id, words, told_at);
