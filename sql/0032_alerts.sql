-- Who stored a row, from schedule to row; and what people were told of, so that all processes share one memory of it.

create table ops.writes (
    write_id bigint generated always as identity,
    table_name text not null,
    rows_ingested_at timestamptz not null,
    transaction_id bigint default (pg_current_xact_id()::text::bigint) not null,
    rows_inserted bigint not null,
    rows_changed bigint not null,
    rows_deleted bigint not null,
    run_id text default coalesce(current_setting('crypto_assets.run_id', true), '') not null,
    triggered_by text default coalesce(current_setting('crypto_assets.triggered_by', true), '') not null,
    request text default coalesce(current_setting('crypto_assets.request', true), '') not null,
    written_at timestamptz default clock_timestamp() not null,
    primary key (table_name, rows_ingested_at, write_id),
    constraint writes_possible check (rows_inserted >= 0 and rows_changed >= 0 and rows_deleted >= 0)
);

-- A run's writes are looked for by the first signs of its id, as the web UI shows them.
create index writes_run_idx on ops.writes (run_id text_pattern_ops) where run_id <> '';
-- Rows come in the order of time, so a map of page ranges finds the old ones, which go.
create index writes_written_at_idx on ops.writes using brin (written_at) with (pages_per_range = 16);

comment on table ops.writes is
    'Which run wrote what: a row is stored by the very transaction, or savepoint, that stores the rows it speaks of, so both have the same xmin.';
comment on column ops.writes.write_id is 'Sequence number, given by the database';
comment on column ops.writes.table_name is 'Schema and table of the rows';
comment on column ops.writes.rows_ingested_at is 'ingested_at of the rows, which leads to this one where xmin cannot, as after a restore [UTC]';
comment on column ops.writes.transaction_id is 'Transaction that wrote; audit.revisions has it too';
comment on column ops.writes.rows_inserted is 'Rows whose key was not there [rows]';
comment on column ops.writes.rows_changed is 'Rows that were there with other values [rows]';
comment on column ops.writes.rows_deleted is 'Rows removed to make place [rows]';
comment on column ops.writes.run_id is 'Dagster run, or the id of a command''s own; empty where nobody said';
comment on column ops.writes.triggered_by is 'What asked for the run: schedule, sensor, backfill, command line, with its name';
comment on column ops.writes.request is 'Run key, partition or tick of what asked';
comment on column ops.writes.written_at is 'When it was written, by the clock [UTC]';

create table ops.alerts (
    kind text not null,
    subject text not null,
    state text not null,
    severity text not null,
    title text not null,
    body text not null,
    link text not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    over_at timestamptz,
    told_at timestamptz,
    claimed_at timestamptz,
    taken_by text[] default '{}' not null,
    rounds bigint not null,
    times_told integer default 0 not null,
    failed_deliveries integer default 0 not null,
    primary key (kind, subject),
    constraint alerts_state_known check (state in ('open', 'over')),
    constraint alerts_severity_known check (severity in ('critical', 'warning', 'notice')),
    constraint alerts_order check (first_at <= last_at)
);

comment on table ops.alerts is 'What people are to be told of, and have been: one row a kind and subject, kept when it is over.';
comment on column ops.alerts.kind is 'What is wrong, as failed_run';
comment on column ops.alerts.subject is 'With what: an asset, a partition, a market';
comment on column ops.alerts.state is 'open while it lasts, then over';
comment on column ops.alerts.severity is 'critical, warning or notice';
comment on column ops.alerts.title is 'The alert in a line';
comment on column ops.alerts.body is 'What happened, what it means and the way out';
comment on column ops.alerts.link is 'Page of the web UI that shows it';
comment on column ops.alerts.first_at is 'Since when it lasts, or lasted [UTC]';
comment on column ops.alerts.last_at is 'When it was last seen [UTC]';
comment on column ops.alerts.over_at is 'When it was found over; null while it lasts [UTC]';
comment on column ops.alerts.told_at is 'When it was last told to every address; null where people do not know of it, or were told that it is over [UTC]';
comment on column ops.alerts.claimed_at is 'Since when a process is about to tell it; null otherwise [UTC]';
comment on column ops.alerts.taken_by is 'Addresses that took the present message already, by place and scheme, while others failed';
comment on column ops.alerts.rounds is 'Looks that saw it since it began [looks]';
comment on column ops.alerts.times_told is 'Messages that spoke of it [messages]';
comment on column ops.alerts.failed_deliveries is 'Attempts that an address failed [attempts]';

create table ops.alert_messages (
    message_id bigint generated always as identity,
    sent_at timestamptz not null,
    alerts integer not null,
    title text not null,
    primary key (message_id)
);
comment on table ops.alert_messages is 'Messages that went out, by which so many an hour are held; kept for a month.';
comment on column ops.alert_messages.message_id is 'Sequence number, given by the database';
comment on column ops.alert_messages.sent_at is 'When the last address took it [UTC]';
comment on column ops.alert_messages.alerts is 'Alerts that it speaks of [alerts]';
comment on column ops.alert_messages.title is 'Its first line';

create table ops.alert_silences (
    kind text not null,
    subject text not null,
    until timestamptz not null,
    silenced_by text not null,
    primary key (kind, subject)
);
comment on table ops.alert_silences is 'What nobody wants to be told of for a while.';
comment on column ops.alert_silences.kind is 'Kind of alert';
comment on column ops.alert_silences.subject is 'Its subject; empty for every one of the kind';
comment on column ops.alert_silences.until is 'From then on it is told again [UTC]';
comment on column ops.alert_silences.silenced_by is 'Who asked for it';

-- What was scored and noticed last is asked for every minute.
create index scores_scored_at_idx on quality.scores using brin (scored_at) with (pages_per_range = 16);
create index coverage_first_seen_idx on quality.coverage using brin (first_seen) with (pages_per_range = 16);
