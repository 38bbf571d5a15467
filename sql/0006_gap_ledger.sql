-- The gap ledger keeps its own history, and scores carry the weights they were made with and how far behind a series was.

alter table quality.coverage add column ingested_at timestamptz default clock_timestamp() not null;
comment on column quality.coverage.ingested_at is 'When we stored the row as it stands [UTC]';
comment on column quality.coverage.resolved_at is 'When its bars came; null while they are absent [UTC]';
comment on column quality.coverage.evidence is 'Why the state holds: what was asked and when, what came back, how many times, who traded meanwhile';

-- Open gaps are few among the repaired ones, and every run looks for those of its venue.
create index coverage_open_idx on quality.coverage (dataset, venue, timeframe, symbol, gap_end) where state <> 'repaired';

-- Gaps merge and split: the rows they were before stay readable as of any time.
do $$
begin
    perform audit.keep_revisions_of('quality.coverage');
end
$$;

create function quality.overall_score(checks jsonb, weights jsonb) returns double precision
    language sql immutable parallel safe strict
    set search_path = pg_catalog, pg_temp
as $$
    select sum((weight.value)::double precision * quality.share_sound(checks, weight.key))
           / nullif(sum((weight.value)::double precision), 0)
      from jsonb_each_text(weights) as weight
     where quality.share_sound(checks, weight.key) is not null
$$;
comment on function quality.overall_score(jsonb, jsonb) is
    'Mean of the dimensions that were measured, weighted as given, 0..1; null where none was.';

alter table quality.scores drop column overall;
drop function quality.overall_score(jsonb);
alter table quality.scores
    add column weights jsonb not null default '{"accuracy": 0.4, "completeness": 0.4, "timeliness": 0.2}',
    add column lag_seconds double precision;
-- The default is what the rows before this migration were made with; writers say it.
alter table quality.scores alter column weights drop default;
alter table quality.scores
    add column overall double precision generated always as (quality.overall_score(checks, weights)) stored;
alter table quality.scores add constraint scores_within_0_and_1 check (
    coalesce(accuracy, 0) between 0 and 1 and coalesce(completeness, 0) between 0 and 1
    and coalesce(timeliness, 0) between 0 and 1 and coalesce(overall, 0) between 0 and 1
);
comment on column quality.scores.weights is 'Weight of each dimension in the overall score, as the universe had them';
comment on column quality.scores.lag_seconds is 'Age of the newest row when it was checked [seconds]';
comment on column quality.scores.overall is 'Weighted mean of the dimensions that were measured [0..1]';
