-- A key may be used again for another mail while nobody looks. So what else is known of a mail that is
-- no letter is kept: what the list said of its length, and a hash of what its head tells it by.
alter table unfetched_mails add column listed_bytes bigint;
alter table unfetched_mails add column head_digest bytea;

-- undecrypted: its letter says only that the Clientmodul could not decrypt it. Fetched again now and then.
alter table unfetched_mails drop constraint unfetched_mails_state_check;
alter table unfetched_mails add constraint unfetched_mails_state_check
    check (state in
        ('trying', 'aside', 'final', 'dropped', 'skipped', 'gone', 'undecrypted'));
insert into unfetched_mails (mailbox_id, mail_key, state, reason, noted_at)
select mailbox_id, mail_key, 'undecrypted', 'undecrypted', received_at
from letters
where stays
  and mailbox_id is not null
  and left_at is null
  and deleted_at is null
  and not head_only
  and not out_of_reach
on conflict (mailbox_id, mail_key) do nothing;

-- What a mailbox held at the first look: `since` of the settings is for these mails alone.
alter table mailboxes add column first_keys text[];
-- Of so many mails without a name somebody was told.
alter table mailboxes add column nameless int not null default 0;
