-- name: put
insert into schedules (task_id, cron, timezone, overlap, catch_up, paused, through_us, next_us)
values (:id, :cron, :timezone, :overlap, :catch_up, :paused, :now, :next)
on conflict (task_id) do update set
    overlap = excluded.overlap, catch_up = excluded.catch_up,
    cron = excluded.cron, timezone = excluded.timezone, paused = excluded.paused,
    through_us = iif(cron = excluded.cron and timezone = excluded.timezone and paused = excluded.paused,
        through_us, excluded.through_us),
    next_us = iif(cron = excluded.cron and timezone = excluded.timezone and paused = excluded.paused,
        next_us, excluded.next_us)

-- name: remove
delete from schedules where task_id = :id

-- name: due
-- Also after a step of the clock: on, or so far back that what is decided lies in the far future.
select s.*, t.project, t.name, t.version, v.spec from schedules s
join tasks t on t.id = s.task_id join task_versions v on v.task_id = t.id and v.number = t.version
where s.next_us is not null and (
    s.next_us <= :now or s.jumped_us is not null or s.through_us > :now + :large_step
)

-- name: next
select min(next_us) from schedules where next_us > :now

-- name: decide
update schedules set through_us = :through, next_us = :next, jumped_us = null
where task_id = :id and through_us = :seen and next_us is not null
    and (select version from tasks where id = :id) = :version
returning overlap

-- name: known
select 1 from schedule_instants where task_id = :id and at_us = :at

-- name: note
insert into schedule_instants (task_id, at_us, outcome, run_id, message)
values (:id, :at, :outcome, :run_id, :message)
on conflict (task_id, at_us) do update set
    outcome = excluded.outcome, run_id = excluded.run_id, message = excluded.message

-- name: live
select id from runs where task = :id and trigger = 'schedule' and phase <> 'finished' order by id

-- name: count_waiting
select count(*) from schedule_instants where task_id = :id and outcome = 'waiting'

-- name: drop_waiting
update schedule_instants set outcome = 'skipped', message = :message
where task_id = :id and outcome = 'waiting'

-- name: ready
-- The oldest instant that waits, of each task of which no run is in its way any more.
select i.task_id, min(i.at_us) as at_us, t.project, t.name, t.version, v.spec from schedule_instants i
join tasks t on t.id = i.task_id join task_versions v on v.task_id = t.id and v.number = t.version
where i.outcome = 'waiting' and not exists (
    select 1 from runs r where r.task = i.task_id and r.trigger = 'schedule' and r.phase <> 'finished'
)
group by i.task_id

-- name: still_waiting
select 1 from schedule_instants i where i.task_id = :id and i.at_us = :at and i.outcome = 'waiting'
    and (select version from tasks where id = :id) = :version
    and not exists (
        select 1 from runs r where r.task = :id and r.trigger = 'schedule' and r.phase <> 'finished'
    )

-- name: in_the_way
select r.id from runs r where r.trigger = 'schedule' and r.phase <> 'finished'
    and r.task in (select task_id from schedule_instants where outcome = 'waiting')

-- name: forget
delete from schedule_instants where task_id = :id and outcome <> 'waiting' and at_us < (
    select at_us from schedule_instants where task_id = :id order by at_us desc limit 1 offset :kept
)
