-- Daily metrics of chains: one value for each asset, metric and day.

create table onchain.metrics (
    asset text not null,
    metric text not null,
    observed_on date not null,
    value double precision not null,
    unit text not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (asset, metric, observed_on),
    -- NaN counts as larger than infinity.
    constraint metrics_value_finite check (value > '-infinity' and value < 'infinity'),
    constraint metrics_known_after_its_day check (known_at >= observed_on::timestamp at time zone 'UTC' + interval '1 day')
);

comment on table onchain.metrics is
    'One metric of one chain on one day. A value that was corrected keeps its former one in audit.revisions.';
comment on column onchain.metrics.asset is 'Currency of the chain, as BTC';
comment on column onchain.metrics.metric is 'What was measured, as active_addresses';
comment on column onchain.metrics.observed_on is 'The day that the value is of, from midnight to midnight UTC';
comment on column onchain.metrics.value is 'What was measured [as the column unit says]';
comment on column onchain.metrics.unit is 'Unit of the value: USD, TH/s, addresses, or the currency';
comment on column onchain.metrics.source is 'Where the row came from: provider and how it was asked';
comment on column onchain.metrics.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column onchain.metrics.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('onchain.metrics');
end
$$;
