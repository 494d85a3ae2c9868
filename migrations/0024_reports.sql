-- The dispatch a report is about is looked up by its channel and its Message-ID, whoever the report
-- is from.
create index thread_ids_of_dispatches on thread_ids (channel, message_id) where bearer like 'd%';
