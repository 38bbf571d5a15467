-- Closed bars of exchange markets. Partitions are made by ops.ensure_year_partition when a year's first bar comes.

create table market.ohlcv (
    venue text not null,
    symbol text not null,
    timeframe text not null,
    opened_at timestamptz not null,
    open double precision not null,
    high double precision not null,
    low double precision not null,
    close double precision not null,
    volume_base double precision not null,
    volume_quote double precision,
    trade_count bigint,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, timeframe, opened_at)
) partition by range (opened_at);

comment on table market.ohlcv is
    'One closed bar of one market on one venue, keyed by when it opens. Bars still open are never stored.';
comment on column market.ohlcv.venue is 'Exchange, by its ccxt id';
comment on column market.ohlcv.symbol is 'Market, by its unified ccxt symbol';
comment on column market.ohlcv.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column market.ohlcv.opened_at is 'When the bar opens; its close is one timeframe later [UTC]';
comment on column market.ohlcv.open is 'Price of the first trade [quote currency]';
comment on column market.ohlcv.high is 'Highest price [quote currency]';
comment on column market.ohlcv.low is 'Lowest price [quote currency]';
comment on column market.ohlcv.close is 'Price of the last trade [quote currency]';
comment on column market.ohlcv.volume_base is 'Amount traded [base currency]';
comment on column market.ohlcv.volume_quote is 'Value traded, where the venue says it [quote currency]';
comment on column market.ohlcv.trade_count is 'Number of trades, where the venue says it [trades]';
comment on column market.ohlcv.source is 'Where the row came from: provider and how it was asked';
comment on column market.ohlcv.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.ohlcv.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('market.ohlcv');
end
$$;
