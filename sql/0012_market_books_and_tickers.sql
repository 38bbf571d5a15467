-- Order books and 24-hour statistics, as they stood when they were asked for.

create table market.order_books (
    venue text not null,
    symbol text not null,
    snapshot_at timestamptz not null,
    depth integer not null,
    bids numeric[][] not null,
    asks numeric[][] not null,
    mid double precision not null,
    microprice double precision not null,
    spread_bps double precision not null,
    imbalance double precision not null,
    bid_depth_quote double precision not null,
    ask_depth_quote double precision not null,
    bid_depth_10bps_quote double precision not null,
    ask_depth_10bps_quote double precision not null,
    bid_depth_50bps_quote double precision not null,
    ask_depth_50bps_quote double precision not null,
    sequence bigint,
    venue_at timestamptz,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, snapshot_at)
) partition by range (snapshot_at);

comment on table market.order_books is
    'The order book of one market on one venue at one moment.';
comment on column market.order_books.venue is 'Exchange, by its ccxt id';
comment on column market.order_books.symbol is 'Market, by its unified ccxt symbol';
comment on column market.order_books.snapshot_at is 'When the answer had come, by our clock [UTC]';
comment on column market.order_books.depth is 'Levels of the shorter side [levels]';
comment on column market.order_books.bids is 'Price and amount of each bid, best first [quote and base currency]';
comment on column market.order_books.asks is 'Price and amount of each ask, best first [quote and base currency]';
comment on column market.order_books.mid is 'Middle between the best prices [quote currency]';
comment on column market.order_books.microprice is 'Best prices weighted with the other side''s best amount [quote currency]';
comment on column market.order_books.spread_bps is 'Distance of the best prices over the middle [basis points]';
comment on column market.order_books.imbalance is 'Bids less asks over both, by value within 50 basis points of the middle [-1..1]';
comment on column market.order_books.bid_depth_quote is 'Value of all bids kept [quote currency]';
comment on column market.order_books.ask_depth_quote is 'Value of all asks kept [quote currency]';
comment on column market.order_books.bid_depth_10bps_quote is 'Value of bids within 10 basis points of the middle [quote currency]';
comment on column market.order_books.ask_depth_10bps_quote is 'Value of asks within 10 basis points of the middle [quote currency]';
comment on column market.order_books.bid_depth_50bps_quote is 'Value of bids within 50 basis points of the middle [quote currency]';
comment on column market.order_books.ask_depth_50bps_quote is 'Value of asks within 50 basis points of the middle [quote currency]';
comment on column market.order_books.sequence is 'The venue''s number of the book''s state, where it has one [number]';
comment on column market.order_books.venue_at is 'When the venue says that the book stood so, where it does [UTC]';
comment on column market.order_books.source is 'Where the row came from: provider and how it was asked';
comment on column market.order_books.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.order_books.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('market.order_books');
end
$$;

create table market.tickers (
    venue text not null,
    symbol text not null,
    snapshot_at timestamptz not null,
    last double precision,
    bid double precision,
    ask double precision,
    open_24h double precision,
    high_24h double precision,
    low_24h double precision,
    volume_base_24h double precision,
    volume_quote_24h double precision,
    change_pct_24h double precision,
    venue_at timestamptz,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, snapshot_at)
) partition by range (snapshot_at);

comment on table market.tickers is
    '24-hour statistics of one market on one venue at one moment.';
comment on column market.tickers.venue is 'Exchange, by its ccxt id';
comment on column market.tickers.symbol is 'Market, by its unified ccxt symbol';
comment on column market.tickers.snapshot_at is 'When the answer had come, by our clock [UTC]';
comment on column market.tickers.last is 'Price of the last trade [quote currency]';
comment on column market.tickers.bid is 'Best bid [quote currency]';
comment on column market.tickers.ask is 'Best ask [quote currency]';
comment on column market.tickers.open_24h is 'Price 24 hours before [quote currency]';
comment on column market.tickers.high_24h is 'Highest price of 24 hours [quote currency]';
comment on column market.tickers.low_24h is 'Lowest price of 24 hours [quote currency]';
comment on column market.tickers.volume_base_24h is 'Amount traded in 24 hours [base currency]';
comment on column market.tickers.volume_quote_24h is 'Value traded in 24 hours [quote currency]';
comment on column market.tickers.change_pct_24h is 'Change of the price in 24 hours [percent]';
comment on column market.tickers.venue_at is 'When the venue says that it stood so, where it does [UTC]';
comment on column market.tickers.source is 'Where the row came from: provider and how it was asked';
comment on column market.tickers.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.tickers.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('market.tickers');
end
$$;

create function quality.prices_in_order(levels numeric[][], falls boolean) returns boolean
    language sql immutable parallel safe strict
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(bool_and(case when falls then levels[i][1] > levels[i + 1][1] else levels[i][1] < levels[i + 1][1] end), true)
      from generate_series(1, array_length(levels, 1) - 1) as i
$$;
comment on function quality.prices_in_order(numeric[][], boolean) is
    'Whether the prices of a side of a book fall, or rise, from each level to the next.';
