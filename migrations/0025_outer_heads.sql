-- What the outer head of a KIM mail said, which TOP shows before the mail is fetched: it decides whether
-- the mail is fetched at all, and later how far the mail is believed. Kept as long as its key names it.
create table outer_heads (
    mailbox_id   bigint not null references mailboxes,
    mail_key     text not null,
    seen_at      timestamptz not null,
    -- What the server's list said of the mail's length then: another length is another mail.
    listed_bytes bigint,
    -- A hash of what its head tells it by.
    head_digest  bytea,
    -- Its Dienstkennung; empty when it has not the form of one, and nothing when there is none.
    service      text,
    -- It bears X-KOM-LE-Version: the Clientmodul has to decrypt it.
    is_encrypted boolean not null,
    -- It bears X-KIM-Fehlermeldung.
    has_error    boolean not null,
    written_at   timestamptz,
    expires_at   timestamptz,
    primary key (mailbox_id, mail_key)
);

-- The same of a letter, from the time it was fetched. Nothing: its outer head was not seen.
alter table letters add column outer_service text;
alter table letters add column outer_encrypted boolean;

-- A mail that is left to another program is a row of `unfetched_mails` that was skipped, for the reason
-- 'left_alone': the previous version leaves it alone as well.
