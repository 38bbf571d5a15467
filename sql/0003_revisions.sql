-- Old values of changed and deleted rows, kept by triggers, so that any table can be read as it stood at a time.

create table audit.revisions (
    table_name text not null,
    key jsonb not null,
    superseded_at timestamptz not null,
    old_row jsonb not null,
    transaction_id bigint default (pg_current_xact_id()::text::bigint) not null,
    primary key (table_name, key, superseded_at)
);

-- Reading as of a time asks for what was superseded since.
create index revisions_table_name_superseded_at_idx on audit.revisions (table_name, superseded_at);

comment on table audit.revisions is 'Old values of changed rows, so that a table can be read as it stood at any time. Filled by triggers.';
comment on column audit.revisions.table_name is 'Schema and table of the row';
comment on column audit.revisions.key is 'The row''s primary key';
comment on column audit.revisions.superseded_at is 'When the row was changed or deleted [UTC]';
comment on column audit.revisions.old_row is 'The row as it stood before';
comment on column audit.revisions.transaction_id is 'Transaction that changed it';

create function audit.keep_revision() returns trigger
    language plpgsql
    -- Writers may not touch audit themselves; the trigger writes there for them.
    security definer
    set search_path = pg_catalog, pg_temp
    -- Times and numbers are kept as text in jsonb: the same text whatever the writer's session says.
    set timezone = 'UTC'
    set extra_float_digits = 1
as $$
declare
    moment constant timestamptz := clock_timestamp();
    key_of_old text;
    same_key text;
    kept bigint := 0;
begin
    if tg_op = 'TRUNCATE' then
        raise exception '%.% keeps revisions and cannot be truncated', tg_table_schema, tg_table_name
            using hint = 'Delete the rows; their old values are kept then.', errcode = 'object_not_in_prerequisite_state';
    end if;
    select 'jsonb_build_object(' || string_agg(format('%L, o.%I', a.attname, a.attname), ', ' order by k.ordinal) || ')',
           string_agg(format('n.%I = o.%I', a.attname, a.attname), ' and ' order by k.ordinal)
      into strict key_of_old, same_key
      from pg_constraint c
      cross join lateral unnest(c.conkey) with ordinality as k(attnum, ordinal)
      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
     where c.conrelid = tg_relid and c.contype = 'p';
    -- A row ends where its successor begins, so that no time sees two versions or none. An update by hand that leaves
    -- ingested_at alone ends it now.
    if tg_op = 'UPDATE' then
        if exists (select from old_rows) then
            execute format(
                'insert into audit.revisions (table_name, key, superseded_at, old_row)
                 select $1, %s, case when n.ingested_at > o.ingested_at then n.ingested_at
                                     else greatest($2, o.ingested_at + interval ''1 microsecond'') end, to_jsonb(o)
                   from old_rows o left join new_rows n on %s', key_of_old, same_key)
                using tg_table_schema || '.' || tg_table_name, moment;
            get diagnostics kept = row_count;
        end if;
    else
        execute format(
            'insert into audit.revisions (table_name, key, superseded_at, old_row)
             select $1, %s, greatest($2, o.ingested_at + interval ''1 microsecond''), to_jsonb(o) from old_rows o', key_of_old)
            using tg_table_schema || '.' || tg_table_name, moment;
        get diagnostics kept = row_count;
    end if;
    -- The writer reads here how many rows its statement changed: a partitioned table does not tell inserts from updates.
    perform set_config('crypto_assets.revisions_kept', kept::text, true);
    return null;
end
$$;

comment on function audit.keep_revision() is
    'Statement trigger with transition tables old_rows (and new_rows for updates): writes the old rows to audit.revisions.';

revoke execute on function audit.keep_revision() from public;

create function audit.keep_revisions_of(kept regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('create trigger keep_revision_of_updated after update on %s referencing old table as old_rows new table as new_rows
                    for each statement execute function audit.keep_revision()', kept);
    execute format('create trigger keep_revision_of_deleted after delete on %s referencing old table as old_rows
                    for each statement execute function audit.keep_revision()', kept);
    execute format('create trigger keep_revision_refuses_truncate before truncate on %s
                    for each statement execute function audit.keep_revision()', kept);
end
$$;

comment on function audit.keep_revisions_of(regclass) is
    'Puts the triggers on a table. It needs a primary key and the column ingested_at.';

revoke execute on function audit.keep_revisions_of(regclass) from public;
