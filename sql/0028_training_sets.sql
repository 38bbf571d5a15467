-- Frozen training sets: what each holds, where it lies, and which models were trained on it.

create table ops.training_sets (
    name text not null,
    created_at timestamptz not null,
    as_of timestamptz not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    timeframe text not null,
    markets jsonb not null,
    columns jsonb not null,
    row_count bigint not null,
    bytes bigint not null,
    row_hash text not null,
    feature_version text not null,
    place text not null,
    manifest_sha256 text not null,
    state text not null,
    verified_at timestamptz,
    primary key (name),
    constraint training_sets_name_is_plain check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    constraint training_sets_state_is_known check (state in ('created', 'verified', 'differs', 'damaged')),
    constraint training_sets_span check (starts_at < ends_at),
    constraint training_sets_hashes check (row_hash ~ '^[0-9a-f]{64}$' and manifest_sha256 ~ '^[0-9a-f]{64}$')
);

comment on table ops.training_sets is
    'Frozen training sets: which features and labels, as they stood at which moment, and where they lie.';
comment on column ops.training_sets.name is 'Name of the set, and of its folder';
comment on column ops.training_sets.created_at is 'When it was finished [UTC]';
comment on column ops.training_sets.as_of is 'Its rows are as they stood then [UTC]';
comment on column ops.training_sets.starts_at is 'Its bars open from here on [UTC]';
comment on column ops.training_sets.ends_at is 'Its bars open before [UTC]';
comment on column ops.training_sets.timeframe is 'Length of a bar: 1m 5m 15m 30m 1h 4h 1d';
comment on column ops.training_sets.markets is 'Rows of each market, as venue:symbol [rows]';
comment on column ops.training_sets.columns is 'Names of its columns, in their order';
comment on column ops.training_sets.row_count is 'Bars of all markets, a row each [rows]';
comment on column ops.training_sets.bytes is 'Size of its files [bytes]';
comment on column ops.training_sets.row_hash is 'SHA-256 over its rows in the order of their keys';
comment on column ops.training_sets.feature_version is 'Version of the features that it was made by';
comment on column ops.training_sets.place is 'Where it lies: a folder, or an address without credentials';
comment on column ops.training_sets.manifest_sha256 is 'SHA-256 of its manifest, which holds those of its files';
comment on column ops.training_sets.state is 'created, verified, differs or damaged: what the last look at it found';
comment on column ops.training_sets.verified_at is 'When it was last rebuilt and compared, or its files looked at [UTC]';

alter table models.registry add column training_set text;

comment on column models.registry.training_set is 'Frozen training set that it learned from; null where it read what was stored';

-- Whatever a deletion and a training do at once, no model names a set that is gone.
alter table models.registry
    add constraint registry_training_set_fkey foreign key (training_set) references ops.training_sets (name);
create index registry_training_set_idx on models.registry (training_set) where training_set is not null;
