-- Functions that turn tables without rows into hypertables, and the one that lets chunks go.

create or replace function ops.as_plain_table(was_partitioned regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    place name;
    named name;
    told text;
    has_rows boolean;
begin
    select n.nspname, c.relname, obj_description(c.oid, 'pg_class')
      into place, named, told
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     where c.oid = was_partitioned and c.relkind = 'p' and n.nspname in ('market', 'features');
    if place is null then
        raise exception 'ops.as_plain_table: % is no partitioned table of ours', was_partitioned
            using errcode = 'invalid_parameter_value';
    end if;
    execute format('lock table %I.%I in access exclusive mode', place, named);
    execute format('select exists (select from %I.%I)', place, named) into has_rows;
    if has_rows then
        raise exception 'ops.as_plain_table: %.% holds rows', place, named
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Only a fresh database is turned; rows would have to be moved through memory and locks.';
    end if;
    if exists (select from pg_trigger where tgrelid = was_partitioned and not tgisinternal) then
        raise exception 'ops.as_plain_table: %.% keeps old values by triggers that compressed chunks do not fire', place, named
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format('create table %I.%I (like %I.%I including all)', place, named || '_plain', place, named);
    execute format('drop table %I.%I', place, named);
    execute format('alter table %I.%I rename to %I', place, named || '_plain', named);
    execute format('comment on table %I.%I is %L', place, named, told);
    -- The name of the key is that of a table made by hand.
    execute (
        select format('alter index %I.%I rename to %I', place, i.relname, named || '_pkey')
          from pg_index x
          join pg_class i on i.oid = x.indexrelid
         where x.indrelid = format('%I.%I', place, named)::regclass and x.indisprimary);
end
$$;

comment on function ops.as_plain_table(regclass) is
    'Puts an ordinary table of the same columns, key, constraints and comments in the place of a partitioned one that holds no rows.';

create or replace function ops.as_hypertable(
    wanted text, time_column text, chunk interval, segments text, compress_after interval) returns void
    language plpgsql
    -- The extension's functions lie in the schema that it was created in.
    set search_path = public, pg_catalog, pg_temp
as $$
begin
    if ops.is_hypertable(wanted::regclass) then
        return;
    end if;
    perform ops.as_plain_table(wanted::regclass);
    perform create_hypertable(wanted::regclass, by_range(time_column::name, chunk), create_default_indexes => false);
    execute format(
        'alter table %s set (timescaledb.compress, timescaledb.compress_segmentby = %L, timescaledb.compress_orderby = %L)',
        wanted::regclass, segments, time_column);
    perform add_compression_policy(wanted::regclass, compress_after => compress_after);
end
$$;

comment on function ops.as_hypertable(text, text, interval, text, interval) is
    'Turns a partitioned table without rows into a hypertable whose older chunks are compressed; again, nothing changes.';

create or replace function ops.drop_chunks_within(parent regclass, span_start timestamptz, span_end timestamptz) returns integer
    language plpgsql
    -- The writer role may not drop tables; through this function it may drop just these.
    security definer
    set search_path = public, pg_catalog, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '250ms'
as $$
declare
    one record;
    parent_name text;
    dropped integer := 0;
begin
    if not ops.is_hypertable(parent) then
        raise exception 'ops.drop_chunks_within: % is no hypertable', parent using errcode = 'invalid_parameter_value';
    end if;
    if span_start is null or span_end is null or span_end > clock_timestamp() - interval '1 day' then
        raise exception 'ops.drop_chunks_within: % of % ended less than a day ago, or goes on', span_start, parent
            using errcode = 'invalid_parameter_value';
    end if;
    select format('%s.%s', n.nspname, c.relname)
      into parent_name
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     where c.oid = parent;
    for one in
        select k.chunk_name, k.range_start, k.range_end,
               pg_total_relation_size(format('%I.%I', k.chunk_schema, k.chunk_name)::regclass) as size
          from timescaledb_information.chunks k
         where to_regclass(format('%I.%I', k.hypertable_schema, k.hypertable_name)) = parent
           and k.range_start >= span_start and k.range_end <= span_end
         order by k.range_start
    loop
        perform drop_chunks(parent, older_than => one.range_end, newer_than => one.range_start);
        insert into ops.archived_partitions
            (table_name, starts_at, number, ends_at, partition_name, outcome, table_bytes)
        select parent_name, one.range_start, coalesce(max(a.number), 0) + 1, one.range_end, one.chunk_name, 'dropped', one.size
          from ops.archived_partitions a
         where a.table_name = parent_name and a.starts_at = one.range_start;
        dropped := dropped + 1;
    end loop;
    return dropped;
end
$$;

comment on function ops.drop_chunks_within(regclass, timestamptz, timestamptz) is
    'Drops the chunks that lie wholly within a span which ended at least a day ago, notes them, and gives their number.';

revoke execute on function ops.as_plain_table(regclass) from public;
revoke execute on function ops.as_hypertable(text, text, interval, text, interval) from public;
revoke execute on function ops.drop_chunks_within(regclass, timestamptz, timestamptz) from public;

do $$
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
        grant execute on function ops.drop_chunks_within(regclass, timestamptz, timestamptz) to crypto_assets_writer;
    end if;
end
$$;
