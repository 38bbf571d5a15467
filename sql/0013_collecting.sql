-- How collecting goes: when each market is to be asked next, and the pace that all processes keep towards a provider.

create table ops.market_polls (
    dataset text not null,
    venue text not null,
    symbol text not null,
    polled_at timestamptz not null,
    due_at timestamptz not null,
    interval_seconds double precision not null,
    activity double precision,
    failures integer default 0 not null,
    last_error text default '' not null,
    longest_wait_seconds double precision not null,
    updated_at timestamptz default now() not null,
    primary key (dataset, venue, symbol)
);

comment on table ops.market_polls is
    'When each market was asked and is to be asked next. Written in the transaction that writes its rows.';
comment on column ops.market_polls.dataset is 'Asset key of the dataset, as market/trades';
comment on column ops.market_polls.venue is 'Exchange, by its ccxt id';
comment on column ops.market_polls.symbol is 'Market, by its unified ccxt symbol';
comment on column ops.market_polls.polled_at is 'When the market was last asked [UTC]';
comment on column ops.market_polls.due_at is 'When it is to be asked next [UTC]';
comment on column ops.market_polls.interval_seconds is 'Time between polls, as its activity suggests [seconds]';
comment on column ops.market_polls.activity is 'What happened between the last polls, in the dataset''s measure [per second]';
comment on column ops.market_polls.failures is 'Polls in a row that brought nothing [times]';
comment on column ops.market_polls.last_error is 'What the last failure was; empty after a success';
comment on column ops.market_polls.longest_wait_seconds is 'Longest time a due poll had to wait for its turn [seconds]';
comment on column ops.market_polls.updated_at is 'When the row was last written [UTC]';

create table ops.provider_limits (
    provider text not null,
    next_slot_at timestamptz not null,
    breaker text default 'closed' not null,
    breaker_changed_at timestamptz,
    open_until timestamptz,
    failures integer default 0 not null,
    last_error text default '' not null,
    requests bigint default 0 not null,
    throttled bigint default 0 not null,
    latency_ms double precision,
    updated_at timestamptz default now() not null,
    primary key (provider),
    constraint provider_limits_breaker_known check (breaker in ('closed', 'open', 'half-open'))
);

comment on table ops.provider_limits is
    'The pace that all processes keep together towards a provider, and whether it is left alone.';
comment on column ops.provider_limits.provider is 'Exchange or other provider, by its client''s name';
comment on column ops.provider_limits.next_slot_at is 'No request may be sent before; every process that asks takes its slot here [UTC]';
comment on column ops.provider_limits.breaker is 'closed, open (left alone) or half-open (being tried)';
comment on column ops.provider_limits.breaker_changed_at is 'When the breaker last changed [UTC]';
comment on column ops.provider_limits.open_until is 'Until when the provider is left alone; null while it is not [UTC]';
comment on column ops.provider_limits.failures is 'Failures in a row when the breaker last changed [times]';
comment on column ops.provider_limits.last_error is 'What the last of them was; empty while closed';
comment on column ops.provider_limits.requests is 'Requests sent since the row was made [requests]';
comment on column ops.provider_limits.throttled is 'Those that the provider refused as too many [requests]';
comment on column ops.provider_limits.latency_ms is 'Typical time from a request to its answer [milliseconds]';
comment on column ops.provider_limits.updated_at is 'When the row was last written [UTC]';
