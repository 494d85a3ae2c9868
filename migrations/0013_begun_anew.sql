-- How often an attempt at a dispatch was begun, or the dispatch begun anew. It only grows, while
-- `attempts` begin at nothing when a person has it tried again: whoever was overtaken meanwhile is told
-- by this number that the dispatch is not his any more.
alter table dispatches add column begun bigint not null default 0;

-- What the mail said whose body began to leave last under this Message-ID: which messages, each in
-- which version. Nothing while none did. What says something else is another mail, with another
-- Message-ID.
alter table dispatches add column said_as text;
update dispatches
set said_as = (
    select string_agg(id || ':' || left_as, ' ' order by id)
    from dispatch_parts
    where dispatch_id = dispatches.id
      and left_as is not null
);
