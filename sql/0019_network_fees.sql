-- What transactions cost on each chain: one sample a quarter of an hour, and of Ethereum points of the past.

create table onchain.network_fees (
    chain text not null,
    observed_at timestamptz not null,
    base_fee_gwei double precision,
    priority_fee_p10_gwei double precision,
    priority_fee_p50_gwei double precision,
    priority_fee_p90_gwei double precision,
    gas_used_ratio double precision,
    block_number bigint,
    next_base_fee_gwei double precision,
    fastest_sat_vb double precision,
    half_hour_sat_vb double precision,
    hour_sat_vb double precision,
    economy_sat_vb double precision,
    minimum_sat_vb double precision,
    priority_fee_p10_microlamports double precision,
    priority_fee_p50_microlamports double precision,
    priority_fee_p90_microlamports double precision,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (chain, observed_at),
    constraint network_fees_chain_known check (chain in ('ethereum', 'bitcoin', 'solana'))
);

comment on table onchain.network_fees is
    'What a transaction cost on one chain at one moment. Columns of other chains are null.';
comment on column onchain.network_fees.chain is 'Chain: ethereum, bitcoin, solana';
comment on column onchain.network_fees.observed_at is 'When the answer had come; of a point of the past the time of its newest block [UTC]';
comment on column onchain.network_fees.base_fee_gwei is 'Base fee of the newest block [gwei per gas]';
comment on column onchain.network_fees.priority_fee_p10_gwei is 'Priority fee that 10 % of a block''s gas paid at most, median of the sampled blocks; from Etherscan the safe gas price beyond the next base fee [gwei per gas]';
comment on column onchain.network_fees.priority_fee_p50_gwei is 'Priority fee that 50 % of a block''s gas paid at most, median of the sampled blocks; from Etherscan the proposed gas price beyond the next base fee [gwei per gas]';
comment on column onchain.network_fees.priority_fee_p90_gwei is 'Priority fee that 90 % of a block''s gas paid at most, median of the sampled blocks; from Etherscan the fast gas price beyond the next base fee [gwei per gas]';
comment on column onchain.network_fees.gas_used_ratio is 'Gas used over the gas limit, mean of the sampled blocks [0..1]';
comment on column onchain.network_fees.block_number is 'Newest block that the row rests on; Solana''s newest slot [number]';
comment on column onchain.network_fees.next_base_fee_gwei is 'Base fee of the block that comes next [gwei per gas]';
comment on column onchain.network_fees.fastest_sat_vb is 'Fee to be mined in the next block [satoshi per virtual byte]';
comment on column onchain.network_fees.half_hour_sat_vb is 'Fee to be mined within half an hour [satoshi per virtual byte]';
comment on column onchain.network_fees.hour_sat_vb is 'Fee to be mined within an hour [satoshi per virtual byte]';
comment on column onchain.network_fees.economy_sat_vb is 'Fee to be mined at some time [satoshi per virtual byte]';
comment on column onchain.network_fees.minimum_sat_vb is 'Fee below which nodes drop a transaction [satoshi per virtual byte]';
comment on column onchain.network_fees.priority_fee_p10_microlamports is 'Of the last slots'' least priority fees the 10th percentile, nearest rank [micro-lamports per compute unit]';
comment on column onchain.network_fees.priority_fee_p50_microlamports is 'Of the last slots'' least priority fees the 50th percentile, nearest rank [micro-lamports per compute unit]';
comment on column onchain.network_fees.priority_fee_p90_microlamports is 'Of the last slots'' least priority fees the 90th percentile, nearest rank [micro-lamports per compute unit]';
comment on column onchain.network_fees.source is 'Where the row came from: provider and how it was asked';
comment on column onchain.network_fees.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column onchain.network_fees.ingested_at is 'When we stored the row as it stands [UTC]';

-- Readers join samples by the time at which they became known.
create index network_fees_by_known on onchain.network_fees (chain, known_at);

do $$
begin
    perform audit.keep_revisions_of('onchain.network_fees');
end
$$;
