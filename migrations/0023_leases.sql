-- Who works on what. A node is one run of a gateway on this database, named by its epoch, which every
-- connection of it carries (0010). What it holds a lease of, no other node does.

create table nodes (
    epoch    bigint primary key,
    begun_at timestamptz not null default now(),
    -- From then on nothing counts that it still writes, and its leases are free.
    ended_at timestamptz
);
insert into nodes (epoch) select epoch from gateway where epoch > 0;

create table leases (
    -- A place where there is something to do, or something that one node at a time may do.
    what  text primary key check (what <> ''),
    epoch bigint not null references nodes
);
create index leases_by_epoch on leases (epoch);

-- Whether what a node writes counts. One of a version that did not know nodes is live as long as no
-- other has begun.
create function is_live(node bigint) returns boolean language plpgsql stable as $$
declare
    ended timestamptz;
begin
    select ended_at into ended from nodes where epoch = node;
    if found then
        return ended is null;
    end if;
    return node = (select epoch from gateway);
end;
$$;

-- The node that asks; nothing where it is none, but a command of the admin.
create function this_node() returns bigint language sql stable as $$
    select nullif(current_setting('umstieg.epoch', true), '')::bigint
$$;

-- Whether what is written on this connection counts.
create function may_write() returns boolean language sql stable as $$
    select coalesce(is_live(this_node()), true)
$$;

create or replace function fence() returns trigger language plpgsql as $$
begin
    if not may_write() then
        raise exception 'another gateway has taken the database' using errcode = 'UM001';
    end if;
    return null;
end;
$$;

-- One gateway per database: who begins ends all others. Several at a time need no more than that this
-- goes.
create function end_other_nodes() returns trigger language plpgsql as $$
begin
    update nodes set ended_at = now() where ended_at is null and epoch < new.epoch;
    return null;
end;
$$;
create trigger end_other_nodes after update of epoch on gateway
    for each row execute function end_other_nodes();
