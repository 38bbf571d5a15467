-- Features of what lies outside of exchanges: the economy, chains, their fees, and what is said and felt.

alter table features.ml_features
    add column macro_unemployment real,
    add column macro_unemployment_change real,
    add column macro_unemployment_surprise real,
    add column macro_inflation real,
    add column macro_inflation_surprise real,
    add column macro_growth real,
    add column macro_growth_surprise real,
    add column macro_policy_rate real,
    add column macro_policy_rate_change real,
    add column macro_ten_year_yield real,
    add column macro_ten_year_yield_change real,
    add column macro_vix real,
    add column macro_vix_change real,
    add column macro_dollar real,
    add column macro_dollar_change real,
    add column macro_oil real,
    add column macro_oil_change real,
    add column macro_gold real,
    add column macro_gold_change real,
    add column onchain_active_addresses real,
    add column onchain_active_addresses_change_7d real,
    add column onchain_transactions_change_7d real,
    add column onchain_fees real,
    add column onchain_hash_rate_change_7d real,
    add column onchain_exchange_net_flow real,
    add column onchain_tvl_change_7d real,
    add column onchain_volatility_7d real,
    add column fee_ethereum_base real,
    add column fee_ethereum_base_change_24 real,
    add column fee_ethereum_tip real,
    add column fee_ethereum_used_ratio real,
    add column fee_own_chain real,
    add column fee_own_chain_change_24 real,
    add column sentiment_news_24h real,
    add column sentiment_mean_24h real,
    add column sentiment_dispersion_24h real,
    add column sentiment_market_mean_24h real,
    add column sentiment_fear_greed real,
    add column sentiment_fear_greed_change_7d real;

comment on column features.ml_features.macro_unemployment is 'Unemployment rate of the United States, newest value known from unemployment_value; looks back 0 bars; not scaled [percent]';
comment on column features.ml_features.macro_unemployment_change is 'Unemployment rate: newest value less that of the period before, both as known from unemployment_value, unemployment_before; looks back 0 bars; not scaled [percentage points]';
comment on column features.ml_features.macro_unemployment_surprise is 'Unemployment rate: newest month as first told less (the month before + the mean change of 6 months to it), as known just before from unemployment_first, unemployment_last_then, unemployment_trend_then; looks back 0 bars; not scaled [percentage points]';
comment on column features.ml_features.macro_inflation is 'Consumer prices: newest month over the same month a year before, less 1, both as known from prices_value, prices_year_before; looks back 0 bars; not scaled [fraction]';
comment on column features.ml_features.macro_inflation_surprise is 'Consumer prices: newest month as first told less (the month before + the mean change of 6 months to it), as known just before, over the month before from prices_first, prices_last_then, prices_trend_then; looks back 0 bars; not scaled [fraction]';
comment on column features.ml_features.macro_growth is 'Growth of real output, a year''s rate, newest value known from growth_value; looks back 0 bars; not scaled [percent]';
comment on column features.ml_features.macro_growth_surprise is 'Growth of real output: newest quarter as first told less the quarter before as known just before from growth_first, growth_last_then; looks back 0 bars; not scaled [percentage points]';
comment on column features.ml_features.macro_policy_rate is 'Federal funds rate, mean of a month, newest value known from policy_rate_value; looks back 0 bars; not scaled [percent]';
comment on column features.ml_features.macro_policy_rate_change is 'Federal funds rate: newest value less that of the period before, both as known from policy_rate_value, policy_rate_before; looks back 0 bars; not scaled [percentage points]';
comment on column features.ml_features.macro_ten_year_yield is 'Yield of ten-year Treasury bonds, newest value known from ten_year_value; looks back 0 bars; not scaled [percent]';
comment on column features.ml_features.macro_ten_year_yield_change is 'Yield of ten-year Treasury bonds: newest value less that of the period before, both as known from ten_year_value, ten_year_before; looks back 0 bars; not scaled [percentage points]';
comment on column features.ml_features.macro_vix is 'Logarithm of the volatility index VIX, newest value known from vix_value; looks back 0 bars; not scaled [logarithm of points]';
comment on column features.ml_features.macro_vix_change is 'Volatility index VIX: logarithm of the newest value over that of the trading day before, both as known from vix_value, vix_before; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.macro_dollar is 'Logarithm of the broad dollar index, newest value known from dollar_value; looks back 0 bars; not scaled [logarithm of points]';
comment on column features.ml_features.macro_dollar_change is 'Broad dollar index: logarithm of the newest value over that of the trading day before, both as known from dollar_value, dollar_before; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.macro_oil is 'Crude oil, West Texas Intermediate, newest value known from oil_value; looks back 0 bars; not scaled [USD a barrel]';
comment on column features.ml_features.macro_oil_change is 'Crude oil, West Texas Intermediate: newest value less that of the period before, both as known from oil_value, oil_before; looks back 0 bars; not scaled [USD a barrel]';
comment on column features.ml_features.macro_gold is 'Logarithm of an ounce of gold as PAX Gold trades, newest value known from gold_value; looks back 0 bars; not scaled [logarithm of USD]';
comment on column features.ml_features.macro_gold_change is 'Gold as PAX Gold trades: logarithm of the newest value over that of the trading day before, both as known from gold_value, gold_before; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.onchain_active_addresses is 'Logarithm of 1 and the addresses active in a day, newest day known from chain_active_addresses; looks back 0 bars; not scaled [logarithm of addresses]';
comment on column features.ml_features.onchain_active_addresses_change_7d is 'Active addresses: logarithm of the day over the day a week before it, newest day known from chain_active_addresses, chain_active_addresses_week_before; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.onchain_transactions_change_7d is 'Transactions: logarithm of the day over the day a week before it, newest day known from chain_transactions, chain_transactions_week_before; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.onchain_fees is 'Logarithm of 1 and the fees paid in a day, newest day known from chain_fees_usd; looks back 0 bars; not scaled [logarithm of USD]';
comment on column features.ml_features.onchain_hash_rate_change_7d is 'Hash rate: logarithm of the day over the day a week before it, newest day known from chain_hash_rate, chain_hash_rate_week_before; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.onchain_exchange_net_flow is 'Coins that went to exchanges in a day less those that left them, over the supply, newest day known from chain_exchange_net_flow, chain_supply; looks back 0 bars; not scaled [fraction]';
comment on column features.ml_features.onchain_tvl_change_7d is 'Value locked in the chain''s contracts: logarithm of the day over the day a week before it, newest day known from chain_tvl_usd, chain_tvl_usd_week_before; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.onchain_volatility_7d is 'Standard deviation of seven daily log returns, as stored, newest day known from chain_price_volatility_7d; looks back 0 bars; not scaled [fraction a year]';
comment on column features.ml_features.fee_ethereum_base is 'Logarithm of Ethereum''s base fee from ethereum_base_fee; looks back 0 bars; not scaled [logarithm of gwei]';
comment on column features.ml_features.fee_ethereum_base_change_24 is 'The same less that of 24 bars before from ethereum_base_fee; looks back 24 bars; not scaled [logarithm]';
comment on column features.ml_features.fee_ethereum_tip is 'Logarithm of 1 and the median tip on Ethereum from ethereum_tip; looks back 0 bars; not scaled [logarithm of gwei]';
comment on column features.ml_features.fee_ethereum_used_ratio is 'Share of a block''s gas limit that was used on Ethereum from ethereum_used_ratio; looks back 0 bars; not scaled [share]';
comment on column features.ml_features.fee_own_chain is 'Logarithm of 1 and the fee of the base currency''s chain: Bitcoin''s for half an hour, Ethereum''s base fee and median tip, Solana''s median priority fee from own_chain_fee; looks back 0 bars; not scaled [logarithm of satoshi a virtual byte, gwei or micro-lamports]';
comment on column features.ml_features.fee_own_chain_change_24 is 'The same less that of 24 bars before from own_chain_fee; looks back 24 bars; not scaled [logarithm]';
comment on column features.ml_features.sentiment_news_24h is 'Logarithm of 1 and the headlines about the base currency that became known in 24 hours from news_count; looks back 0 bars; not scaled [logarithm]';
comment on column features.ml_features.sentiment_mean_24h is 'Mean score of the same from news_mean; looks back 0 bars; not scaled [score -1..1]';
comment on column features.ml_features.sentiment_dispersion_24h is 'Standard deviation of the scores of the same, of two at least from news_deviation; looks back 0 bars; not scaled [score]';
comment on column features.ml_features.sentiment_market_mean_24h is 'Mean score of the headlines about the market as a whole in 24 hours from news_market_mean; looks back 0 bars; not scaled [score -1..1]';
comment on column features.ml_features.sentiment_fear_greed is 'Fear & Greed index, newest day known from fear_greed; looks back 0 bars; not scaled [0..100]';
comment on column features.ml_features.sentiment_fear_greed_change_7d is 'The same less that of the day a week before from fear_greed, fear_greed_week_before; looks back 0 bars; not scaled [points]';
