-- What every dataset writes beside its own table: progress, the universe in force, scores, refused rows, gaps.

create table ops.collected_ranges (
    dataset text not null,
    venue text not null,
    symbol text not null,
    timeframe text not null,
    collected tstzmultirange not null,
    updated_at timestamptz default now() not null,
    primary key (dataset, venue, symbol, timeframe)
);
comment on table ops.collected_ranges is
    'How far each series has been collected. Written in the transaction that writes the rows, never before it.';
comment on column ops.collected_ranges.dataset is 'Asset key of the dataset, as market/ohlcv';
comment on column ops.collected_ranges.venue is 'Exchange, by its ccxt id';
comment on column ops.collected_ranges.symbol is 'Market, by its unified ccxt symbol';
comment on column ops.collected_ranges.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column ops.collected_ranges.collected is 'Spans of opening times asked for and answered; grows with each commit [UTC]';
comment on column ops.collected_ranges.updated_at is 'When the spans last grew [UTC]';

create table ops.universe_versions (
    content_hash text not null,
    content text not null,
    first_used_at timestamptz default now() not null,
    last_used_at timestamptz default now() not null,
    primary key (content_hash)
);
comment on table ops.universe_versions is
    'Every valid universe.yaml a run has used; the newest stays in force while the file is invalid.';
comment on column ops.universe_versions.content_hash is 'SHA-256 of the file''s bytes';
comment on column ops.universe_versions.content is 'The file as it was read';
comment on column ops.universe_versions.first_used_at is 'When a run first used this version [UTC]';
comment on column ops.universe_versions.last_used_at is 'When a run last used this version [UTC]';

create table quality.quarantine (
    quarantine_id bigint generated always as identity,
    dataset text not null,
    venue text not null,
    symbol text not null,
    timeframe text not null,
    reason text not null,
    payload jsonb not null,
    payload_hash text not null,
    occurrences integer default 1 not null,
    first_seen_at timestamptz default now() not null,
    last_seen_at timestamptz default now() not null,
    primary key (quarantine_id),
    constraint quarantine_same_row_once unique (dataset, venue, symbol, timeframe, payload_hash),
    constraint quarantine_occurrences_positive check (occurrences > 0)
);
comment on table quality.quarantine is 'Rows that failed validation, with what came and why it was refused.';
comment on column quality.quarantine.quarantine_id is 'Sequence number, given by the database';
comment on column quality.quarantine.dataset is 'Asset key of the dataset, as market/ohlcv';
comment on column quality.quarantine.venue is 'Exchange, by its ccxt id';
comment on column quality.quarantine.symbol is 'Market, by its unified ccxt symbol';
comment on column quality.quarantine.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column quality.quarantine.reason is 'Which rule the row broke';
comment on column quality.quarantine.payload is 'The row or body as the provider sent it';
comment on column quality.quarantine.payload_hash is 'SHA-256 of reason and payload, so that the same row is kept once';
comment on column quality.quarantine.occurrences is 'How many times it was received [times]';
comment on column quality.quarantine.first_seen_at is 'When it was first received [UTC]';
comment on column quality.quarantine.last_seen_at is 'When it was last received [UTC]';

-- The score of one dimension: the worst share of sound rows over its checks; null where nothing was checked.
create function quality.share_sound(checks jsonb, wanted text) returns double precision
    language sql immutable parallel safe strict
    set search_path = pg_catalog, pg_temp
as $$
    select min(1 - (entry.value ->> 'failed')::double precision / (entry.value ->> 'checked')::double precision)
      from jsonb_each(checks) as entry
     where entry.value ->> 'dimension' = wanted and (entry.value ->> 'checked')::double precision > 0
$$;
comment on function quality.share_sound(jsonb, text) is 'Worst share of sound rows over the checks of one dimension, 0..1.';

-- Rows in the wrong place (accuracy) and rows not there (completeness) spoil work on the data alike; late ones less.
create function quality.overall_score(checks jsonb) returns double precision
    language sql immutable parallel safe strict
    set search_path = pg_catalog, pg_temp
as $$
    select sum(measured.weight * measured.score) / sum(measured.weight)
      from (values (0.4::double precision, quality.share_sound(checks, 'accuracy')),
                   (0.4::double precision, quality.share_sound(checks, 'completeness')),
                   (0.2::double precision, quality.share_sound(checks, 'timeliness'))) as measured(weight, score)
     where measured.score is not null
$$;
comment on function quality.overall_score(jsonb) is '0.4 accuracy + 0.4 completeness + 0.2 timeliness, of those measured, 0..1.';

create table quality.scores (
    dataset text not null,
    venue text not null,
    symbol text not null,
    timeframe text not null,
    run_id text not null,
    scored_at timestamptz default now() not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    checks jsonb not null,
    accuracy double precision generated always as (quality.share_sound(checks, 'accuracy')) stored,
    completeness double precision generated always as (quality.share_sound(checks, 'completeness')) stored,
    timeliness double precision generated always as (quality.share_sound(checks, 'timeliness')) stored,
    overall double precision generated always as (quality.overall_score(checks)) stored,
    primary key (dataset, venue, symbol, timeframe, run_id),
    constraint scores_within_0_and_1 check (
        coalesce(accuracy, 0) between 0 and 1 and coalesce(completeness, 0) between 0 and 1
        and coalesce(timeliness, 0) between 0 and 1 and coalesce(overall, 0) between 0 and 1
    ),
    constraint scores_window_not_reversed check (window_start <= window_end)
);
-- The newest score of each series.
create index scores_series_scored_at_idx on quality.scores (dataset, venue, symbol, timeframe, scored_at desc);
comment on table quality.scores is 'How good each series was found to be, one row a run and series.';
comment on column quality.scores.dataset is 'Asset key of the dataset, as market/ohlcv';
comment on column quality.scores.venue is 'Exchange, by its ccxt id';
comment on column quality.scores.symbol is 'Market, by its unified ccxt symbol';
comment on column quality.scores.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column quality.scores.run_id is 'Dagster run that checked';
comment on column quality.scores.scored_at is 'When the run last added a check [UTC]';
comment on column quality.scores.window_start is 'Start of the opening times that were checked [UTC]';
comment on column quality.scores.window_end is 'End of the opening times that were checked, exclusive [UTC]';
comment on column quality.scores.checks is 'Per check: dimension, rows checked, rows failed';
comment on column quality.scores.accuracy is 'Worst share of sound rows over the accuracy checks [0..1]';
comment on column quality.scores.completeness is 'Worst share of present rows over the completeness checks [0..1]';
comment on column quality.scores.timeliness is 'Worst share over the timeliness checks [0..1]';
comment on column quality.scores.overall is '0.4 accuracy + 0.4 completeness + 0.2 timeliness, of those measured [0..1]';

create table quality.coverage (
    dataset text not null,
    venue text not null,
    symbol text not null,
    timeframe text not null,
    gap_start timestamptz not null,
    gap_end timestamptz not null,
    state text not null,
    evidence jsonb not null,
    first_seen timestamptz default now() not null,
    resolved_at timestamptz,
    primary key (dataset, venue, symbol, timeframe, gap_start, gap_end),
    constraint coverage_state_known check (
        state in ('missing', 'venue_quiet', 'venue_outage', 'not_listed', 'repaired', 'unrecoverable')
    ),
    constraint coverage_gap_not_empty check (gap_start < gap_end)
);
comment on table quality.coverage is 'The gap ledger: why a bar is not there.';
comment on column quality.coverage.dataset is 'Asset key of the dataset, as market/ohlcv';
comment on column quality.coverage.venue is 'Exchange, by its ccxt id';
comment on column quality.coverage.symbol is 'Market, by its unified ccxt symbol';
comment on column quality.coverage.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column quality.coverage.gap_start is 'Opening time of the first absent bar [UTC]';
comment on column quality.coverage.gap_end is 'End of the last absent bar, exclusive [UTC]';
comment on column quality.coverage.state is 'missing, venue_quiet, venue_outage, not_listed, repaired or unrecoverable';
comment on column quality.coverage.evidence is 'What was asked and when, what came back, how many times';
comment on column quality.coverage.first_seen is 'When the gap was first noticed [UTC]';
comment on column quality.coverage.resolved_at is 'When the gap closed [UTC]';
