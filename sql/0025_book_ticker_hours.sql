-- What an hour of quotes adds up to, which stays for ever; and dropping the days of quotes that have been added up.

create table market.book_ticker_hours (
    venue text not null,
    symbol text not null,
    opened_at timestamptz not null,
    snapshots integer not null,
    seconds integer not null,
    stale_seconds integer not null,
    expected_seconds integer not null,
    compared_seconds integer not null,
    quote_changes integer not null,
    spread_bps_mean double precision,
    spread_bps_max double precision,
    imbalance_mean double precision,
    realized_volatility double precision,
    mid_open double precision,
    mid_close double precision,
    bid_depth_quote_mean double precision,
    ask_depth_quote_mean double precision,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, opened_at),
    constraint book_ticker_hours_whole check (opened_at = date_bin('1 hour', opened_at, '2000-01-01 00:00:00+00')),
    constraint book_ticker_hours_known_at_end check (known_at = opened_at + interval '1 hour'),
    constraint book_ticker_hours_possible check (
        snapshots >= 0 and quote_changes >= 0 and compared_seconds >= 0 and stale_seconds >= 0
        and seconds between 0 and expected_seconds)
) partition by range (opened_at);

comment on table market.book_ticker_hours is
    'What an hour of quotes of every second of one market adds up to; fresh ones alone count in prices.';
comment on column market.book_ticker_hours.venue is 'Exchange, by its ccxt id';
comment on column market.book_ticker_hours.symbol is 'Market, by its unified ccxt symbol';
comment on column market.book_ticker_hours.opened_at is 'When the hour begins [UTC]';
comment on column market.book_ticker_hours.snapshots is 'Snapshots stored of the hour, fresh or stale [rows]';
comment on column market.book_ticker_hours.seconds is 'Of the hour, with a fresh quote [seconds]';
comment on column market.book_ticker_hours.stale_seconds is 'Of the hour, with a quote that was marked stale [seconds]';
comment on column market.book_ticker_hours.expected_seconds is 'Of the hour [seconds]';
comment on column market.book_ticker_hours.compared_seconds is 'Fresh ones right behind a fresh one of the same hour [seconds]';
comment on column market.book_ticker_hours.quote_changes is 'Of the compared ones, those whose quote differs from the one before [rows]';
comment on column market.book_ticker_hours.spread_bps_mean is 'Ask less bid over the middle, mean of fresh ones [basis points]';
comment on column market.book_ticker_hours.spread_bps_max is 'The widest of them [basis points]';
comment on column market.book_ticker_hours.imbalance_mean is 'Bid''s quantity less the ask''s over both, mean of fresh ones [-1..1]';
comment on column market.book_ticker_hours.realized_volatility is 'Root of the summed squared log returns of the middle over the compared ones [fraction]';
comment on column market.book_ticker_hours.mid_open is 'Middle of the first fresh quote [quote currency]';
comment on column market.book_ticker_hours.mid_close is 'Middle of the last fresh quote [quote currency]';
comment on column market.book_ticker_hours.bid_depth_quote_mean is 'Value of the best bid, mean of fresh ones [quote currency]';
comment on column market.book_ticker_hours.ask_depth_quote_mean is 'Value of the best ask, mean of fresh ones [quote currency]';
comment on column market.book_ticker_hours.source is 'Where the row came from: provider and how it was asked';
comment on column market.book_ticker_hours.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.book_ticker_hours.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('market.book_ticker_hours');
end
$$;

create function ops.drop_day_partition(parent regclass, day date) returns bigint
    language plpgsql
    -- The writer role may not drop tables; through this function it may drop just these.
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO'
    -- Dropping locks the whole table for a moment. Whoever writes or reads there waits behind whoever waits for the lock: so
    -- long at most.
    set lock_timeout = '250ms'
as $$
declare
    day_start constant timestamptz := day::timestamptz;
    day_end constant timestamptz := day_start + interval '1 day';
    place name;
    part name;
    size bigint;
begin
    select n.nspname
      into place
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_partitioned_table p on p.partrelid = c.oid
      join pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
     where c.oid = parent
       and p.partstrat = 'r'
       and p.partnatts = 1
       and a.atttypid = 'timestamptz'::regtype
       and n.nspname = 'market';
    if place is null or day is null or not isfinite(day) then
        raise exception 'ops.drop_day_partition: % of % names no table of ours that is partitioned by one timestamptz', day, parent
            using errcode = 'invalid_parameter_value';
    end if;
    if day_end > clock_timestamp() - interval '1 day' then
        raise exception 'ops.drop_day_partition: % of % ended less than a day ago, or goes on', day, parent
            using errcode = 'invalid_parameter_value';
    end if;
    -- The bounds say what it is, not its name: partitions of years never have those of a day.
    select n.nspname, c.relname, pg_total_relation_size(c.oid)
      into place, part, size
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      join pg_namespace n on n.oid = c.relnamespace
     where i.inhparent = parent
       and c.relkind = 'r'
       and pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES FROM (%L) TO (%L)', day_start, day_end);
    if part is null then
        return null;
    end if;
    execute format('drop table %I.%I', place, part);
    return size;
end
$$;

comment on function ops.drop_day_partition(regclass, date) is
    'Drops the partition of a UTC day that ended at least a day ago, of a table whose partitions are days, and gives the bytes that it took; null where there is none. Fails after a quarter of a second where others hold the table. Whether the day may go is the caller''s to know.';

revoke execute on function ops.drop_day_partition(regclass, date) from public;

do $$
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
        grant execute on function ops.drop_day_partition(regclass, date) to crypto_assets_writer;
    end if;
end
$$;
