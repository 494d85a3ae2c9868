-- A report about a dispatch stands in the dispatch's conversation, but is no letter of its
-- correspondent: nothing answers it.
alter table letters add column reports_on bigint references dispatches;

-- The dispatch a report is about is looked up by its channel and its Message-ID, whoever the report
-- is from.
create index thread_ids_of_dispatches on thread_ids (channel, message_id) where bearer like 'd%';
