-- Who runs on this database. A gateway that takes it counts one on.
create table gateway (
    only_row boolean primary key default true check (only_row),
    epoch    bigint not null,
    -- When the gateway of this epoch last knew that it was running.
    seen_at  timestamptz
);
insert into gateway (epoch) values (0);

-- Refuses what a gateway of an older epoch still writes. Who names no epoch is no gateway (a command
-- of the admin), and may write beside one.
create function fence() returns trigger language plpgsql as $$
begin
    if nullif(current_setting('umstieg.epoch', true), '')::bigint
        <> (select epoch from gateway)
    then
        raise exception 'another gateway has taken the database' using errcode = 'UM001';
    end if;
    return null;
end;
$$;

-- Puts the fence before every table that has none yet. It is called after each migration, so that
-- no later table is forgotten. Left out is what says who the gateway is, and what is written before
-- that is known.
create function fence_tables() returns void language plpgsql as $$
declare
    unfenced text;
begin
    for unfenced in
        select class.relname
        from pg_class as class
        where class.relnamespace = (select relnamespace from pg_class where oid = 'gateway'::regclass)
          and class.relkind = 'r'
          and class.relname not in ('gateway', 'seal_keys', '_sqlx_migrations')
          and not exists (
              select 1
              from pg_trigger
              where tgrelid = class.oid
                and tgname = 'fence'
          )
    loop
        execute format(
            'create trigger fence before insert or update or delete on %I
             for each statement execute function fence()',
            unfenced
        );
    end loop;
end;
$$;
