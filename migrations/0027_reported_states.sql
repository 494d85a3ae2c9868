-- A report moves the state of its dispatch on: the states that only reports bring.
alter table dispatches drop constraint dispatches_state_check;
alter table dispatches add constraint dispatches_state_check check (state in (
    'collecting', 'waiting', 'handing_over', 'sending_body', 'accepted', 'delayed', 'relayed',
    'delivered', 'read', 'discarded', 'undelivered', 'contradicted', 'failed', 'unclear', 'withdrawn'
));

-- Reports that speak of a dispatch. The mail itself is a letter without a conversation.
create table reports (
    id            bigint generated always as identity primary key,
    dispatch_id   bigint not null references dispatches,
    letter_id     bigint not null unique references letters,
    -- The state that it leads to by itself.
    said          text not null check (said in
                      ('delayed', 'relayed', 'delivered', 'read', 'discarded', 'undelivered',
                       'contradicted')),
    -- Why it did not arrive, or not yet: a word, never what somebody wrote.
    why           text,
    -- The Message-ID that it names: the dispatch may have become another mail since.
    message_id    text not null,
    -- Whether the state moved for it.
    moved         boolean not null default false,
    -- The attempt during which it came, or the last one before it.
    begun         bigint not null,
    -- waiting: the attempt that is under way has to end first.
    state         text not null check (state in ('waiting', 'done')),
    reported_at   timestamptz not null
);
create index reports_of_dispatches on reports (dispatch_id, id);
create index reports_waiting on reports (dispatch_id) where state = 'waiting';
