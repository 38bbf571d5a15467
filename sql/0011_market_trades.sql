-- Public trades, and what they add up to a minute. Prices and amounts keep every digit that the venue wrote.

create table market.trades (
    venue text not null,
    symbol text not null,
    traded_at timestamptz not null,
    trade_id text not null,
    price numeric not null,
    amount numeric not null,
    cost numeric not null,
    side text not null,
    sequence bigint not null,
    fills bigint not null,
    received_at timestamptz default now() not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, traded_at, trade_id),
    constraint trades_side_known check (side in ('buy', 'sell')),
    constraint trades_positive check (price > 0 and amount > 0 and fills > 0)
) partition by range (traded_at);

comment on table market.trades is
    'One public trade of one market on one venue.';
comment on column market.trades.venue is 'Exchange, by its ccxt id';
comment on column market.trades.symbol is 'Market, by its unified ccxt symbol';
comment on column market.trades.traded_at is 'When it was traded, by the venue''s clock [UTC]';
comment on column market.trades.trade_id is 'The venue''s id; where it has none, a hash of the trade with an ordinal';
comment on column market.trades.price is 'Price [quote currency]';
comment on column market.trades.amount is 'Amount [base currency]';
comment on column market.trades.cost is 'Price times amount [quote currency]';
comment on column market.trades.side is 'What the taker did: buy or sell';
comment on column market.trades.sequence is 'The venue''s number of the trade; where it has none, its place within its moment [number]';
comment on column market.trades.fills is 'Matches that the row adds up [matches]';
comment on column market.trades.received_at is 'When we first received it [UTC]';
comment on column market.trades.source is 'Where the row came from: provider and how it was asked';
comment on column market.trades.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.trades.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('market.trades');
end
$$;

create table market.trade_bars (
    venue text not null,
    symbol text not null,
    timeframe text not null,
    opened_at timestamptz not null,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    vwap double precision,
    volume_base double precision not null,
    volume_quote double precision not null,
    buy_volume_base double precision not null,
    buy_volume_quote double precision not null,
    trade_count bigint not null,
    buy_count bigint not null,
    large_from_quote double precision,
    large_volume_quote double precision,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, timeframe, opened_at)
) partition by range (opened_at);

comment on table market.trade_bars is
    'One minute of one market, added up from all its trades; minutes that are not wholly collected have no row.';
comment on column market.trade_bars.venue is 'Exchange, by its ccxt id';
comment on column market.trade_bars.symbol is 'Market, by its unified ccxt symbol';
comment on column market.trade_bars.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column market.trade_bars.opened_at is 'When the bar opens; its close is one timeframe later [UTC]';
comment on column market.trade_bars.open is 'Price of the first trade [quote currency]';
comment on column market.trade_bars.high is 'Highest price [quote currency]';
comment on column market.trade_bars.low is 'Lowest price [quote currency]';
comment on column market.trade_bars.close is 'Price of the last trade [quote currency]';
comment on column market.trade_bars.vwap is 'Average price, weighted with the amount [quote currency]';
comment on column market.trade_bars.volume_base is 'Amount traded [base currency]';
comment on column market.trade_bars.volume_quote is 'Value traded [quote currency]';
comment on column market.trade_bars.buy_volume_base is 'Amount that takers bought [base currency]';
comment on column market.trade_bars.buy_volume_quote is 'Value that takers bought [quote currency]';
comment on column market.trade_bars.trade_count is 'Matches [trades]';
comment on column market.trade_bars.buy_count is 'Matches in which the taker bought [trades]';
comment on column market.trade_bars.large_from_quote is 'From this cost on a trade is large: the large_quantile of the market''s trades before the hour; null where they are too few to tell [quote currency]';
comment on column market.trade_bars.large_volume_quote is 'Value of large trades; null where none can be told [quote currency]';
comment on column market.trade_bars.source is 'Where the row came from: provider and how it was asked';
comment on column market.trade_bars.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.trade_bars.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('market.trade_bars');
end
$$;
