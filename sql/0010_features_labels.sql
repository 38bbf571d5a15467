-- What came after each bar's close, apart from features. Partitions are made by ops.ensure_year_partition.

create table features.labels (
    venue text not null,
    symbol text not null,
    timeframe text not null,
    opened_at timestamptz not null,
    horizon_bars integer not null,
    label_end_at timestamptz not null,
    forward_return double precision not null,
    forward_volatility double precision not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, timeframe, opened_at, horizon_bars)
) partition by range (opened_at);

comment on table features.labels is
    'Forward return and volatility of each stored bar by horizon; apart from features, which never read it.';
comment on column features.labels.venue is 'Exchange, by its ccxt id';
comment on column features.labels.symbol is 'Market, by its unified ccxt symbol';
comment on column features.labels.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column features.labels.opened_at is 'When the bar opens that the label belongs to; the decision is made at its close [UTC]';
comment on column features.labels.horizon_bars is 'How many bars after the decision the label looks ahead [bars]';
comment on column features.labels.label_end_at is 'Close of the last bar that the label looks at; before it, nobody could know the label [UTC]';
comment on column features.labels.forward_return is 'Close at the end of the horizon over the close at the decision, less 1 [fraction]';
comment on column features.labels.forward_volatility is 'Square root of the sum of the squared log returns within the horizon [fraction over the horizon]';
comment on column features.labels.source is 'Where the row came from: provider and how it was asked';
comment on column features.labels.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column features.labels.ingested_at is 'When we stored the row as it stands [UTC]';
