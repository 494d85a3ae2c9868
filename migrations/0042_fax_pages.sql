-- How many pages a fax had when it left: a report that names another number does not say that it was sent.
alter table dispatches add column fax_pages integer check (fax_pages > 0);
