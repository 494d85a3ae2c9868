-- refused: it was let in, and the homeserver lets nobody invite it.
alter table told_of_members drop constraint told_of_members_what_check;
alter table told_of_members add constraint told_of_members_what_check
    check (what in ('stranger', 'strangers', 'answered', 'identity', 'stays', 'unknown', 'refused'));
