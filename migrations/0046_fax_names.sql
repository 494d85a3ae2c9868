-- Expand: what a channel's team calls a fax number, and which name its ghost has in a room.
create table fax_names (
    channel           text not null,
    correspondent_id  bigint not null references correspondents,
    -- Sealed. Empty: the name was undone, and the address book's counts again.
    name              bytea,
    set_by            text not null,
    set_at            timestamptz not null,
    -- Whether the rooms show it.
    is_shown          boolean not null default false,
    primary key (channel, correspondent_id)
);
create index fax_names_not_shown on fax_names (channel) where not is_shown;

-- Sealed. Empty where the ghost has the name that it came with, which is its number.
alter table rooms add column ghost_name bytea;
