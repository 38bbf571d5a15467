-- The tables that gain by it: the longest ones among those that keep no old values. Tables with audit's triggers stay native, for
-- chunks that are compressed refuse triggers on DELETE that look at the rows deleted.
-- A chunk is what is dropped at once, and what is compressed at once: a day of quotes, a month of features.

select ops.as_hypertable('market.book_ticker_snapshots', 'snapshot_at', '1 day', 'venue, symbol', '2 days');
select ops.as_hypertable('market.arbitrage_opportunities', 'snapshot_at', '1 day', 'symbol, buy_venue, sell_venue', '2 days');
-- The open month is derived again and again, and the one before it when late bars come.
select ops.as_hypertable('features.technical_indicators', 'opened_at', '30 days', 'venue, symbol, timeframe', '62 days');
select ops.as_hypertable('features.ml_features', 'opened_at', '30 days', 'venue, symbol, timeframe', '62 days');
select ops.as_hypertable('features.labels', 'opened_at', '30 days', 'venue, symbol, timeframe', '62 days');
