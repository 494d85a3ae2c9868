-- Letters whose words are not said in the room, and why. undecrypted: the Clientmodul could not decrypt
-- the mail, so there are none. withheld: it does not vouch for sender and content.
alter table letters add column kept_back text check (kept_back in ('undecrypted', 'withheld'));
-- Who let them be said all the same, and when.
alter table letters add column released_by text;
alter table letters add column released_at timestamptz;

-- held: it is said once a speaker releases its letter. The previous version never says it.
alter table posts drop constraint posts_state_check;
alter table posts add constraint posts_state_check
    check (state in ('pending', 'sent', 'parked', 'dropped', 'held'));
