-- Hooks: addresses at which anybody who knows them starts a task.

-- Of the token there is a hash alone. secret names the project's secret with which deliveries are signed.
create table hooks (
    task_id     text primary key references tasks (id) on delete cascade,
    token_hash  blob not null unique,
    secret      text,
    created_us  integer not null,
    last_us     integer
) strict;

-- What each delivery has made, for whoever makes it again.
create table hook_deliveries (
    task_id     text not null references tasks (id) on delete cascade,
    delivery    text not null,
    run_id      text not null,
    at_us       integer not null,
    primary key (task_id, delivery)
) strict, without rowid;
create index hook_deliveries_by_age on hook_deliveries (task_id, at_us);

-- What came with a delivery, as long as its run is there.
create table run_payloads (
    run_id      text primary key references runs (id) on delete cascade,
    body        blob not null
) strict;
alter table runs add column has_payload integer not null default 0 check (has_payload in (0, 1));
