-- Features for models of each stored bar. Partitions are made by ops.ensure_year_partition when a year's first row comes.

create table features.ml_features (
    venue text not null,
    symbol text not null,
    timeframe text not null,
    opened_at timestamptz not null,
    return_1 real,
    return_4 real,
    return_24 real,
    return_168 real,
    return_1_lag_1 real,
    return_1_lag_2 real,
    return_1_lag_3 real,
    return_1_zscore real,
    return_skew_168 real,
    close_to_sma_20 real,
    close_to_sma_50 real,
    close_to_sma_200 real,
    close_to_vwap_day real,
    close_to_supertrend real,
    ema_12_to_ema_26 real,
    macd_histogram_to_close real,
    macd_zscore_168 real,
    rsi_14 real,
    adx_14 real,
    directional_balance real,
    stochastic_k real,
    stochastic_d real,
    mfi_14 real,
    cci_20_log real,
    aroon_oscillator real,
    supertrend_direction real,
    bollinger_percent_b real,
    bollinger_width_rank_720 real,
    donchian_position real,
    keltner_position real,
    close_position_168 real,
    drawdown_168 real,
    recovery_168 real,
    natr_14 real,
    realized_volatility_24 real,
    realized_volatility_168 real,
    volatility_ratio real,
    volatility_rank_720 real,
    garman_klass_24 real,
    parkinson_24 real,
    range_to_close real,
    close_in_range real,
    body_to_range real,
    close_zscore_20 real,
    volume_zscore_20 real,
    volume_robust_168 real,
    volume_to_mean_168 real,
    volume_balance_24 real,
    illiquidity_24 real,
    reference_return_1 real,
    reference_return_24 real,
    reference_beta_168 real,
    reference_correlation_24 real,
    reference_correlation_168 real,
    relative_strength_24 real,
    relative_strength_168 real,
    breadth_rising_24 real,
    breadth_above_average_50 real,
    market_return_1 real,
    market_return_24 real,
    dispersion_24 real,
    venue_premium real,
    venue_premium_robust_168 real,
    hour_of_day_sin real,
    hour_of_day_cos real,
    day_of_week_sin real,
    day_of_week_cos real,
    day_of_year_sin real,
    day_of_year_cos real,
    is_weekend real,
    version text not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, timeframe, opened_at)
) partition by range (opened_at);

comment on table features.ml_features is
    'Features for models of each stored bar: what could be known at its close.';
comment on column features.ml_features.venue is 'Exchange, by its ccxt id';
comment on column features.ml_features.symbol is 'Market, by its unified ccxt symbol';
comment on column features.ml_features.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column features.ml_features.opened_at is 'When the bar opens that the row belongs to; decisions are made at its close [UTC]';
comment on column features.ml_features.return_1 is 'Return of one bar from return_1; looks back 1 bars; not scaled [fraction]';
comment on column features.ml_features.return_4 is 'Return of 4 bars from return_4; looks back 4 bars; not scaled [fraction]';
comment on column features.ml_features.return_24 is 'Return of 24 bars from return_24; looks back 24 bars; not scaled [fraction]';
comment on column features.ml_features.return_168 is 'Return of 168 bars from return_168; looks back 168 bars; not scaled [fraction]';
comment on column features.ml_features.return_1_lag_1 is 'Return of one bar, 1 bars before from return_1; looks back 2 bars; not scaled [fraction]';
comment on column features.ml_features.return_1_lag_2 is 'Return of one bar, 2 bars before from return_1; looks back 3 bars; not scaled [fraction]';
comment on column features.ml_features.return_1_lag_3 is 'Return of one bar, 3 bars before from return_1; looks back 4 bars; not scaled [fraction]';
comment on column features.ml_features.return_1_zscore is 'Return of one bar against its week from return_1; looks back 1 bars; z-score over 168 bars [standard deviations]';
comment on column features.ml_features.return_skew_168 is 'Skewness of a week''s returns from return_1; looks back 168 bars; not scaled [third moment]';
comment on column features.ml_features.close_to_sma_20 is 'Close over its average of 20 bars, less 1 from close, sma_20; looks back 20 bars; not scaled [fraction]';
comment on column features.ml_features.close_to_sma_50 is 'Close over its average of 50 bars, less 1 from close, sma_50; looks back 50 bars; not scaled [fraction]';
comment on column features.ml_features.close_to_sma_200 is 'Close over its average of 200 bars, less 1 from close, sma_200; looks back 200 bars; not scaled [fraction]';
comment on column features.ml_features.close_to_vwap_day is 'Close over the volume-weighted price since 00:00 UTC, less 1 from close, vwap_day; looks back 0 bars; not scaled [fraction]';
comment on column features.ml_features.close_to_supertrend is 'Close over the Supertrend, less 1 from close, supertrend; looks back 54 bars; not scaled [fraction]';
comment on column features.ml_features.ema_12_to_ema_26 is 'EMA 12 over EMA 26, less 1 from ema_12, ema_26; looks back 85 bars; not scaled [fraction]';
comment on column features.ml_features.macd_histogram_to_close is 'MACD histogram over the close from macd_histogram, close; looks back 114 bars; not scaled [fraction]';
comment on column features.ml_features.macd_zscore_168 is 'MACD line over the close, against its week from macd, close; looks back 93 bars; z-score over 168 bars [standard deviations]';
comment on column features.ml_features.rsi_14 is 'Relative strength index, 14 bars from rsi_14; looks back 77 bars; not scaled [fraction]';
comment on column features.ml_features.adx_14 is 'Average directional index, 14 bars from adx_14; looks back 153 bars; not scaled [fraction]';
comment on column features.ml_features.directional_balance is 'Positive less negative directional indicator from plus_di_14, minus_di_14; looks back 77 bars; not scaled [fraction]';
comment on column features.ml_features.stochastic_k is 'Slow stochastic %K from stochastic_k; looks back 17 bars; not scaled [fraction]';
comment on column features.ml_features.stochastic_d is 'Slow stochastic %D from stochastic_d; looks back 17 bars; not scaled [fraction]';
comment on column features.ml_features.mfi_14 is 'Money flow index, 14 bars from mfi_14; looks back 14 bars; not scaled [fraction]';
comment on column features.ml_features.cci_20_log is 'Commodity channel index, 20 bars from cci_20; looks back 20 bars; log scaled [log of the index]';
comment on column features.ml_features.aroon_oscillator is 'Aroon up less Aroon down, 25 bars from aroon_up, aroon_down; looks back 25 bars; not scaled [fraction]';
comment on column features.ml_features.supertrend_direction is 'Direction of the Supertrend from supertrend_direction; looks back 54 bars; not scaled [±1]';
comment on column features.ml_features.bollinger_percent_b is 'Close between the Bollinger bands from bollinger_percent_b; looks back 20 bars; not scaled [fraction]';
comment on column features.ml_features.bollinger_width_rank_720 is 'Width of the Bollinger bands among those of a month from bollinger_width; looks back 20 bars; rank over 720 bars [share]';
comment on column features.ml_features.donchian_position is 'Close within the Donchian channel of 20 bars: 0 at the lower end, 1 at the upper from close, donchian_lower, donchian_upper; looks back 20 bars; not scaled [fraction]';
comment on column features.ml_features.keltner_position is 'Close within the Keltner channel: 0 at the lower end, 1 at the upper from close, keltner_lower, keltner_upper; looks back 66 bars; not scaled [fraction]';
comment on column features.ml_features.close_position_168 is 'Close within a week''s closes: 0 at the lowest, 1 at the highest from close; looks back 0 bars; min-max over 168 bars [fraction]';
comment on column features.ml_features.drawdown_168 is 'Close over the highest high of a week, less 1 from close, high; looks back 168 bars; not scaled [fraction]';
comment on column features.ml_features.recovery_168 is 'Close over the lowest low of a week, less 1 from close, low; looks back 168 bars; not scaled [fraction]';
comment on column features.ml_features.natr_14 is 'Average true range over the close from natr_14; looks back 77 bars; not scaled [percent]';
comment on column features.ml_features.realized_volatility_24 is 'Realised volatility of a day from realized_volatility_24; looks back 24 bars; not scaled [fraction over the window]';
comment on column features.ml_features.realized_volatility_168 is 'Realised volatility of a week from realized_volatility_168; looks back 168 bars; not scaled [fraction over the window]';
comment on column features.ml_features.volatility_ratio is 'Volatility a bar: that of a day over that of a week from realized_volatility_24, realized_volatility_168; looks back 168 bars; not scaled [ratio]';
comment on column features.ml_features.volatility_rank_720 is 'Realised volatility of a day among those of a month from realized_volatility_24; looks back 24 bars; rank over 720 bars [share]';
comment on column features.ml_features.garman_klass_24 is 'Garman-Klass volatility of a bar from garman_klass_24; looks back 24 bars; not scaled [fraction per bar]';
comment on column features.ml_features.parkinson_24 is 'Parkinson volatility of a bar from parkinson_24; looks back 24 bars; not scaled [fraction per bar]';
comment on column features.ml_features.range_to_close is 'High less low, over the close from high, low, close; looks back 1 bars; not scaled [fraction]';
comment on column features.ml_features.close_in_range is 'Close within the bar: 0 at the low, 1 at the high; null without a range from close, low, high; looks back 1 bars; not scaled [fraction]';
comment on column features.ml_features.body_to_range is 'Close less open, over the range; null without a range from open, close, high, low; looks back 1 bars; not scaled [fraction]';
comment on column features.ml_features.close_zscore_20 is 'Close against 20 bars from close_zscore_20; looks back 20 bars; not scaled [standard deviations]';
comment on column features.ml_features.volume_zscore_20 is 'Volume against 20 bars from volume_zscore_20; looks back 20 bars; not scaled [standard deviations]';
comment on column features.ml_features.volume_robust_168 is 'Volume against its week from volume; looks back 0 bars; robust over 168 bars [robust standard deviations]';
comment on column features.ml_features.volume_to_mean_168 is 'Volume over its week''s mean from volume; looks back 168 bars; log scaled [log ratio]';
comment on column features.ml_features.volume_balance_24 is 'Volume of rising less falling closes, over a day''s volume from obv, volume; looks back 24 bars; not scaled [fraction]';
comment on column features.ml_features.illiquidity_24 is 'Amihud illiquidity: absolute return a unit of value traded, a day''s mean, against all before from return_1, volume, close; looks back 24 bars; z-score over all bars before [standard deviations]';
comment on column features.ml_features.reference_return_1 is 'Return of the reference, one bar from reference_close; looks back 1 bars; not scaled [fraction]';
comment on column features.ml_features.reference_return_24 is 'Return of the reference, 24 bars from reference_close; looks back 24 bars; not scaled [fraction]';
comment on column features.ml_features.reference_beta_168 is 'Slope of one-bar returns on the reference''s over 168 bars from return_1, reference_close; looks back 169 bars; not scaled [ratio]';
comment on column features.ml_features.reference_correlation_24 is 'Correlation of one-bar returns with the reference''s over 24 bars from return_1, reference_close; looks back 25 bars; not scaled [correlation]';
comment on column features.ml_features.reference_correlation_168 is 'Correlation of one-bar returns with the reference''s over 168 bars from return_1, reference_close; looks back 169 bars; not scaled [correlation]';
comment on column features.ml_features.relative_strength_24 is 'Return of 24 bars less the reference''s from return_24, reference_close; looks back 24 bars; not scaled [fraction]';
comment on column features.ml_features.relative_strength_168 is 'Return of 168 bars less the reference''s from return_168, reference_close; looks back 168 bars; not scaled [fraction]';
comment on column features.ml_features.breadth_rising_24 is 'Share of the venue''s markets above their close 24 bars before from breadth_rising_24; looks back 24 bars; not scaled [share]';
comment on column features.ml_features.breadth_above_average_50 is 'Share of the venue''s markets above their 50-bar average from breadth_above_average_50; looks back 50 bars; not scaled [share]';
comment on column features.ml_features.market_return_1 is 'Mean one-bar return of the venue''s markets from market_return_1; looks back 1 bars; not scaled [fraction]';
comment on column features.ml_features.market_return_24 is 'Mean 24-bar return of the venue''s markets from market_return_24; looks back 24 bars; not scaled [fraction]';
comment on column features.ml_features.dispersion_24 is 'Standard deviation of 24-bar returns across the venue''s markets from dispersion_24; looks back 24 bars; not scaled [fraction]';
comment on column features.ml_features.venue_premium is 'Close over the median close of the same market on other venues, less 1 from close, close_elsewhere; looks back 0 bars; not scaled [fraction]';
comment on column features.ml_features.venue_premium_robust_168 is 'Premium over other venues against its week from close, close_elsewhere; looks back 0 bars; robust over 168 bars [robust standard deviations]';
comment on column features.ml_features.hour_of_day_sin is 'Sine of the time of day of the close from decided_at; looks back 0 bars; not scaled [-1..1]';
comment on column features.ml_features.hour_of_day_cos is 'Cosine of the time of day of the close from decided_at; looks back 0 bars; not scaled [-1..1]';
comment on column features.ml_features.day_of_week_sin is 'Sine of the time of the week of the close from decided_at; looks back 0 bars; not scaled [-1..1]';
comment on column features.ml_features.day_of_week_cos is 'Cosine of the time of the week of the close from decided_at; looks back 0 bars; not scaled [-1..1]';
comment on column features.ml_features.day_of_year_sin is 'Sine of the season of the close from decided_at; looks back 0 bars; not scaled [-1..1]';
comment on column features.ml_features.day_of_year_cos is 'Cosine of the season of the close from decided_at; looks back 0 bars; not scaled [-1..1]';
comment on column features.ml_features.is_weekend is '1 where the close falls on Saturday or Sunday from decided_at; looks back 0 bars; not scaled [0 or 1]';
comment on column features.ml_features.version is 'Version of declarations, code and engines that made the row';
comment on column features.ml_features.source is 'Where the row came from: provider and how it was asked';
comment on column features.ml_features.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column features.ml_features.ingested_at is 'When we stored the row as it stands [UTC]';
