-- Schedules: when tasks are started by the clock.

-- Up to through_us every instant has been decided; next_us is the first after it, null while it is paused.
-- jumped_us is what the host's clock showed when it was stepped on, until the instants in between are decided.
create table schedules (
    task_id     text primary key references tasks (id) on delete cascade,
    cron        text not null,
    timezone    text not null,
    overlap     text not null check (overlap in ('skip', 'queue', 'replace', 'allow')),
    catch_up    text not null check (catch_up in ('none', 'last')),
    paused      integer not null default 0 check (paused in (0, 1)),
    through_us  integer not null,
    next_us     integer,
    jumped_us   integer
) strict;

-- What has become of an instant. There is one row for each, ever: it is written with the run that it starts.
-- Only very old ones are forgotten.
create table schedule_instants (
    task_id     text not null references tasks (id) on delete cascade,
    at_us       integer not null,
    outcome     text not null check (outcome in ('started', 'waiting', 'skipped', 'refused')),
    run_id      text,
    message     text,
    primary key (task_id, at_us),
    check ((outcome = 'started') = (run_id is not null))
) strict, without rowid;
create index schedule_instants_waiting on schedule_instants (task_id, at_us) where outcome = 'waiting';

alter table runs add column scheduled_us integer;
create index runs_scheduled on runs (task) where trigger = 'schedule' and phase <> 'finished';
