-- Features of decentralised exchanges, and how their rows are found.

alter table features.ml_features
    add column dex_reserve real,
    add column dex_reserve_change_24 real,
    add column dex_turnover_1h real,
    add column dex_buy_share_1h real,
    add column dex_net_buying real,
    add column dex_pools real,
    add column dex_new_pools_24h real;

comment on column features.ml_features.dex_reserve is 'Logarithm of the value in the base currency''s pools, by snapshots of the last hour from pool_reserve; looks back 0 bars; not scaled [logarithm of USD]';
comment on column features.ml_features.dex_reserve_change_24 is 'The same less that of 24 bars before from pool_reserve; looks back 24 bars; not scaled [logarithm]';
comment on column features.ml_features.dex_turnover_1h is 'Value traded in an hour over the reserve, of pools that tell both from pool_volume, pool_volume_reserve; looks back 0 bars; not scaled [fraction an hour]';
comment on column features.ml_features.dex_buy_share_1h is 'Purchases of the currency among an hour''s transactions from pool_buys, pool_sells; looks back 0 bars; not scaled [share]';
comment on column features.ml_features.dex_net_buying is 'Value bought less sold, over both, in the bar''s trades of the watched pools from pool_bought, pool_sold; looks back 0 bars; not scaled [share -1..1]';
comment on column features.ml_features.dex_pools is 'Living pools with a snapshot of the last hour from pool_count; looks back 0 bars; not scaled [pools]';
comment on column features.ml_features.dex_new_pools_24h is 'Pools first seen in the last 24 hours from pool_births; looks back 0 bars; not scaled [pools]';

-- The key finds a pool's snapshots; this one finds those of a time, whatever the pool.
create index pools_by_time on dex.pools (network, snapshot_at);

-- Which pools a token has, and when each was first seen.
create index pool_lives_of_base on dex.pool_lives (network, base_token, first_seen_at);
create index pool_lives_of_quote on dex.pool_lives (network, quote_token, first_seen_at);
