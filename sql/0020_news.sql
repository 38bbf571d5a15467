-- News: items as they were first seen, the assets that they name, and who else carried them.

create table sentiment.news (
    news_id text not null,
    title text not null,
    summary text not null,
    url text not null,
    publisher text not null,
    published_at timestamptz,
    first_seen_at timestamptz not null,
    title_key text not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (news_id),
    constraint news_id_is_sha256 check (news_id ~ '^[0-9a-f]{64}$' and title_key ~ '^[0-9a-f]{64}$'),
    constraint news_url_is_web check (url ~ '^https?://'),
    constraint news_title_told check (title <> ''),
    constraint news_known_after_seen check (known_at >= first_seen_at)
);

comment on table sentiment.news is
    'One item of news, stored when first seen. Only a new headline under the same URL changes it, and known_at then.';
comment on column sentiment.news.news_id is 'The item: SHA-256 of its canonical URL, in hex';
comment on column sentiment.news.title is 'Headline as plain text';
comment on column sentiment.news.summary is 'What the feed says of it besides, as plain text; empty where it says nothing';
comment on column sentiment.news.url is 'Canonical URL: lower-case host, no fragment, no tracking parameters, no slash at the end';
comment on column sentiment.news.publisher is 'Name of the feed in the universe; for CryptoPanic the domain that it names';
comment on column sentiment.news.published_at is 'When the publisher says that it came out; null where it says nothing believable [UTC]';
comment on column sentiment.news.first_seen_at is 'When we first saw it in any feed [UTC]';
comment on column sentiment.news.title_key is 'SHA-256 of the normalised title, in hex: equal for the same headline elsewhere';
comment on column sentiment.news.source is 'Where the row came from: provider and how it was asked';
comment on column sentiment.news.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column sentiment.news.ingested_at is 'When we stored the row as it stands [UTC]';
create index news_first_seen_at on sentiment.news (first_seen_at);
create index news_known_at on sentiment.news (known_at);
create index news_title_key on sentiment.news (title_key, first_seen_at);

do $$
begin
    perform audit.keep_revisions_of('sentiment.news');
end
$$;

create table sentiment.news_assets (
    news_id text not null,
    asset text not null,
    matched_text text not null,
    found_in text not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (news_id, asset),
    constraint news_assets_found_in_known check (found_in in ('title', 'summary', 'source'))
);

comment on table sentiment.news_assets is
    'One asset that an item of news names. An item without any is about the market as a whole.';
comment on column sentiment.news_assets.news_id is 'The item: SHA-256 of its canonical URL, in hex';
comment on column sentiment.news_assets.asset is 'Currency that it names, as in the universe''s dictionary: BTC';
comment on column sentiment.news_assets.matched_text is 'The words that name it, as they were written';
comment on column sentiment.news_assets.found_in is 'Where they stand: title, summary, or source where CryptoPanic itself says so';
comment on column sentiment.news_assets.source is 'Where the row came from: provider and how it was asked';
comment on column sentiment.news_assets.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column sentiment.news_assets.ingested_at is 'When we stored the row as it stands [UTC]';
create index news_assets_asset on sentiment.news_assets (asset, known_at);

do $$
begin
    perform audit.keep_revisions_of('sentiment.news_assets');
end
$$;

create table sentiment.news_sightings (
    news_id text not null,
    publisher text not null,
    url text not null,
    seen_at timestamptz not null,
    source text not null,
    known_at timestamptz not null,
    ingested_at timestamptz default now() not null,
    primary key (news_id, publisher),
    constraint news_sightings_url_is_web check (url ~ '^https?://')
);

comment on table sentiment.news_sightings is
    'One other publisher that carried a stored item within two days under the same headline or URL.';
comment on column sentiment.news_sightings.news_id is 'The item: SHA-256 of its canonical URL, in hex';
comment on column sentiment.news_sightings.publisher is 'Who else carried it: name of the feed, or the domain that CryptoPanic names';
comment on column sentiment.news_sightings.url is 'Canonical URL there';
comment on column sentiment.news_sightings.seen_at is 'When we first saw it there [UTC]';
comment on column sentiment.news_sightings.source is 'Where the row came from: provider and how it was asked';
comment on column sentiment.news_sightings.known_at is 'When a careful consumer could first have known the row [UTC]';
comment on column sentiment.news_sightings.ingested_at is 'When we stored the row as it stands [UTC]';
create index news_sightings_url on sentiment.news_sightings (url);

do $$
begin
    perform audit.keep_revisions_of('sentiment.news_sightings');
end
$$;
