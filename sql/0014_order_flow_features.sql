-- Features of trades and order books.

alter table features.ml_features
    add column order_flow_imbalance real,
    add column order_flow_imbalance_24 real,
    add column large_trade_share real,
    add column trade_intensity real,
    add column trade_intensity_robust_168 real,
    add column close_to_trade_vwap real,
    add column book_spread_bps real,
    add column book_imbalance real,
    add column book_depth_log real,
    add column book_microprice_gap_bps real;

comment on column features.ml_features.order_flow_imbalance is 'Value bought less sold by takers, over all, of the bar from flow_buy_volume, flow_volume; looks back 0 bars; not scaled [share -1..1]';
comment on column features.ml_features.order_flow_imbalance_24 is 'Mean of the same over 24 bars, each of them known from flow_buy_volume, flow_volume; looks back 23 bars; not scaled [share -1..1]';
comment on column features.ml_features.large_trade_share is 'Share of large trades in the bar''s value from flow_large_volume, flow_volume; looks back 0 bars; not scaled [share]';
comment on column features.ml_features.trade_intensity is 'Logarithm of 1 and the trades a minute from flow_trades_per_minute; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.trade_intensity_robust_168 is 'The same against its week from flow_trades_per_minute; looks back 0 bars; robust over 168 bars [robust standard deviations]';
comment on column features.ml_features.close_to_trade_vwap is 'Close over the bar''s average trade price, less 1 from close, flow_vwap; looks back 0 bars; not scaled [fraction]';
comment on column features.ml_features.book_spread_bps is 'Spread of the newest book from book_spread; looks back 0 bars; not scaled [basis points]';
comment on column features.ml_features.book_imbalance is 'Bids less asks over both, by value within 50 basis points, of the newest book from book_imbalance_50bps; looks back 0 bars; not scaled [share -1..1]';
comment on column features.ml_features.book_depth_log is 'Logarithm of the value within 50 basis points on both sides of the newest book from book_depth; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.book_microprice_gap_bps is 'Microprice of the newest book over its middle, less 1 from book_microprice, book_mid; looks back 0 bars; not scaled [basis points]';
