-- Yearly partitions, made when the first row of a year comes. Years, for months cost twice the time per row written.

create function ops.ensure_year_partition(parent regclass, at timestamptz) returns void
    language plpgsql
    -- The writer role may not create tables; through this function it may create just these.
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    year_start constant timestamptz := date_trunc('year', at);
    year_end constant timestamptz := year_start + interval '1 year';
    place name;
    part name;
begin
    select n.nspname, left(c.relname, 57) || '_' || to_char(year_start, 'FMYYYY')
      into place, part
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_partitioned_table p on p.partrelid = c.oid
      join pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
     where c.oid = parent
       and p.partstrat = 'r'
       and p.partnatts = 1
       and a.atttypid = 'timestamptz'::regtype
       and n.nspname in ('market', 'dex', 'macro', 'onchain', 'sentiment', 'features', 'quality');
    if place is null or year_start is null or not isfinite(year_start) then
        raise exception 'ops.ensure_year_partition: % at % names no table of ours that is partitioned by one timestamptz', parent, at
            using errcode = 'invalid_parameter_value';
    end if;
    if to_regclass(format('%I.%I', place, part)) is not null then
        return;
    end if;
    -- Two writers may come with the first row of the same year; the second waits here and then finds the table.
    perform pg_advisory_xact_lock(hashtextextended(format('%I.%I', place, part), 0));
    -- Asked of the catalog itself: what this session remembers of names may date from before the wait.
    if exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = place and c.relname = part) then
        return;
    end if;
    -- Attaching locks the parent against schema changes only; PARTITION OF would wait for every reader and writer.
    execute format('create table %I.%I (like %s including all)', place, part, parent);
    execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)', parent, place, part, year_start, year_end);
    -- Rows are written through the parent, whose triggers keep revisions; nobody writes past them.
    if exists (select from pg_roles where rolname = 'crypto_assets_writer') then
        execute format('revoke insert, update, delete on %I.%I from crypto_assets_writer', place, part);
    end if;
end
$$;

comment on function ops.ensure_year_partition(regclass, timestamptz) is
    'Creates the partition of the UTC year that holds the moment, where it is not there. Safe for concurrent writers.';

revoke execute on function ops.ensure_year_partition(regclass, timestamptz) from public;

do $$
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
        grant execute on function ops.ensure_year_partition(regclass, timestamptz) to crypto_assets_writer;
    end if;
end
$$;
