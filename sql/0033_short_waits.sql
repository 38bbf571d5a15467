-- Whoever drops a table waits behind whoever reads it, as a backup reads everything for as long as it takes; and holds the lease
-- meanwhile, so that all others wait, too. It gives up instead, and is tried again.

alter function ops.drop_aside(regclass, timestamptz, integer) set lock_timeout = '250ms';
-- Its table is its own; only a backup can read what a kill has left of it.
alter function ops.begin_restore(regclass, timestamptz) set lock_timeout = '10s';

comment on function ops.drop_aside(regclass, timestamptz, integer) is
    'Drops the rows that stand aside of an entry whose file holds them; gives the bytes that they took, null where there are none. Fails after a quarter of a second where others read them.';
comment on function ops.begin_restore(regclass, timestamptz) is
    'An empty table for the rows of an archived span, in the place of one that was left behind; null where nothing is archived. Fails after ten seconds where others hold that one.';

-- An address that does not answer holds nothing up for the others.
comment on column ops.alerts.told_at is 'When the first address took it, or a reminder; null where people do not know of it, or all were told that it is over [UTC]';
comment on column ops.alert_messages.sent_at is 'When the first address took it [UTC]';
