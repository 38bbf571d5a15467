-- What became of each backup, for status, alerts and the dashboard. Which backups there are, their place knows.

create table ops.backups (
    started_at timestamptz not null,
    finished_at timestamptz not null,
    state text not null,
    name text not null,
    place text not null,
    bytes bigint not null,
    table_count integer not null,
    row_count bigint not null,
    seconds double precision not null,
    error text not null,
    primary key (started_at)
);
comment on table ops.backups is 'Every backup that was tried, and what became of it. One of a database works at a time.';
comment on column ops.backups.started_at is 'When it was begun [UTC]';
comment on column ops.backups.finished_at is 'When it was verified, or given up [UTC]';
comment on column ops.backups.state is 'succeeded or failed';
comment on column ops.backups.name is 'By which it is verified and restored; empty where it failed';
comment on column ops.backups.place is 'Folder or address it went to, without credentials';
comment on column ops.backups.bytes is 'Size of all its files [bytes]';
comment on column ops.backups.table_count is 'Tables in it, each partition one [tables]';
comment on column ops.backups.row_count is 'Rows in it [rows]';
comment on column ops.backups.seconds is 'How long it took, with verifying and deleting older ones [seconds]';
comment on column ops.backups.error is 'What went wrong; empty where nothing did';

alter table ops.backups
    add constraint state_is_known check (state in ('succeeded', 'failed')),
    add constraint success_has_a_name check ((state = 'succeeded') = (name <> '')),
    add constraint finished_after_start check (finished_at >= started_at);
