-- How many pages a fax had when it left: a report that names another number does not say that it was sent.
alter table dispatches add column fax_pages integer check (fax_pages > 0);

-- A report may say no more than that the fax gateway has the fax.
alter table reports drop constraint reports_said_check;
alter table reports add constraint reports_said_check check (said in
    ('accepted', 'delayed', 'relayed', 'delivered', 'read', 'discarded', 'undelivered', 'contradicted'));
