-- Expand: a preview may have a picture beside its file, and a confirmation may be taken back.
alter table fax_previews add column picture_txn_id text unique;
-- A redaction is asked whose confirmation it takes back.
create index fax_previews_confirmed_in on fax_previews (confirmed_in) where confirmed_in is not null;

-- Whether an event is taken back, as far as any door has told by now.
create function was_taken_back(said text) returns boolean language sql stable as $$
    select exists (
        select 1
        from room_acts as act
        join room_events as event
            on event.event_id = act.target
           and event.room_id = act.room_id
        where act.target = said
          and act.kind = 'redaction'
    )
$$;
