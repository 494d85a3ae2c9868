-- The dispatch a report is about is looked up by its channel and its Message-ID, whoever the report
-- is from.
create index thread_ids_of_dispatches on thread_ids (channel, message_id) where bearer like 'd%';

-- The first room message that a dispatch still contains: notices answer it, and so does what is said of
-- a report. What was deleted before it left did not leave.
create function first_event_of(dispatch bigint) returns text language sql stable as $$
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
$$;
