-- Decentralised exchanges: DEXes, pools and their lives, the watchlist, bars and trades of pools.

create table dex.dexes (
    network text not null,
    dex text not null,
    name text not null,
    first_seen_at timestamptz not null,
    vanished_at timestamptz,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (network, dex)
);

comment on table dex.dexes is
    'One decentralised exchange of one network. Rows change only when the list does; audit.revisions has the past.';
comment on column dex.dexes.network is 'Chain, by its name in the universe: solana, ethereum';
comment on column dex.dexes.dex is 'GeckoTerminal''s name of the exchange, as uniswap_v3';
comment on column dex.dexes.name is 'Its name as people write it';
comment on column dex.dexes.first_seen_at is 'When we first saw it in the network''s list [UTC]';
comment on column dex.dexes.vanished_at is 'When it was first absent from the list; null while it is in it [UTC]';
comment on column dex.dexes.source is 'Where the row came from: provider and how it was asked';
comment on column dex.dexes.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column dex.dexes.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('dex.dexes');
end
$$;

create table dex.pools (
    network text not null,
    pool_address text not null,
    snapshot_at timestamptz not null,
    dex text not null,
    name text not null,
    base_token text not null,
    base_symbol text not null,
    quote_token text not null,
    quote_symbol text not null,
    fee_pct double precision,
    created_at timestamptz,
    found_in text not null,
    is_listed boolean not null,
    price_usd numeric,
    price_quote numeric,
    quote_price_usd numeric,
    reserve_usd double precision,
    volume_usd_5m double precision,
    volume_usd_1h double precision,
    volume_usd_6h double precision,
    volume_usd_24h double precision,
    buys_5m bigint,
    buys_1h bigint,
    buys_6h bigint,
    buys_24h bigint,
    sells_5m bigint,
    sells_1h bigint,
    sells_6h bigint,
    sells_24h bigint,
    buyers_5m bigint,
    buyers_1h bigint,
    buyers_6h bigint,
    buyers_24h bigint,
    sellers_5m bigint,
    sellers_1h bigint,
    sellers_6h bigint,
    sellers_24h bigint,
    price_change_pct_5m double precision,
    price_change_pct_1h double precision,
    price_change_pct_6h double precision,
    price_change_pct_24h double precision,
    fdv_usd double precision,
    market_cap_usd double precision,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (network, pool_address, snapshot_at),
    constraint pools_found_in_known check (found_in in ('top', 'new', 'watchlist', 'followed'))
) partition by range (snapshot_at);

comment on table dex.pools is
    'One pool as it stood when it was asked for.';
comment on column dex.pools.network is 'Chain, by its name in the universe: solana, ethereum';
comment on column dex.pools.pool_address is 'Address of the pool; hexadecimal ones in lower case';
comment on column dex.pools.snapshot_at is 'When GeckoTerminal was asked [UTC]';
comment on column dex.pools.dex is 'GeckoTerminal''s name of the exchange';
comment on column dex.pools.name is 'Its name as people write it: BASE / QUOTE and the fee, where there is one';
comment on column dex.pools.base_token is 'Address of the base token';
comment on column dex.pools.base_symbol is 'Symbol of the base token, as its makers chose it: anybody may choose any';
comment on column dex.pools.quote_token is 'Address of the quote token';
comment on column dex.pools.quote_symbol is 'Symbol of the quote token';
comment on column dex.pools.fee_pct is 'Fee that the name states [percent]';
comment on column dex.pools.created_at is 'When the pool was made, on its chain [UTC]';
comment on column dex.pools.found_in is 'Which list it stood in: top, new, watchlist or followed';
comment on column dex.pools.is_listed is 'Whether GeckoTerminal still knew it';
comment on column dex.pools.price_usd is 'Price of the base token [USD]';
comment on column dex.pools.price_quote is 'Price of the base token [quote token]';
comment on column dex.pools.quote_price_usd is 'Price of the quote token [USD]';
comment on column dex.pools.reserve_usd is 'Value of both tokens in the pool [USD]';
comment on column dex.pools.volume_usd_5m is 'Traded in the last 5m [USD]';
comment on column dex.pools.volume_usd_1h is 'Traded in the last 1h [USD]';
comment on column dex.pools.volume_usd_6h is 'Traded in the last 6h [USD]';
comment on column dex.pools.volume_usd_24h is 'Traded in the last 24h [USD]';
comment on column dex.pools.buys_5m is 'Purchases of the base token in the last 5m [transactions]';
comment on column dex.pools.buys_1h is 'Purchases of the base token in the last 1h [transactions]';
comment on column dex.pools.buys_6h is 'Purchases of the base token in the last 6h [transactions]';
comment on column dex.pools.buys_24h is 'Purchases of the base token in the last 24h [transactions]';
comment on column dex.pools.sells_5m is 'Sales of the base token in the last 5m [transactions]';
comment on column dex.pools.sells_1h is 'Sales of the base token in the last 1h [transactions]';
comment on column dex.pools.sells_6h is 'Sales of the base token in the last 6h [transactions]';
comment on column dex.pools.sells_24h is 'Sales of the base token in the last 24h [transactions]';
comment on column dex.pools.buyers_5m is 'Addresses that bought in the last 5m [transactions]';
comment on column dex.pools.buyers_1h is 'Addresses that bought in the last 1h [transactions]';
comment on column dex.pools.buyers_6h is 'Addresses that bought in the last 6h [transactions]';
comment on column dex.pools.buyers_24h is 'Addresses that bought in the last 24h [transactions]';
comment on column dex.pools.sellers_5m is 'Addresses that sold in the last 5m [transactions]';
comment on column dex.pools.sellers_1h is 'Addresses that sold in the last 1h [transactions]';
comment on column dex.pools.sellers_6h is 'Addresses that sold in the last 6h [transactions]';
comment on column dex.pools.sellers_24h is 'Addresses that sold in the last 24h [transactions]';
comment on column dex.pools.price_change_pct_5m is 'Change of the price in the last 5m [percent]';
comment on column dex.pools.price_change_pct_1h is 'Change of the price in the last 1h [percent]';
comment on column dex.pools.price_change_pct_6h is 'Change of the price in the last 6h [percent]';
comment on column dex.pools.price_change_pct_24h is 'Change of the price in the last 24h [percent]';
comment on column dex.pools.fdv_usd is 'Value of all base tokens that can ever be [USD]';
comment on column dex.pools.market_cap_usd is 'Value of the base tokens in circulation [USD]';
comment on column dex.pools.source is 'Where the row came from: provider and how it was asked';
comment on column dex.pools.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column dex.pools.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('dex.pools');
end
$$;

create table dex.pool_lives (
    network text not null,
    pool_address text not null,
    dex text not null,
    base_token text not null,
    quote_token text not null,
    created_at timestamptz,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    asked_at timestamptz not null,
    dead_at timestamptz,
    death text default '' not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (network, pool_address)
);

comment on table dex.pool_lives is
    'The life of each pool we ever saw, dead ones too. Follows from dex.pools, written in the same transaction.';
comment on column dex.pool_lives.network is 'Chain, by its name in the universe: solana, ethereum';
comment on column dex.pool_lives.pool_address is 'Address of the pool; hexadecimal ones in lower case';
comment on column dex.pool_lives.dex is 'GeckoTerminal''s name of the exchange';
comment on column dex.pool_lives.base_token is 'Address of the base token';
comment on column dex.pool_lives.quote_token is 'Address of the quote token';
comment on column dex.pool_lives.created_at is 'When the pool was made, on its chain [UTC]';
comment on column dex.pool_lives.first_seen_at is 'When we first saw it [UTC]';
comment on column dex.pool_lives.last_seen_at is 'When GeckoTerminal last knew it [UTC]';
comment on column dex.pool_lives.asked_at is 'When we last asked for it or met it in a list [UTC]';
comment on column dex.pool_lives.dead_at is 'Since when it is dead by the rule; null while it lives [UTC]';
comment on column dex.pool_lives.death is 'What it died of: unlisted or drained; empty while it lives';
comment on column dex.pool_lives.source is 'Where the row came from: provider and how it was asked';
comment on column dex.pool_lives.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column dex.pool_lives.ingested_at is 'When we stored the row as it stands [UTC]';

-- Whom to follow next: the living, longest not asked for first.
create index pool_lives_living on dex.pool_lives (network, asked_at) where dead_at is null;

create table dex.watchlist (
    network text not null,
    address text not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    address_type text not null,
    symbol text not null,
    min_trade_usd numeric not null,
    note text not null,
    pool_address text,
    resolved_at timestamptz,
    problem text default '' not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (network, address, valid_from),
    constraint watchlist_address_type_known check (address_type in ('pool', 'token')),
    constraint watchlist_ends_after_it_begins check (valid_to > valid_from)
);

comment on table dex.watchlist is
    'One entry of config/watchlist.csv while it stood there. What changes in it stands in audit.revisions.';
comment on column dex.watchlist.network is 'Chain, by its name in the universe: solana, ethereum';
comment on column dex.watchlist.address is 'Address of the pool or token; hexadecimal ones in lower case';
comment on column dex.watchlist.valid_from is 'When the entry was first seen in the file [UTC]';
comment on column dex.watchlist.valid_to is 'When it was first absent from the file; null while it is in it [UTC]';
comment on column dex.watchlist.address_type is 'pool or token';
comment on column dex.watchlist.symbol is 'What the file calls it; may be empty';
comment on column dex.watchlist.min_trade_usd is 'Trades below this value are not asked for [USD]';
comment on column dex.watchlist.note is 'What the file says of it; may be empty';
comment on column dex.watchlist.pool_address is 'The pool that is collected: itself, or the token''s best; null before';
comment on column dex.watchlist.resolved_at is 'When the pool was chosen [UTC]';
comment on column dex.watchlist.problem is 'Why no pool could be chosen; empty where one was';
comment on column dex.watchlist.source is 'Where the row came from: provider and how it was asked';
comment on column dex.watchlist.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column dex.watchlist.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('dex.watchlist');
end
$$;

-- An address stands in the file once at a time.
create unique index watchlist_open on dex.watchlist (network, address) where valid_to is null;

create table dex.pool_ohlcv (
    network text not null,
    pool_address text not null,
    timeframe text not null,
    opened_at timestamptz not null,
    open double precision not null,
    high double precision not null,
    low double precision not null,
    close double precision not null,
    volume_usd double precision not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (network, pool_address, timeframe, opened_at)
) partition by range (opened_at);

comment on table dex.pool_ohlcv is
    'One closed bar of one pool. Bars in which nothing was traded do not exist; the gap ledger says so.';
comment on column dex.pool_ohlcv.network is 'Chain, by its name in the universe: solana, ethereum';
comment on column dex.pool_ohlcv.pool_address is 'Address of the pool; hexadecimal ones in lower case';
comment on column dex.pool_ohlcv.timeframe is 'Length of a bar: 1m 5m 15m 1h 4h 12h 1d';
comment on column dex.pool_ohlcv.opened_at is 'When the bar opens; its close is one timeframe later [UTC]';
comment on column dex.pool_ohlcv.open is 'Price of the base token at the close of the bar before, or of its first trade [USD]';
comment on column dex.pool_ohlcv.high is 'Highest price of the base token [USD]';
comment on column dex.pool_ohlcv.low is 'Lowest price of the base token [USD]';
comment on column dex.pool_ohlcv.close is 'Price of the base token in the last trade [USD]';
comment on column dex.pool_ohlcv.volume_usd is 'Value traded [USD]';
comment on column dex.pool_ohlcv.source is 'Where the row came from: provider and how it was asked';
comment on column dex.pool_ohlcv.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column dex.pool_ohlcv.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('dex.pool_ohlcv');
end
$$;

create table dex.pool_trades (
    network text not null,
    pool_address text not null,
    traded_at timestamptz not null,
    tx_hash text not null,
    ordinal bigint not null,
    block_number bigint not null,
    side text not null,
    price_usd numeric not null,
    amount_base numeric not null,
    amount_quote numeric not null,
    volume_usd numeric not null,
    sender text not null,
    received_at timestamptz default now() not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (network, pool_address, traded_at, tx_hash, ordinal),
    constraint pool_trades_side_known check (side in ('buy', 'sell')),
    constraint pool_trades_not_negative check (price_usd > 0 and amount_base >= 0 and amount_quote >= 0 and volume_usd >= 0)
) partition by range (traded_at);

comment on table dex.pool_trades is
    'One trade of one pool, every digit kept.';
comment on column dex.pool_trades.network is 'Chain, by its name in the universe: solana, ethereum';
comment on column dex.pool_trades.pool_address is 'Address of the pool; hexadecimal ones in lower case';
comment on column dex.pool_trades.traded_at is 'Time of the block [UTC]';
comment on column dex.pool_trades.tx_hash is 'Transaction';
comment on column dex.pool_trades.ordinal is 'Place of the trade within its transaction, by GeckoTerminal''s id [number]';
comment on column dex.pool_trades.block_number is 'Block, or slot [number]';
comment on column dex.pool_trades.side is 'Whether the base token was bought: buy or sell';
comment on column dex.pool_trades.price_usd is 'Price of the base token [USD]';
comment on column dex.pool_trades.amount_base is 'Amount of the base token [base token]';
comment on column dex.pool_trades.amount_quote is 'Amount of the quote token [quote token]';
comment on column dex.pool_trades.volume_usd is 'Value of the trade [USD]';
comment on column dex.pool_trades.sender is 'Address that sent the transaction';
comment on column dex.pool_trades.received_at is 'When we first received it [UTC]';
comment on column dex.pool_trades.source is 'Where the row came from: provider and how it was asked';
comment on column dex.pool_trades.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column dex.pool_trades.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('dex.pool_trades');
end
$$;
