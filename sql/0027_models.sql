-- Forecasts: every trained version with its figures, every change of champion, what was said, and what came of it.

create schema if not exists models;

comment on schema models is 'Forecasts: trained versions, predictions and their outcomes.';

-- As in the first migration: the reader reads everything, the writer changes rows.
do $$
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_reader') then
        grant usage on schema models to crypto_assets_reader;
        alter default privileges in schema models grant select on tables to crypto_assets_reader;
    end if;
    if exists (select from pg_catalog.pg_roles where rolname = 'crypto_assets_writer') then
        grant usage on schema models to crypto_assets_writer;
        alter default privileges in schema models grant select, insert, update, delete on tables to crypto_assets_writer;
    end if;
end
$$;

-- As in the second migration, for tables of this schema, too.
create or replace function ops.ensure_year_partition(parent regclass, at timestamptz) returns void
    language plpgsql
    -- The writer role may not create tables; through this function it may create just these.
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    year_start constant timestamptz := date_trunc('year', at);
    year_end constant timestamptz := year_start + interval '1 year';
    place name;
    part name;
begin
    select n.nspname, left(c.relname, 57) || '_' || to_char(year_start, 'FMYYYY')
      into place, part
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_partitioned_table p on p.partrelid = c.oid
      join pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
     where c.oid = parent
       and p.partstrat = 'r'
       and p.partnatts = 1
       and a.atttypid = 'timestamptz'::regtype
       and n.nspname in ('market', 'dex', 'macro', 'onchain', 'sentiment', 'features', 'models', 'quality');
    if place is null or year_start is null or not isfinite(year_start) then
        raise exception 'ops.ensure_year_partition: % at % names no table of ours that is partitioned by one timestamptz', parent, at
            using errcode = 'invalid_parameter_value';
    end if;
    if to_regclass(format('%I.%I', place, part)) is not null then
        return;
    end if;
    -- Two writers may come with the first row of the same year; the second waits here and then finds the table.
    perform pg_advisory_xact_lock(hashtextextended(format('%I.%I', place, part), 0));
    -- Asked of the catalog itself: what this session remembers of names may date from before the wait.
    if exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = place and c.relname = part) then
        return;
    end if;
    -- Attaching locks the parent against schema changes only; PARTITION OF would wait for every reader and writer.
    execute format('create table %I.%I (like %s including all)', place, part, parent);
    execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)', parent, place, part, year_start, year_end);
    -- Rows are written through the parent, whose triggers keep revisions; nobody writes past them.
    if exists (select from pg_roles where rolname = 'crypto_assets_writer') then
        execute format('revoke insert, update, delete on %I.%I from crypto_assets_writer', place, part);
    end if;
end
$$;


create table models.registry (
    model text not null,
    version integer not null,
    state text not null,
    learner text not null,
    artefact_sha256 text not null,
    artefact_bytes bigint not null,
    code_hash text not null,
    feature_version text not null,
    data_as_of timestamptz not null,
    trained_from timestamptz not null,
    trained_to timestamptz not null,
    training_rows bigint not null,
    series integer not null,
    parameters jsonb not null,
    metrics jsonb not null,
    best_baseline text not null,
    skill double precision not null,
    skill_low double precision not null,
    skill_high double precision not null,
    has_skill boolean not null,
    promoted_at timestamptz,
    promoted_by text,
    promoted_why text,
    retired_at timestamptz,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (model, version)
);

comment on table models.registry is
    'Every trained version of every forecast, with its figures against the best baseline and its state.';
comment on column models.registry.model is 'Forecast: family and horizon, as gas_4h';
comment on column models.registry.version is 'Counted from 1 within the forecast [number]';
comment on column models.registry.state is 'candidate, champion or retired';
comment on column models.registry.learner is 'Who learned it: lightgbm, lstm';
comment on column models.registry.artefact_sha256 is 'Hash of the artefact''s manifest, by which it is found and checked';
comment on column models.registry.artefact_bytes is 'Size of all its files [bytes]';
comment on column models.registry.code_hash is 'Hash of the code that read, learned and judged';
comment on column models.registry.feature_version is 'Version of the features it was trained on; of frames of its own, of their declaration';
comment on column models.registry.data_as_of is 'Nothing ingested later was read [UTC]';
comment on column models.registry.trained_from is 'First decision learned from [UTC]';
comment on column models.registry.trained_to is 'When the last truth learned from became known; decisions from then on are out of sample [UTC]';
comment on column models.registry.training_rows is 'Decisions learned from [rows]';
comment on column models.registry.series is 'Markets, pools or chains learned from [series]';
comment on column models.registry.parameters is 'What the learner was told';
comment on column models.registry.metrics is 'The report of validation: each fold, each series, every baseline, calibration';
comment on column models.registry.best_baseline is 'The baseline with the least error in validation';
comment on column models.registry.skill is '1 less mean absolute error over the best baseline''s, walked forward [fraction]';
comment on column models.registry.skill_low is 'Lower end of its 90 % block-bootstrap interval [fraction]';
comment on column models.registry.skill_high is 'Upper end of it [fraction]';
comment on column models.registry.has_skill is 'Whether the interval lies above zero and the skill reaches the bound of promotion';
comment on column models.registry.promoted_at is 'When it last became champion [UTC]';
comment on column models.registry.promoted_by is 'Who made it champion: rule, or the user of the CLI';
comment on column models.registry.promoted_why is 'Why';
comment on column models.registry.retired_at is 'When another took its place, or it was found to be worse [UTC]';
comment on column models.registry.source is 'Where the row came from: provider and how it was asked';
comment on column models.registry.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column models.registry.ingested_at is 'When we stored the row as it stands [UTC]';

alter table models.registry
    add constraint state_is_known check (state in ('candidate', 'champion', 'retired')),
    add constraint version_counts_from_one check (version >= 1),
    add constraint champion_says_who check (state <> 'champion' or (promoted_at is not null and promoted_by is not null and promoted_why is not null)),
    add constraint skill_within_its_interval check (skill_low <= skill and skill <= skill_high);
-- Whatever two promotions do at once, a forecast has one champion.
create unique index registry_one_champion on models.registry (model) where state = 'champion';

do $$
begin
    perform audit.keep_revisions_of('models.registry');
end
$$;

create table models.promotions (
    model text not null,
    promoted_at timestamptz not null,
    action text not null,
    version integer not null,
    former_version integer,
    promoted_by text not null,
    why text not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (model, promoted_at)
);

comment on table models.promotions is
    'Every change of champion: which version, who, when and why.';
comment on column models.promotions.model is 'Forecast, as gas_4h';
comment on column models.promotions.promoted_at is 'When the champion changed [UTC]';
comment on column models.promotions.action is 'promoted or rolled_back';
comment on column models.promotions.version is 'The champion from then on [number]';
comment on column models.promotions.former_version is 'The champion until then [number]';
comment on column models.promotions.promoted_by is 'Who changed it: rule, or the user of the CLI';
comment on column models.promotions.why is 'Why';
comment on column models.promotions.source is 'Where the row came from: provider and how it was asked';
comment on column models.promotions.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column models.promotions.ingested_at is 'When we stored the row as it stands [UTC]';

alter table models.promotions add constraint action_is_known check (action in ('promoted', 'rolled_back'));

do $$
begin
    perform audit.keep_revisions_of('models.promotions');
end
$$;

create table models.predictions (
    model text not null,
    domain text not null,
    series text not null,
    decided_at timestamptz not null,
    version integer not null,
    horizon_end_at timestamptz not null,
    level_now double precision not null,
    yhat double precision not null,
    q10 double precision not null,
    q90 double precision not null,
    baseline double precision not null,
    baseline_name text not null,
    is_out_of_sample boolean not null,
    latency_ms double precision,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (model, domain, series, decided_at)
) partition by range (decided_at);

comment on table models.predictions is
    'What the champion of each forecast said at each decision, beside the best baseline.';
comment on column models.predictions.model is 'Forecast, as gas_4h';
comment on column models.predictions.domain is 'Exchange by its ccxt id, or chain by its name';
comment on column models.predictions.series is 'Unified symbol, address of a pool, or the name of a chain''s one series';
comment on column models.predictions.decided_at is 'The decision: nothing known later was looked at [UTC]';
comment on column models.predictions.version is 'Which version of the forecast said so [number]';
comment on column models.predictions.horizon_end_at is 'The moment that is spoken of [UTC]';
comment on column models.predictions.level_now is 'The quantity as it was known at the decision [unit of the quantity]';
comment on column models.predictions.yhat is 'The middle of what is expected [log change]';
comment on column models.predictions.q10 is 'One in ten truths should lie below [log change]';
comment on column models.predictions.q90 is 'One in ten truths should lie above [log change]';
comment on column models.predictions.baseline is 'What the best baseline of validation said [log change]';
comment on column models.predictions.baseline_name is 'Which baseline';
comment on column models.predictions.is_out_of_sample is 'Whether every truth that the version learned from was known by the decision';
comment on column models.predictions.latency_ms is 'From the start of reading inputs to the forecast [milliseconds]';
comment on column models.predictions.source is 'Where the row came from: provider and how it was asked';
comment on column models.predictions.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column models.predictions.ingested_at is 'When we stored the row as it stands [UTC]';

alter table models.predictions
    add constraint quantiles_in_order check (q10 <= yhat and yhat <= q90),
    add constraint horizon_after_decision check (horizon_end_at > decided_at),
    add constraint known_after_decision check (known_at >= decided_at);

do $$
begin
    perform audit.keep_revisions_of('models.predictions');
end
$$;

create table models.outcomes (
    model text not null,
    domain text not null,
    series text not null,
    decided_at timestamptz not null,
    version integer not null,
    horizon_end_at timestamptz not null,
    truth double precision not null,
    error double precision not null,
    baseline_error double precision not null,
    is_inside boolean not null,
    is_direction_right boolean,
    is_out_of_sample boolean not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (model, domain, series, decided_at)
) partition by range (decided_at);

comment on table models.outcomes is
    'The truth about each prediction, with the errors of forecast and baseline beside each other.';
comment on column models.outcomes.model is 'Forecast, as gas_4h';
comment on column models.outcomes.domain is 'Exchange by its ccxt id, or chain by its name';
comment on column models.outcomes.series is 'Unified symbol, address of a pool, or the name of a chain''s one series';
comment on column models.outcomes.decided_at is 'The decision of the prediction [UTC]';
comment on column models.outcomes.version is 'Which version of the forecast was judged [number]';
comment on column models.outcomes.horizon_end_at is 'The moment that was spoken of [UTC]';
comment on column models.outcomes.truth is 'What came [log change]';
comment on column models.outcomes.error is 'Distance of the forecast''s middle from the truth [log change]';
comment on column models.outcomes.baseline_error is 'Distance of the baseline from the truth [log change]';
comment on column models.outcomes.is_inside is 'Whether the truth lay from q10 to q90';
comment on column models.outcomes.is_direction_right is 'Whether up or down was right; null where nothing changed or none was said';
comment on column models.outcomes.is_out_of_sample is 'As the prediction says';
comment on column models.outcomes.source is 'Where the row came from: provider and how it was asked';
comment on column models.outcomes.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column models.outcomes.ingested_at is 'When we stored the row as it stands [UTC]';

alter table models.outcomes
    add constraint errors_not_negative check (error >= 0 and baseline_error >= 0),
    add constraint known_after_horizon check (known_at >= horizon_end_at);

do $$
begin
    perform audit.keep_revisions_of('models.outcomes');
end
$$;
