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

-- A task as it is now: its version, its schedule with the last five times, and its address.
create view tasks_now as
select t.*, v.spec, s.cron, s.timezone, s.overlap, s.catch_up, s.paused, s.through_us,
    h.secret as hook_secret, h.created_us as hook_us, h.last_us as hook_last_us, (
    select json_group_array(json_array(at_us, outcome, run_id, message)) from (
        select * from schedule_instants r where r.task_id = t.id order by r.at_us desc limit 5
    ) last_five
) as recent
from tasks t join task_versions v on v.task_id = t.id and v.number = t.version
left join schedules s on s.task_id = t.id
left join hooks h on h.task_id = t.id;
