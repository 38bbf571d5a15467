-- Gaps between exchanges that would have earned after fees, second by second. Partitions are days, as those of the quotes.

create table market.arbitrage_opportunities (
    symbol text not null,
    buy_venue text not null,
    sell_venue text not null,
    snapshot_at timestamptz not null,
    opened_at timestamptz not null,
    persisted_snapshots integer not null,
    buy_price numeric not null,
    sell_price numeric not null,
    buy_fee_pct double precision not null,
    sell_fee_pct double precision not null,
    gross_pct double precision not null,
    net_pct double precision not null,
    size_base numeric not null,
    profit_quote double precision not null,
    buy_age_ms integer not null,
    sell_age_ms integer not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (symbol, buy_venue, sell_venue, snapshot_at),
    constraint arbitrage_opportunities_possible check (
        buy_venue <> sell_venue
        and buy_price > 0 and sell_price > 0 and size_base > 0
        and net_pct > 0 and net_pct < 'infinity' and profit_quote > 0 and profit_quote < 'infinity'
        and persisted_snapshots > 0 and opened_at <= snapshot_at and known_at >= snapshot_at
        and buy_age_ms >= 0 and sell_age_ms >= 0
    )
) partition by range (snapshot_at);

comment on table market.arbitrage_opportunities is
    'A gap between two exchanges that a trade of one second would have earned from after fees, second by second.';
comment on column market.arbitrage_opportunities.symbol is 'Market, by its unified ccxt symbol';
comment on column market.arbitrage_opportunities.buy_venue is 'Exchange whose ask is paid, by its ccxt id';
comment on column market.arbitrage_opportunities.sell_venue is 'Exchange whose bid is received, by its ccxt id';
comment on column market.arbitrage_opportunities.snapshot_at is 'The second of the grid at which the opportunity was open [UTC]';
comment on column market.arbitrage_opportunities.opened_at is 'The first second of those in a row that show it; it counts as open once enough of them do [UTC]';
comment on column market.arbitrage_opportunities.persisted_snapshots is 'How many snapshots in a row show it, this one included [snapshots]';
comment on column market.arbitrage_opportunities.buy_price is 'Best ask where it is bought [quote currency]';
comment on column market.arbitrage_opportunities.sell_price is 'Best bid where it is sold [quote currency]';
comment on column market.arbitrage_opportunities.buy_fee_pct is 'What a taker is taken to pay where it is bought [percent]';
comment on column market.arbitrage_opportunities.sell_fee_pct is 'What a taker is taken to pay where it is sold [percent]';
comment on column market.arbitrage_opportunities.gross_pct is 'Sell price above buy price, over the buy price [percent]';
comment on column market.arbitrage_opportunities.net_pct is 'What the sale brings after its fee above what the purchase costs with its fee [percent]';
comment on column market.arbitrage_opportunities.size_base is 'The smaller of what is offered at the ask and wanted at the bid [base currency]';
comment on column market.arbitrage_opportunities.profit_quote is 'What that amount earns after both fees [quote currency]';
comment on column market.arbitrage_opportunities.buy_age_ms is 'How long before the second the ask was so [milliseconds]';
comment on column market.arbitrage_opportunities.sell_age_ms is 'How long before the second the bid was so [milliseconds]';
comment on column market.arbitrage_opportunities.source is 'Where the row came from: provider and how it was asked';
comment on column market.arbitrage_opportunities.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column market.arbitrage_opportunities.ingested_at is 'When we stored the row as it stands [UTC]';

-- Rows come in the order of time, so a map of page ranges finds an hour of all markets.
create index arbitrage_opportunities_at_idx on market.arbitrage_opportunities using brin (snapshot_at) with (pages_per_range = 32);
