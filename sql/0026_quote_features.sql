-- Features of the quotes of every second.

alter table features.ml_features
    add column quote_spread_bps_1h real,
    add column quote_spread_ratio_24h real,
    add column quote_imbalance_1h real,
    add column quote_intensity_1h real,
    add column quote_volatility_1h real,
    add column quote_stale_share_1h real;

comment on column features.ml_features.quote_spread_bps_1h is 'Mean spread of the newest hour of quotes from quote_spread; looks back 0 bars; not scaled [basis points]';
comment on column features.ml_features.quote_spread_ratio_24h is 'The same over its mean of the 24 hours to it, of which 12 are known from quote_spread, quote_spread_day_mean; looks back 0 bars; not scaled [ratio]';
comment on column features.ml_features.quote_imbalance_1h is 'Quantity bid less that asked over both, at the best prices, mean of the newest hour from quote_imbalance; looks back 0 bars; not scaled [share -1..1]';
comment on column features.ml_features.quote_intensity_1h is 'Logarithm of 1 and the changes of the quote a minute, in the newest hour from quote_changes_per_minute; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.quote_volatility_1h is 'Realised volatility of the middle from second to second, of the newest hour from quote_volatility; looks back 0 bars; not scaled [fraction over the hour]';
comment on column features.ml_features.quote_stale_share_1h is 'Share of the newest hour''s snapshots that were stale from quote_stale_share; looks back 0 bars; not scaled [share]';
