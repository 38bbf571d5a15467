-- Technical indicators of each stored bar. Partitions are made by ops.ensure_year_partition when a year's first row comes.

create table features.technical_indicators (
    venue text not null,
    symbol text not null,
    timeframe text not null,
    opened_at timestamptz not null,
    sma_20 double precision,
    sma_50 double precision,
    sma_200 double precision,
    ema_12 double precision,
    ema_26 double precision,
    macd double precision,
    macd_signal double precision,
    macd_histogram double precision,
    adx_14 double precision,
    plus_di_14 double precision,
    minus_di_14 double precision,
    aroon_down double precision,
    aroon_up double precision,
    supertrend double precision,
    supertrend_direction double precision,
    donchian_upper double precision,
    donchian_middle double precision,
    donchian_lower double precision,
    rsi_14 double precision,
    stochastic_k double precision,
    stochastic_d double precision,
    williams_r_14 double precision,
    cci_20 double precision,
    roc_10 double precision,
    momentum_10 double precision,
    return_1 double precision,
    return_4 double precision,
    return_24 double precision,
    return_168 double precision,
    close_lag_1 double precision,
    close_lag_2 double precision,
    close_lag_3 double precision,
    bollinger_upper double precision,
    bollinger_middle double precision,
    bollinger_lower double precision,
    bollinger_width double precision,
    bollinger_percent_b double precision,
    atr_14 double precision,
    natr_14 double precision,
    keltner_upper double precision,
    keltner_middle double precision,
    keltner_lower double precision,
    realized_volatility_24 double precision,
    realized_volatility_168 double precision,
    garman_klass_24 double precision,
    parkinson_24 double precision,
    obv double precision,
    mfi_14 double precision,
    vwap_day double precision,
    close_zscore_20 double precision,
    volume_zscore_20 double precision,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (venue, symbol, timeframe, opened_at)
) partition by range (opened_at);

comment on table features.technical_indicators is
    'Technical indicators of each stored bar, from that bar and those before it.';
comment on column features.technical_indicators.venue is 'Exchange, by its ccxt id';
comment on column features.technical_indicators.symbol is 'Market, by its unified ccxt symbol';
comment on column features.technical_indicators.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column features.technical_indicators.opened_at is 'When the bar opens that the row belongs to; decisions are made at its close [UTC]';
comment on column features.technical_indicators.sma_20 is 'Simple moving average of the close over 20 bars; window, first value after 19 bars; source: TA-Lib SMA [quote currency]';
comment on column features.technical_indicators.sma_50 is 'Simple moving average of the close over 50 bars; window, first value after 49 bars; source: TA-Lib SMA [quote currency]';
comment on column features.technical_indicators.sma_200 is 'Simple moving average of the close over 200 bars; window, first value after 199 bars; source: TA-Lib SMA [quote currency]';
comment on column features.technical_indicators.ema_12 is 'Exponential moving average of the close, weight 2/(12+1), seeded with the mean of 12 bars; recursive, first value after 39 bars; source: TA-Lib EMA [quote currency]';
comment on column features.technical_indicators.ema_26 is 'Exponential moving average of the close, weight 2/(26+1), seeded with the mean of 26 bars; recursive, first value after 85 bars; source: TA-Lib EMA [quote currency]';
comment on column features.technical_indicators.macd is 'MACD line: EMA 12 less EMA 26 of the close; recursive, first value after 93 bars; source: TA-Lib MACD [quote currency]';
comment on column features.technical_indicators.macd_signal is 'EMA 9 of the MACD line; recursive, first value after 114 bars; source: TA-Lib MACD [quote currency]';
comment on column features.technical_indicators.macd_histogram is 'MACD line less its signal; recursive, first value after 114 bars; source: TA-Lib MACD [quote currency]';
comment on column features.technical_indicators.adx_14 is 'Average directional index, Wilder, 14 bars; recursive, first value after 153 bars; source: TA-Lib ADX [0..100]';
comment on column features.technical_indicators.plus_di_14 is 'Positive directional indicator, Wilder, 14 bars; recursive, first value after 77 bars; source: TA-Lib PLUS_DI [0..100]';
comment on column features.technical_indicators.minus_di_14 is 'Negative directional indicator, Wilder, 14 bars; recursive, first value after 77 bars; source: TA-Lib MINUS_DI [0..100]';
comment on column features.technical_indicators.aroon_down is 'Aroon down, 25 bars: 100 less 4 for each bar since the lowest low; window, first value after 25 bars; source: TA-Lib AROON [0..100]';
comment on column features.technical_indicators.aroon_up is 'Aroon up, 25 bars: 100 less 4 for each bar since the highest high; window, first value after 25 bars; source: TA-Lib AROON [0..100]';
comment on column features.technical_indicators.supertrend is 'Supertrend: the band (median price ∓ 3 ATR 10) that trails the trend; recursive, first value after 54 bars; source: TA-Lib SUPERTREND, from its first change of direction on [quote currency]';
comment on column features.technical_indicators.supertrend_direction is 'Direction of the Supertrend: 1 up, -1 down; recursive, first value after 54 bars; source: TA-Lib SUPERTREND, from its first change of direction on [±1]';
comment on column features.technical_indicators.donchian_upper is 'Donchian channel, 20 bars: highest high; window, first value after 19 bars; source: TA-Lib DONCHIAN [quote currency]';
comment on column features.technical_indicators.donchian_middle is 'Donchian channel, 20 bars: mean of upper and lower; window, first value after 19 bars; source: TA-Lib DONCHIAN [quote currency]';
comment on column features.technical_indicators.donchian_lower is 'Donchian channel, 20 bars: lowest low; window, first value after 19 bars; source: TA-Lib DONCHIAN [quote currency]';
comment on column features.technical_indicators.rsi_14 is 'Relative strength index, Wilder, 14 bars; null where the price never moved; recursive, first value after 77 bars; source: TA-Lib RSI [0..100]';
comment on column features.technical_indicators.stochastic_k is 'Slow stochastic %K: 14 bars, smoothed by SMA 3; null without a range; window, first value after 17 bars; source: TA-Lib STOCH [0..100]';
comment on column features.technical_indicators.stochastic_d is 'Slow stochastic %D: SMA 3 of %K; null without a range; window, first value after 17 bars; source: TA-Lib STOCH [0..100]';
comment on column features.technical_indicators.williams_r_14 is 'Williams %R, 14 bars; null without a range; window, first value after 13 bars; source: TA-Lib WILLR [-100..0]';
comment on column features.technical_indicators.cci_20 is 'Commodity channel index, 20 bars, constant 0.015; null where the price stood; window, first value after 19 bars; source: TA-Lib CCI [index]';
comment on column features.technical_indicators.roc_10 is 'Rate of change over 10 bars; window, first value after 10 bars; source: TA-Lib ROC [percent]';
comment on column features.technical_indicators.momentum_10 is 'Close less the close 10 bars before; window, first value after 10 bars; source: TA-Lib MOM [quote currency]';
comment on column features.technical_indicators.return_1 is 'Close over the close 1 bars before, less 1; window, first value after 1 bars; source: TA-Lib ROCP [fraction]';
comment on column features.technical_indicators.return_4 is 'Close over the close 4 bars before, less 1; window, first value after 4 bars; source: TA-Lib ROCP [fraction]';
comment on column features.technical_indicators.return_24 is 'Close over the close 24 bars before, less 1; window, first value after 24 bars; source: TA-Lib ROCP [fraction]';
comment on column features.technical_indicators.return_168 is 'Close over the close 168 bars before, less 1; window, first value after 168 bars; source: TA-Lib ROCP [fraction]';
comment on column features.technical_indicators.close_lag_1 is 'Close 1 bars before; window, first value after 1 bars; source: own shift [quote currency]';
comment on column features.technical_indicators.close_lag_2 is 'Close 2 bars before; window, first value after 2 bars; source: own shift [quote currency]';
comment on column features.technical_indicators.close_lag_3 is 'Close 3 bars before; window, first value after 3 bars; source: own shift [quote currency]';
comment on column features.technical_indicators.bollinger_upper is 'Bollinger bands, SMA 20: plus 2 population standard deviations; window, first value after 19 bars; source: TA-Lib BBANDS [quote currency]';
comment on column features.technical_indicators.bollinger_middle is 'Bollinger bands, SMA 20: the average; window, first value after 19 bars; source: TA-Lib BBANDS [quote currency]';
comment on column features.technical_indicators.bollinger_lower is 'Bollinger bands, SMA 20: less 2 population standard deviations; window, first value after 19 bars; source: TA-Lib BBANDS [quote currency]';
comment on column features.technical_indicators.bollinger_width is 'Upper less lower Bollinger band, over the middle; window, first value after 19 bars; source: TA-Lib BBANDS [fraction]';
comment on column features.technical_indicators.bollinger_percent_b is 'Close between the Bollinger bands: 0 at the lower, 1 at the upper; null without a width; window, first value after 19 bars; source: TA-Lib BBANDS [fraction]';
comment on column features.technical_indicators.atr_14 is 'Average true range, Wilder, 14 bars; recursive, first value after 77 bars; source: TA-Lib ATR [quote currency]';
comment on column features.technical_indicators.natr_14 is 'Average true range over the close; recursive, first value after 77 bars; source: TA-Lib NATR [percent]';
comment on column features.technical_indicators.keltner_upper is 'Keltner channel: EMA 20 of the typical price plus 2 ATR 10; recursive, first value after 66 bars; source: TA-Lib KC [quote currency]';
comment on column features.technical_indicators.keltner_middle is 'Keltner channel: EMA 20 of the typical price alone; recursive, first value after 66 bars; source: TA-Lib KC [quote currency]';
comment on column features.technical_indicators.keltner_lower is 'Keltner channel: EMA 20 of the typical price less 2 ATR 10; recursive, first value after 66 bars; source: TA-Lib KC [quote currency]';
comment on column features.technical_indicators.realized_volatility_24 is 'Square root of the sum of the squared log returns of 24 bars; window, first value after 24 bars; source: Andersen and Bollerslev 1998, by TA-Lib SUM [fraction over the window]';
comment on column features.technical_indicators.realized_volatility_168 is 'Square root of the sum of the squared log returns of 168 bars; window, first value after 168 bars; source: Andersen and Bollerslev 1998, by TA-Lib SUM [fraction over the window]';
comment on column features.technical_indicators.garman_klass_24 is 'Garman-Klass volatility of a bar, root of the mean variance of 24 bars; window, first value after 23 bars; source: Garman and Klass 1980, by TA-Lib SMA [fraction per bar]';
comment on column features.technical_indicators.parkinson_24 is 'Parkinson volatility of a bar, root of the mean variance of 24 bars; window, first value after 23 bars; source: Parkinson 1980, by TA-Lib SMA [fraction per bar]';
comment on column features.technical_indicators.obv is 'On-balance volume: volume added when the close rises, taken off when it falls; starts 2,400 bars before the calendar year, so only its changes mean something; cumulative, first value after 0 bars; source: TA-Lib OBV [base currency]';
comment on column features.technical_indicators.mfi_14 is 'Money flow index, 14 bars; null where no money flowed; window, first value after 14 bars; source: TA-Lib MFI [0..100]';
comment on column features.technical_indicators.vwap_day is 'Volume-weighted mean of the typical price since 00:00 UTC; null until something is traded; session, first value after 0 bars; source: own cumulative sums; equals pandas-ta vwap(anchor D), 250 times faster [quote currency]';
comment on column features.technical_indicators.close_zscore_20 is 'Close less its mean over 20 bars, in sample standard deviations; window, first value after 19 bars; source: pandas-ta zscore, without TA-Lib [standard deviations]';
comment on column features.technical_indicators.volume_zscore_20 is 'Volume less its mean over 20 bars, in sample standard deviations; window, first value after 19 bars; source: pandas-ta zscore, without TA-Lib [standard deviations]';
comment on column features.technical_indicators.source is 'Where the row came from: provider and how it was asked';
comment on column features.technical_indicators.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column features.technical_indicators.ingested_at is 'When we stored the row as it stands [UTC]';
