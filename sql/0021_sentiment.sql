-- Moods: what scorers make of headlines, by headline and by hour, and the Fear & Greed index.

create table sentiment.scores (
    news_id text not null,
    asset text not null,
    model_id text not null,
    model_version text not null,
    label text not null,
    score double precision not null,
    p_negative double precision not null,
    p_neutral double precision not null,
    p_positive double precision not null,
    title_key text not null,
    news_known_at timestamptz not null,
    scored_at timestamptz not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (news_id, asset, model_id, model_version),
    constraint scores_label_known check (label in ('negative', 'neutral', 'positive')),
    constraint scores_score_in_range check (score between -1 and 1),
    constraint scores_known_when_scored check (known_at >= scored_at and known_at >= news_known_at)
);

comment on table sentiment.scores is
    'What one scorer makes of one headline, for each asset that it names. Another version adds rows and changes none.';
comment on column sentiment.scores.news_id is 'The item of sentiment.news whose headline was scored';
comment on column sentiment.scores.asset is 'Currency that the item names, as BTC; empty for one that is about the market as a whole';
comment on column sentiment.scores.model_id is 'Name of the scorer in the universe';
comment on column sentiment.scores.model_version is 'What changes whenever the scorer could score any headline differently';
comment on column sentiment.scores.label is 'negative, neutral or positive';
comment on column sentiment.scores.score is '-1 is the worst, 1 the best [-1..1]';
comment on column sentiment.scores.p_negative is 'Of a transformer its probability; of a lexicon the share of words that are negative [0..1]';
comment on column sentiment.scores.p_neutral is 'The same for neutral; the three add up to 1 [0..1]';
comment on column sentiment.scores.p_positive is 'The same for positive [0..1]';
comment on column sentiment.scores.title_key is 'SHA-256 of the normalised headline that was scored, as in sentiment.news';
comment on column sentiment.scores.news_known_at is 'When the item could first have been known for this asset [UTC]';
comment on column sentiment.scores.scored_at is 'When we scored it [UTC]';
comment on column sentiment.scores.source is 'Where the row came from: provider and how it was asked';
comment on column sentiment.scores.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column sentiment.scores.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('sentiment.scores');
end
$$;

-- Features read one scorer in the order of known_at; checks and runs look at a span of headlines.
create index scores_model_known_idx on sentiment.scores (model_id, known_at);
create index scores_news_known_idx on sentiment.scores (news_known_at);

create view sentiment.hourly as
select date_trunc('hour', known_at, 'UTC') as hour_at,
       asset,
       model_id,
       model_version,
       count(*) as headlines,
       avg(score) as mean_score,
       stddev_samp(score) as score_stddev,
       avg((label = 'positive')::int)::double precision as share_positive,
       avg((label = 'negative')::int)::double precision as share_negative
  from sentiment.scores
 group by 1, 2, 3, 4;

comment on view sentiment.hourly is
    'Scores by the hour in which they became known, which is complete only when the hour is over, asset, scorer and version.';
comment on column sentiment.hourly.hour_at is 'Start of the hour of known_at [UTC]';
comment on column sentiment.hourly.asset is 'Currency; empty for the market as a whole';
comment on column sentiment.hourly.model_id is 'Name of the scorer in the universe';
comment on column sentiment.hourly.model_version is 'Version of the scorer';
comment on column sentiment.hourly.headlines is 'Scores that became known in the hour [headlines]';
comment on column sentiment.hourly.mean_score is 'Mean of their scores [-1..1]';
comment on column sentiment.hourly.score_stddev is 'Standard deviation of their scores, of a sample; null for a single one [-1..1]';
comment on column sentiment.hourly.share_positive is 'Share of them that are labelled positive [0..1]';
comment on column sentiment.hourly.share_negative is 'Share of them that are labelled negative [0..1]';

create table sentiment.fear_greed (
    observed_on date not null,
    value integer not null,
    classification text not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (observed_on),
    constraint fear_greed_value_in_range check (value between 0 and 100)
);

comment on table sentiment.fear_greed is
    'The Crypto Fear & Greed index of alternative.me on one day.';
comment on column sentiment.fear_greed.observed_on is 'The day at whose first midnight it was published; it tells of the days before [UTC]';
comment on column sentiment.fear_greed.value is '0 is extreme fear, 100 extreme greed [index points]';
comment on column sentiment.fear_greed.classification is 'alternative.me''s words for the value, as Extreme Fear';
comment on column sentiment.fear_greed.source is 'Where the row came from: provider and how it was asked';
comment on column sentiment.fear_greed.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column sentiment.fear_greed.ingested_at is 'When we stored the row as it stands [UTC]';

do $$
begin
    perform audit.keep_revisions_of('sentiment.fear_greed');
end
$$;
