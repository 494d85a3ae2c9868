-- When the room was told that nobody has reported what became of a dispatch.
alter table dispatches add column silence_told_at timestamptz;
create index dispatches_silent on dispatches (settled_at)
    where state = 'accepted' and reports_requested and silence_told_at is null;
