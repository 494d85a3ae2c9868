-- Letters that a fax server in the house delivers by SMTP or LMTP, without a mailbox.

-- What the envelope said: its sender, and those of its recipients that are of the letter's channel. Sealed.
alter table letters add column envelope bytea;
-- By what the peer that delivered it was let in.
alter table letters add column let_in_by text check (let_in_by in ('address', 'login', 'both'));
