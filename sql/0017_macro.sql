-- Macroeconomic series: what each period's value was said to be, vintage by vintage, and how far each series was collected.

create table macro.observations (
    series_id text not null,
    period_on date not null,
    realtime_start date not null,
    realtime_end date,
    value double precision,
    unit text not null,
    frequency text not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (series_id, period_on, realtime_start)
);

comment on table macro.observations is
    'What an economic series'' value was said to be, period by period and vintage by vintage.';
comment on column macro.observations.series_id is 'FRED''s name of the series, as UNRATE; PAXGUSD for gold';
comment on column macro.observations.period_on is 'First day of the period that the value is of';
comment on column macro.observations.realtime_start is 'Vintage: the day on which the value was first there';
comment on column macro.observations.realtime_end is 'The last day on which it held, before its revision; null while in force';
comment on column macro.observations.value is 'The value; null where the provider says that there is none [as in unit]';
comment on column macro.observations.unit is 'What the value counts, in the provider''s words';
comment on column macro.observations.frequency is 'Length of the series'' periods: daily weekly monthly quarterly annual';
comment on column macro.observations.source is 'Where the row came from: provider and how it was asked';
comment on column macro.observations.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column macro.observations.ingested_at is 'When we stored the row as it stands [UTC]';

alter table macro.observations
    add constraint realtime_end_not_before_start check (realtime_end >= realtime_start),
    add constraint value_is_finite check (value > '-infinity' and value < 'infinity');
create index observations_known_at on macro.observations (series_id, known_at);

do $$
begin
    perform audit.keep_revisions_of('macro.observations');
end
$$;

create table macro.series (
    series_id text not null,
    title text not null,
    unit text not null,
    frequency text not null,
    seasonal_adjustment text not null,
    release_id text not null,
    release_name text not null,
    followed_from date not null,
    last_updated_at timestamptz not null,
    due_at timestamptz,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (series_id)
);

comment on table macro.series is
    'One series of FRED as FRED describes it, and how new what we have of it is.';
comment on column macro.series.series_id is 'FRED''s name of the series, as UNRATE';
comment on column macro.series.title is 'What it is, in FRED''s words';
comment on column macro.series.unit is 'What its values count, in FRED''s words';
comment on column macro.series.frequency is 'Length of its periods: daily weekly monthly quarterly annual';
comment on column macro.series.seasonal_adjustment is 'How seasons were taken out, in FRED''s words';
comment on column macro.series.release_id is 'FRED''s number of the release that it is published with';
comment on column macro.series.release_name is 'Name of that release';
comment on column macro.series.followed_from is 'Periods from this day on are followed: all of their vintages are here';
comment on column macro.series.last_updated_at is 'When FRED had last had something new of it, as far as that was collected [UTC]';
comment on column macro.series.due_at is 'When a vintage becomes known that was there already; null where none waits [UTC]';
comment on column macro.series.source is 'Where the row came from: provider and how it was asked';
comment on column macro.series.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column macro.series.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('macro.series');
end
$$;
