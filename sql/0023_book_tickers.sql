-- Best prices of every second. Partitions are days, for whole days are dropped; ops.ensure_day_partition makes them.

create function ops.ensure_day_partition(parent regclass, at timestamptz) returns void
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

comment on function ops.ensure_day_partition(regclass, timestamptz) is
    'Creates the partition of the UTC day that holds the moment, where it is not there. Safe for concurrent writers.';

revoke execute on function ops.ensure_day_partition(regclass, timestamptz) from public;

do $$
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
        grant execute on function ops.ensure_day_partition(regclass, timestamptz) to crypto_assets_writer;
    end if;
end
$$;

create table market.book_ticker_snapshots (
    venue text not null,
    symbol text not null,
    snapshot_at timestamptz not null,
    bid_price numeric not null,
    bid_quantity numeric not null,
    ask_price numeric not null,
    ask_quantity numeric not null,
    spread numeric generated always as (ask_price - bid_price) stored,
    spread_pct numeric generated always as ((ask_price - bid_price) / bid_price * 100) stored,
    event_at timestamptz,
    received_at timestamptz not null,
    age_ms integer not null,
    is_stale boolean not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, snapshot_at),
    -- A crossed book is a finding of checks, not an impossible row; a price of zero would divide by zero.
    constraint book_ticker_snapshots_possible check (
        bid_price > 0 and ask_price > 0 and bid_quantity >= 0 and ask_quantity >= 0 and age_ms >= 0
        -- NaN counts as larger than infinity.
        and greatest(bid_price, ask_price, bid_quantity, ask_quantity) < 'infinity'
    )
) partition by range (snapshot_at);

comment on table market.book_ticker_snapshots is
    'Best bid and ask of one market at one second. Partitions are days: whole days are dropped.';
comment on column market.book_ticker_snapshots.venue is 'Exchange, by its ccxt id';
comment on column market.book_ticker_snapshots.symbol is 'Market, by its unified ccxt symbol';
comment on column market.book_ticker_snapshots.snapshot_at is 'The second of the grid; the row holds the newest quote that had come by then [UTC]';
comment on column market.book_ticker_snapshots.bid_price is 'Best bid [quote currency]';
comment on column market.book_ticker_snapshots.bid_quantity is 'Amount wanted at the best bid [base currency]';
comment on column market.book_ticker_snapshots.ask_price is 'Best ask [quote currency]';
comment on column market.book_ticker_snapshots.ask_quantity is 'Amount offered at the best ask [base currency]';
comment on column market.book_ticker_snapshots.spread is 'Best ask less best bid [quote currency]';
comment on column market.book_ticker_snapshots.spread_pct is 'Spread over the best bid [percent]';
comment on column market.book_ticker_snapshots.event_at is 'When the venue says that it was so, where it does [UTC]';
comment on column market.book_ticker_snapshots.received_at is 'When the quote had come, by our clock [UTC]';
comment on column market.book_ticker_snapshots.age_ms is 'How long before the second it was so [milliseconds]';
comment on column market.book_ticker_snapshots.is_stale is 'Too old, or its market had no connection: not to be traded on';
comment on column market.book_ticker_snapshots.source is 'Where the row came from: provider and how it was asked';
comment on column market.book_ticker_snapshots.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.book_ticker_snapshots.ingested_at is 'When we stored the row as it stands [UTC]';

-- Rows come in the order of time, so a map of page ranges finds an hour of all markets; a tree would cost each row a third.
create index book_ticker_snapshots_at_idx on market.book_ticker_snapshots using brin (snapshot_at) with (pages_per_range = 32);
