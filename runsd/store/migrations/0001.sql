-- The state of all runs. Instants are microseconds since the epoch, UTC.

create table meta (
    key   text primary key,
    value text not null
) strict;

create table runs (
    id               text primary key,
    project          text not null,
    name             text,
    labels           text not null default '{}',
    spec             text not null,
    -- what admission needs, taken from the spec
    cpu_milli        integer not null check (cpu_milli > 0),
    memory_bytes     integer not null check (memory_bytes > 0),
    gpus             integer not null check (gpus >= 0),
    priority         integer not null,
    timeout_s        integer not null check (timeout_s > 0),
    grace_s          real not null check (grace_s >= 0),
    -- where it is: see NEXT in run.py; "stopping" is a live phase with stop_us set
    status           text not null
        check (status in ('pending', 'running', 'succeeded', 'failed', 'cancelled', 'timeout')),
    phase            text not null
        check (phase in ('queued', 'pulling', 'preparing', 'starting', 'running', 'finished')),
    attempt          integer not null default 0,
    -- what was asked of it
    cancel_us        integer,
    stop_us          integer,
    stop_reason      text check (stop_reason in ('cancelled', 'deadline_exceeded')),
    -- when
    created_us       integer not null,
    not_before_us    integer not null,
    expires_us       integer,
    admitted_us      integer,
    started_us       integer,
    deadline_us      integer,
    finished_us      integer,
    -- the outcome
    reason           text,
    message          text,
    exit_code        integer,
    oom_killed       integer not null default 0 check (oom_killed in (0, 1)),
    image_id         text,
    image_digest     text,
    usage            text not null default '{}',
    stdout_bytes     integer not null default 0,
    stderr_bytes     integer not null default 0,
    logs_truncated   integer not null default 0 check (logs_truncated in (0, 1)),
    -- where it came from
    trigger          text not null,
    rerun_of         text,
    task             text,
    hostname         text not null,
    check ((status in ('pending', 'running')) = (phase <> 'finished')),
    check ((phase = 'finished') = (finished_us is not null)),
    check ((phase = 'finished') = (reason is not null)),
    check (status <> 'running' or started_us is not null),
    check ((stop_us is null) = (stop_reason is null)),
    check (status <> 'succeeded' or exit_code = 0)
) strict;

create index runs_queue on runs (priority desc, id) where phase = 'queued';
create index runs_backing_off on runs (not_before_us) where phase = 'queued';
create index runs_expiring on runs (expires_us) where phase = 'queued' and expires_us is not null;
create index runs_live on runs (id) where phase not in ('queued', 'finished');
create index runs_by_project on runs (project, id);
create index runs_by_status on runs (project, status, id);
create index runs_by_name on runs (project, name, id) where name is not null;

create table run_labels (
    run_id  text not null references runs (id) on delete cascade,
    key     text not null,
    value   text not null,
    primary key (key, value, run_id)
) strict, without rowid;
create index run_labels_by_run on run_labels (run_id);

create table run_volumes (
    run_id    text not null references runs (id) on delete cascade,
    volume_id text not null,
    primary key (volume_id, run_id)
) strict, without rowid;
create index run_volumes_by_run on run_volumes (run_id);

-- One row per attempt. container_id is committed before the container is started, so an attempt without one
-- was never started, and an attempt with one must never be given a second.
create table attempts (
    run_id        text not null references runs (id) on delete cascade,
    number        integer not null check (number > 0),
    container_id  text,
    created_us    integer not null,
    started_us    integer,
    finished_us   integer,
    ended_us      integer,
    reason        text,
    message       text,
    exit_code     integer,
    oom_killed    integer not null default 0 check (oom_killed in (0, 1)),
    nano_vcpu_s   integer not null default 0 check (nano_vcpu_s >= 0),
    primary key (run_id, number)
) strict, without rowid;

-- The bill. It has no reference to runs: what was used stays on the bill when a run is deleted.
create table usage_lines (
    run_id       text not null,
    attempt      integer not null,
    day          text not null,
    project      text not null,
    task         text,
    labels       text not null,
    nano_vcpu_s  integer not null check (nano_vcpu_s >= 0),
    primary key (project, day, run_id, attempt)
) strict, without rowid;

create table events (
    id       integer primary key autoincrement,
    run_id   text not null,
    project  text not null,
    at_us    integer not null,
    type     text not null,
    data     text not null
) strict;
create index events_by_run on events (run_id, id);

create table idempotency_keys (
    project     text not null,
    key         text not null,
    fingerprint text not null,
    run_ids     text not null,
    created_us  integer not null,
    primary key (project, key)
) strict, without rowid;
create index idempotency_keys_by_age on idempotency_keys (created_us);

create table volumes (
    id           text primary key,
    project      text not null,
    name         text not null,
    labels       text not null,
    docker_name  text not null,
    created_us   integer not null,
    unique (project, name)
) strict;
