-- The Dienstkennung under which a person may send the receipt that a letter asks for. Nothing where it
-- asks for none, or where none can be sent.
alter table letters add column receipt_as text;

-- The same on a dispatch that is such a receipt: it has no room messages of its own.
alter table dispatches add column receipt_as text;
-- The command that had it sent: its notices answer it.
alter table dispatches add column asked_in text;
-- A letter gets one receipt, however often somebody asks.
create unique index dispatches_of_receipts on dispatches (letter_id) where receipt_as is not null;

-- As before, and for a receipt the command.
create or replace function first_event_of(dispatch bigint) returns text language sql stable as $$
    select coalesce(
        (
            select part.event_id
            from dispatch_parts as part
            where part.dispatch_id = $1
            order by
                part.withdrawn
                or exists (
                    select 1
                    from room_acts as act
                    join room_events as event
                        on event.event_id = act.target
                       and event.room_id = act.room_id
                    where act.target = part.event_id
                      and act.kind = 'redaction'
                ),
                part.id
            limit 1
        ),
        (select asked_in from dispatches where id = $1)
    )
$$;
