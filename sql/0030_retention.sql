-- Old partitions go by policy: dropped, or written to a file and then dropped; what went, and where it lies, is kept here.
-- And once a day what each table takes, so that its growth is known.

create table ops.archived_partitions (
    table_name text not null,
    starts_at timestamptz not null,
    number integer not null,
    ends_at timestamptz not null,
    partition_name text not null,
    outcome text not null,
    aside text,
    row_count bigint,
    table_bytes bigint not null,
    file text,
    file_bytes bigint,
    sha256 text,
    row_hash text,
    removed_at timestamptz default clock_timestamp() not null,
    restored_at timestamptz,
    primary key (table_name, starts_at, number),
    constraint archived_partitions_outcome_known check (outcome in ('dropped', 'detached', 'archived', 'restored')),
    constraint archived_partitions_span_not_empty check (starts_at < ends_at),
    constraint archived_partitions_has_its_file check (
        outcome = 'dropped'
        or (file is not null and file_bytes is not null and sha256 is not null and row_hash is not null and row_count is not null)),
    constraint archived_partitions_aside_while_detached check ((aside is not null) = (outcome = 'detached')),
    constraint archived_partitions_says_when_restored check ((restored_at is not null) = (outcome = 'restored'))
);

comment on table ops.archived_partitions is
    'Partitions that retention took out of their tables. Written in the transaction that takes one out, by functions alone.';
comment on column ops.archived_partitions.table_name is 'Schema and table that the partition was a part of';
comment on column ops.archived_partitions.starts_at is 'First moment of the partition''s span [UTC]';
comment on column ops.archived_partitions.number is 'Counted from 1 within the span: rows that came later are taken out by themselves [number]';
comment on column ops.archived_partitions.ends_at is 'Behind its last moment [UTC]';
comment on column ops.archived_partitions.partition_name is 'Name of the partition, in the schema of its table';
comment on column ops.archived_partitions.outcome is 'dropped, detached (the file is complete, the rows stand aside), archived (in the file alone) or restored';
comment on column ops.archived_partitions.aside is 'Table that holds the rows of a detached partition until they are compared with the file once more';
comment on column ops.archived_partitions.row_count is 'Rows of the file; of a dropped partition about, as statistics had it [rows]';
comment on column ops.archived_partitions.table_bytes is 'What the partition took with its indices [bytes]';
comment on column ops.archived_partitions.file is 'File below the archive''s place; null where the rows were dropped';
comment on column ops.archived_partitions.file_bytes is 'Size of the file [bytes]';
comment on column ops.archived_partitions.sha256 is 'SHA-256 of the file';
comment on column ops.archived_partitions.row_hash is 'Sum of the rows'' hashes, the same in any order';
comment on column ops.archived_partitions.removed_at is 'When the rows left their table [UTC]';
comment on column ops.archived_partitions.restored_at is 'When they came back; null while they are away [UTC]';

create table ops.storage_samples (
    table_name text not null,
    sampled_on date not null,
    row_estimate bigint not null,
    table_bytes bigint not null,
    index_bytes bigint not null,
    toast_bytes bigint not null,
    dead_rows bigint not null,
    sampled_at timestamptz default clock_timestamp() not null,
    primary key (table_name, sampled_on)
);

comment on table ops.storage_samples is 'What each table takes, once a day, for its growth. Old samples are deleted.';
comment on column ops.storage_samples.table_name is 'Schema and table, with all of its partitions';
comment on column ops.storage_samples.sampled_on is 'Day of the sample [UTC]';
comment on column ops.storage_samples.row_estimate is 'Rows as PostgreSQL''s statistics have them [rows]';
comment on column ops.storage_samples.table_bytes is 'Rows themselves [bytes]';
comment on column ops.storage_samples.index_bytes is 'Indices [bytes]';
comment on column ops.storage_samples.toast_bytes is 'Values too long for a row''s page [bytes]';
comment on column ops.storage_samples.dead_rows is 'Rows that vacuum has not cleared yet [rows]';
comment on column ops.storage_samples.sampled_at is 'When it was taken [UTC]';

create function ops.is_hypertable(parent regclass) returns boolean
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_it boolean;
begin
    if not exists (select from pg_extension where extname = 'timescaledb') then
        return false;
    end if;
    execute 'select exists (select from timescaledb_information.hypertables h where to_regclass(format(''%I.%I'', h.hypertable_schema, h.hypertable_name)) = $1)'
        into found_it using parent;
    return found_it;
end
$$;

comment on function ops.is_hypertable(regclass) is
    'Whether TimescaleDB cuts the table into chunks: whatever names partitions asks this first.';

-- As in migration 27; TimescaleDB makes its chunks by itself.
create or replace function ops.ensure_year_partition(parent regclass, at timestamptz) returns void
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
       and n.nspname in ('market', 'dex', 'macro', 'onchain', 'sentiment', 'features', 'models', 'quality');
    if place is null and ops.is_hypertable(parent) then
        return;
    end if;
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

-- As in migration 23; TimescaleDB makes its chunks by itself.
create or replace function ops.ensure_day_partition(parent regclass, at timestamptz) returns void
    language plpgsql
    -- The writer role may not create tables; through this function it may create just these.
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    day_start constant timestamptz := date_trunc('day', at);
    day_end constant timestamptz := day_start + interval '1 day';
    place name;
    part name;
begin
    select n.nspname, left(c.relname, 54) || '_' || to_char(day_start, 'YYYYMMDD')
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
    if place is null and ops.is_hypertable(parent) then
        return;
    end if;
    if place is null or day_start is null or not isfinite(day_start) then
        raise exception 'ops.ensure_day_partition: % at % names no table of ours that is partitioned by one timestamptz', parent, at
            using errcode = 'invalid_parameter_value';
    end if;
    if to_regclass(format('%I.%I', place, part)) is not null then
        return;
    end if;
    -- Two writers may come with the first row of the same day; the second waits here and then finds the table.
    perform pg_advisory_xact_lock(hashtextextended(format('%I.%I', place, part), 0));
    -- Asked of the catalog itself: what this session remembers of names may date from before the wait.
    if exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = place and c.relname = part) then
        return;
    end if;
    -- Attaching locks the parent against schema changes only; PARTITION OF would wait for every reader and writer.
    execute format('create table %I.%I (like %s including all)', place, part, parent);
    execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)', parent, place, part, day_start, day_end);
    -- Rows are written through the parent; nobody writes past it.
    if exists (select from pg_roles where rolname = 'crypto_assets_writer') then
        execute format('revoke insert, update, delete on %I.%I from crypto_assets_writer', place, part);
    end if;
end
$$;

-- The days and years that may leave their table: the functions below go through this one.
create function ops.removable_partition(parent regclass, span_start timestamptz, span_end timestamptz)
    returns table (parent_name text, place name, part name, size bigint, about_rows bigint)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO'
as $$
begin
    if not exists (
        select
          from pg_class c
          join pg_namespace n on n.oid = c.relnamespace
          join pg_partitioned_table p on p.partrelid = c.oid
          join pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
         where c.oid = parent
           and p.partstrat = 'r'
           and p.partnatts = 1
           and a.atttypid = 'timestamptz'::regtype
           and n.nspname in ('market', 'dex', 'features')
    ) then
        raise exception 'ops.removable_partition: % names no table of ours whose partitions may go', parent
            using errcode = 'invalid_parameter_value';
    end if;
    if span_start is null or not isfinite(span_start) or not (
        (span_start = date_trunc('day', span_start) and span_end = span_start + interval '1 day')
        or (span_start = date_trunc('year', span_start) and span_end = span_start + interval '1 year')
    ) then
        raise exception 'ops.removable_partition: % to % is neither a day nor a year of UTC', span_start, span_end
            using errcode = 'invalid_parameter_value';
    end if;
    if span_end > clock_timestamp() - interval '1 day' then
        raise exception 'ops.removable_partition: % of % ended less than a day ago, or goes on', span_start, parent
            using errcode = 'invalid_parameter_value';
    end if;
    -- The bounds say what it is, not its name: partitions of years never have those of a day.
    return query
        select format('%s.%s', pn.nspname, pc.relname), n.nspname, c.relname, pg_total_relation_size(c.oid),
               case when c.reltuples >= 0 then c.reltuples::bigint end
          from pg_inherits i
          join pg_class c on c.oid = i.inhrelid
          join pg_namespace n on n.oid = c.relnamespace
          join pg_class pc on pc.oid = i.inhparent
          join pg_namespace pn on pn.oid = pc.relnamespace
         where i.inhparent = parent
           and c.relkind = 'r'
           and pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES FROM (%L) TO (%L)', span_start, span_end);
end
$$;

comment on function ops.removable_partition(regclass, timestamptz, timestamptz) is
    'The partition of a UTC day or year that ended at least a day ago, of a table whose partitions may go; no row where there is none.';

create function ops.drop_partition(parent regclass, span_start timestamptz, span_end timestamptz) returns bigint
    language plpgsql
    -- The writer role may not drop tables; through this function it may drop just these.
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    -- Dropping locks the whole table for a moment. Whoever writes or reads there waits behind whoever waits for the lock: so
    -- long at most.
    set lock_timeout = '250ms'
as $$
declare
    found record;
begin
    select * into found from ops.removable_partition(parent, span_start, span_end);
    if found.part is null then
        return null;
    end if;
    -- Autovacuum gives way to whoever has waited for so long, if that is before the waiting ends; only a superuser's function may
    -- say so.
    begin
        perform set_config('deadlock_timeout', '100ms', true);
    exception when insufficient_privilege then null;
    end;
    execute format('drop table %I.%I', found.place, found.part);
    insert into ops.archived_partitions
        (table_name, starts_at, number, ends_at, partition_name, outcome, row_count, table_bytes)
    select found.parent_name, span_start, coalesce(max(a.number), 0) + 1, span_end, found.part, 'dropped',
           found.about_rows, found.size
      from ops.archived_partitions a
     where a.table_name = found.parent_name and a.starts_at = span_start;
    return found.size;
end
$$;

comment on function ops.drop_partition(regclass, timestamptz, timestamptz) is
    'Drops a day or year that ended at least a day ago, notes that, and gives the bytes that it took; null where there is none. Fails after a quarter of a second where others hold the table. Whether it may go is the caller''s to know.';

create function ops.set_partition_aside(
    parent regclass, span_start timestamptz, span_end timestamptz, file text, file_bytes bigint, sha256 text,
    row_count bigint, row_hash text) returns integer
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    -- As in ops.drop_partition.
    set lock_timeout = '250ms'
as $$
declare
    found record;
    next_number integer;
    aside_name name;
begin
    select * into found from ops.removable_partition(parent, span_start, span_end);
    if found.part is null then
        return null;
    end if;
    -- Autovacuum gives way to whoever has waited for so long, if that is before the waiting ends; only a superuser's function may
    -- say so.
    begin
        perform set_config('deadlock_timeout', '100ms', true);
    exception when insufficient_privilege then null;
    end;
    execute format('alter table %s detach partition %I.%I', parent, found.place, found.part);
    select coalesce(max(a.number), 0) + 1
      into next_number
      from ops.archived_partitions a
     where a.table_name = found.parent_name and a.starts_at = span_start;
    -- Under another name, so that a late row finds its partition made anew.
    aside_name := left(found.part, 48) || '_aside_' || next_number;
    execute format('alter table %I.%I rename to %I', found.place, found.part, aside_name);
    insert into ops.archived_partitions
        (table_name, starts_at, number, ends_at, partition_name, outcome, aside, row_count, table_bytes, file, file_bytes,
         sha256, row_hash)
    values
        (found.parent_name, span_start, next_number, span_end, found.part, 'detached', aside_name, row_count, found.size,
         file, file_bytes, sha256, row_hash);
    return next_number;
end
$$;

comment on function ops.set_partition_aside(regclass, timestamptz, timestamptz, text, bigint, text, bigint, text) is
    'Takes a day or year whose file is complete out of its table and keeps its rows aside; gives the number of its entry, null where there is none. Fails after a quarter of a second where others hold the table.';

create function ops.drop_aside(parent regclass, span_start timestamptz, entry integer) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    found record;
begin
    select n.nspname as place, a.aside, a.table_name, a.table_bytes
      into found
      from ops.archived_partitions a
      join pg_class c on c.oid = parent
      join pg_namespace n on n.oid = c.relnamespace
     where a.table_name = format('%s.%s', n.nspname, c.relname)
       and a.starts_at = span_start and a.number = entry and a.outcome = 'detached'
       for update of a;
    if found.aside is null then
        return null;
    end if;
    execute format('drop table if exists %I.%I', found.place, found.aside);
    update ops.archived_partitions a
       set outcome = 'archived', aside = null
     where a.table_name = found.table_name and a.starts_at = span_start and a.number = entry;
    return found.table_bytes;
end
$$;

comment on function ops.drop_aside(regclass, timestamptz, integer) is
    'Drops the rows that stand aside of an entry whose file holds them; gives the bytes that they took, null where there are none.';

create function ops.name_file_anew(
    parent regclass, span_start timestamptz, entry integer, new_file text, new_bytes bigint, new_sha256 text,
    new_rows bigint, new_hash text) returns integer
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
begin
    update ops.archived_partitions a
       set file = new_file, file_bytes = new_bytes, sha256 = new_sha256, row_count = new_rows, row_hash = new_hash
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     where c.oid = parent and a.table_name = format('%s.%s', n.nspname, c.relname)
       and a.starts_at = span_start and a.number = entry and a.outcome = 'detached';
    return entry;
end
$$;

comment on function ops.name_file_anew(regclass, timestamptz, integer, text, bigint, text, bigint, text) is
    'Another file takes the place of the one that lacks rows which came while it was written; only while the rows stand aside.';

create function ops.begin_restore(parent regclass, span_start timestamptz) returns text
    language plpgsql
    -- The writer role may not create tables; through this function it may create just these.
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    found record;
    key text;
begin
    select n.nspname as place, left(a.partition_name, 50) || '_restoring' as part, a.ends_at
      into found
      from ops.archived_partitions a
      join pg_class c on c.oid = parent
      join pg_namespace n on n.oid = c.relnamespace
     where a.table_name = format('%s.%s', n.nspname, c.relname) and a.starts_at = span_start and a.outcome = 'archived'
     order by a.number
     limit 1;
    if found.part is null then
        return null;
    end if;
    execute format('drop table if exists %I.%I', found.place, found.part);
    execute format('create table %I.%I (like %s including all)', found.place, found.part, parent);
    select pg_get_partkeydef(parent) into key;
    -- With it attaching need not read all rows, and nobody waits meanwhile.
    execute format(
        'alter table %I.%I add constraint within_its_span check (%s >= %L and %s < %L)', found.place, found.part,
        substring(key from '\((.+)\)'), span_start, substring(key from '\((.+)\)'), found.ends_at);
    return format('%I.%I', found.place, found.part);
end
$$;

comment on function ops.begin_restore(regclass, timestamptz) is
    'An empty table for the rows of an archived span, in the place of one that was left behind; null where nothing is archived.';

create function ops.end_restore(parent regclass, span_start timestamptz) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    -- Another may be attaching a partition right now; the caller tries again.
    set lock_timeout = '250ms'
as $$
declare
    found record;
    names text;
    came bigint;
begin
    select n.nspname as place, a.table_name, a.partition_name as part, left(a.partition_name, 50) || '_restoring' as fresh, a.ends_at
      into found
      from ops.archived_partitions a
      join pg_class c on c.oid = parent
      join pg_namespace n on n.oid = c.relnamespace
     where a.table_name = format('%s.%s', n.nspname, c.relname) and a.starts_at = span_start and a.outcome = 'archived'
     order by a.number
     limit 1
       for update of a;
    if found.part is null then
        return null;
    end if;
    -- As whoever makes a partition does: nobody makes this one meanwhile.
    perform pg_advisory_xact_lock(hashtextextended(format('%I.%I', found.place, found.part), 0));
    if exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = found.place and c.relname = found.part) then
        -- Rows came after the partition had gone: they are the newer ones, and stay.
        select string_agg(format('%I', a.attname), ', ' order by a.attnum)
          into names
          from pg_attribute a
         where a.attrelid = parent and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';
        execute format('insert into %s (%s) select %s from %I.%I on conflict do nothing', parent, names, names, found.place, found.fresh);
        get diagnostics came = row_count;
        execute format('drop table %I.%I', found.place, found.fresh);
    else
        execute format('alter table %I.%I rename to %I', found.place, found.fresh, found.part);
        execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)', parent, found.place, found.part, span_start, found.ends_at);
        execute format('alter table %I.%I drop constraint within_its_span', found.place, found.part);
        if exists (select from pg_roles where rolname = 'crypto_assets_writer') then
            execute format('revoke insert, update, delete on %I.%I from crypto_assets_writer', found.place, found.part);
        end if;
        select sum(a.row_count) into came
          from ops.archived_partitions a
         where a.table_name = found.table_name and a.starts_at = span_start and a.outcome = 'archived';
    end if;
    update ops.archived_partitions a
       set outcome = 'restored', restored_at = clock_timestamp()
     where a.table_name = found.table_name and a.starts_at = span_start and a.outcome = 'archived';
    return came;
end
$$;

comment on function ops.end_restore(regclass, timestamptz) is
    'Puts the restored rows of a span into their table and notes that; gives their number, null where nothing is archived.';

-- One way out of a table, and it keeps book.
drop function ops.drop_day_partition(regclass, date);

revoke execute on function ops.removable_partition(regclass, timestamptz, timestamptz) from public;
revoke execute on function ops.drop_partition(regclass, timestamptz, timestamptz) from public;
revoke execute on function ops.set_partition_aside(regclass, timestamptz, timestamptz, text, bigint, text, bigint, text) from public;
revoke execute on function ops.drop_aside(regclass, timestamptz, integer) from public;
revoke execute on function ops.name_file_anew(regclass, timestamptz, integer, text, bigint, text, bigint, text) from public;
revoke execute on function ops.begin_restore(regclass, timestamptz) from public;
revoke execute on function ops.end_restore(regclass, timestamptz) from public;

do $$
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
        -- What stands there decides which table the functions drop: nobody writes it past them.
        revoke insert, update, delete on ops.archived_partitions from crypto_assets_writer;
        grant execute on function ops.drop_partition(regclass, timestamptz, timestamptz) to crypto_assets_writer;
        grant execute on function ops.set_partition_aside(regclass, timestamptz, timestamptz, text, bigint, text, bigint, text) to crypto_assets_writer;
        grant execute on function ops.drop_aside(regclass, timestamptz, integer) to crypto_assets_writer;
        grant execute on function ops.name_file_anew(regclass, timestamptz, integer, text, bigint, text, bigint, text) to crypto_assets_writer;
        grant execute on function ops.begin_restore(regclass, timestamptz) to crypto_assets_writer;
        grant execute on function ops.end_restore(regclass, timestamptz) to crypto_assets_writer;
    end if;
end
$$;
