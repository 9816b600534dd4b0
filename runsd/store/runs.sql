-- name: insert
insert into runs (
    id, project, name, labels, spec, cpu_milli, memory_bytes, gpus, priority, timeout_s, grace_s,
    status, phase, created_us, not_before_us, expires_us, trigger, rerun_of, task, task_version, scheduled_us,
    has_payload, hostname, source_commit
) values (
    :id, :project, :name, :labels, :spec, :cpu_milli, :memory_bytes, :gpus, :priority, :timeout_s, :grace_s,
    'pending', 'queued', :now, :now, :expires_us, :trigger, :rerun_of, :task, :task_version, :scheduled_us,
    :has_payload, :hostname, :source_commit
)

-- name: insert_payload
insert into run_payloads (run_id, body, headers) values (:id, :body, :headers)

-- name: keep_payload
insert into run_payloads (run_id, body, headers)
select :id, body, headers from run_payloads where run_id = :of

-- name: payload_bytes
select length(body) as size from run_payloads where run_id in (select value from json_each(:ids))

-- name: insert_label
insert into run_labels (project, key, value, run_id) select project, :key, :value, id from runs where id = :run_id

-- name: delete_labels
delete from run_labels where run_id = :id

-- name: insert_volume
insert or ignore into run_volumes (run_id, volume_id) values (:run_id, :volume_id)

-- name: get
select * from runs where id = :id and project = :project

-- name: attempts
select * from attempts where run_id = :id order by number

-- name: batch_ends
-- The runs of one submission were created at one instant, and their ids stand together. When a run was made
-- that is deleted since, its events tell for a while.
with one_run as (
    select id, project, created_us from runs where id = :id and project = :project
    union all
    select run_id, project, at_us from events
    where run_id = :id and project = :project and type = 'run.submitted'
    limit 1
), ends as (
    select coalesce((
        select o.id from runs o indexed by runs_by_project
        where o.project = one_run.project and o.id < one_run.id and o.created_us <> one_run.created_us
        order by o.id desc limit 1
    ), '') as before, coalesce((
        select o.id from runs o indexed by runs_by_project
        where o.project = one_run.project and o.id > one_run.id and o.created_us <> one_run.created_us
        order by o.id limit 1
    ), '~') as after
    from one_run
)
select before, after from ends where exists (
    select 1 from runs indexed by runs_by_project where project = :project and id > before and id < after
)

-- name: batch
select status, count(*) as runs, min(id) as first, max(id) as last, min(created_us) as created_us,
    max(finished_us) as finished_us, min(coalesce(name, '')) as first_name, max(coalesce(name, '')) as last_name,
    sum((select coalesce(sum(value ->> 'nano_vcpu_s'), 0) from json_each(usage, '$.attempts'))) as nano_vcpu_s
from runs indexed by runs_by_project where project = :project and id > :before and id < :after
group by status

-- name: live_runs
-- Without an index of projects: there are no more live runs than the host has room for.
select * from runs where phase not in ('queued', 'finished') and project = :project order by id limit :limit

-- name: queued_runs
-- In the order of claim, as `queue` has it.
select * from runs where phase = 'queued' and project = :project order by priority desc, id limit :limit

-- name: counts
select (select count(*) from runs where phase not in ('queued', 'finished') and project = :project) as live,
    (select count(*) from runs where phase = 'queued' and project = :project) as queued

-- name: names
select id, name from runs where id in (select value from json_each(:ids)) and project = :project

-- name: many
select * from runs where id in (select value from json_each(:ids)) order by id

-- name: queue
-- The first of each project's line.
select r.id, r.project, r.cpu_milli, r.memory_bytes, r.gpus, r.timeout_s, r.grace_s
from projects p join runs r on (:project is null or p.name = :project) and r.id in (
    select o.id from runs o where o.phase = 'queued' and o.project = p.name and o.not_before_us <= :now
        and o.cpu_milli <= :cpu_milli and o.memory_bytes <= :memory_bytes and o.gpus <= :gpus
    order by o.priority desc, o.id limit :limit
)
order by r.project, r.priority desc, r.id

-- name: holding
select id, project, cpu_milli, memory_bytes, gpus, timeout_s, grace_s, deadline_us, stop_us from runs
where phase not in ('queued', 'finished')

-- name: holding_of
select id, project, cpu_milli, memory_bytes, gpus, timeout_s, grace_s, deadline_us, stop_us from runs
where phase not in ('queued', 'finished') and project = :project

-- name: starting
-- The first condition is what the partial index of live runs needs to be used.
select count(*) from runs r join attempts a on a.run_id = r.id and a.number = r.attempt
where r.phase not in ('queued', 'finished') and r.phase = 'starting' and (a.engine is null or a.engine = :engine)

-- name: place
select r.not_before_us, (
    select count(*) from runs o where o.phase = 'queued' and o.priority > r.priority and o.project = r.project
) + (
    select count(*) from runs o
    where o.phase = 'queued' and o.priority = r.priority and o.id < r.id and o.project = r.project
) as ahead, exists (
    select 1 from runs o where o.phase = 'queued' and o.project < r.project
) or exists (
    select 1 from runs o where o.phase = 'queued' and o.project > r.project
) as others
from runs r where r.id = :id and r.phase = 'queued'

-- name: count_queued
select count(*) from runs where phase = 'queued'

-- name: count_queued_of
select count(*) from runs where phase = 'queued' and project = :project

-- name: next_timer
select min(at) from (
    select min(not_before_us) as at from runs where phase = 'queued' and not_before_us > :now
    union all
    select min(expires_us) from runs where phase = 'queued' and expires_us is not null
)

-- name: expired
select id from runs where phase = 'queued' and expires_us is not null and expires_us <= :now limit :limit

-- name: work
select r.*, a.container_id, a.engine, a.boot, a.began_us from runs r
join attempts a on a.run_id = r.id and a.number = r.attempt
where r.id = :id and r.phase not in ('queued', 'finished')

-- name: current
select id, case when phase in ('queued', 'finished') then 0 else attempt end as attempt from runs
where id in (select value from json_each(:ids))

-- name: uploads
select json_extract(spec, '$.source.upload') as upload from runs
where phase = 'queued' and upload in (select value from json_each(:ids))
union
select json_extract(spec, '$.source.upload') as upload from runs
where phase not in ('queued', 'finished') and upload in (select value from json_each(:ids))
union
select iif(json_valid(v.spec), json_extract(v.spec, '$.source.upload'), null) as upload
from tasks t join task_versions v on v.task_id = t.id and v.number = t.version
where upload in (select value from json_each(:ids))

-- name: live_images
select image_id from runs where phase not in ('queued', 'finished') and image_id is not null

-- name: live
select id from runs where phase not in ('queued', 'finished')

-- name: admit
update runs set phase = 'starting', attempt = attempt + 1, admitted_us = :now, expires_us = null
where id = :id and phase = 'queued'
returning *

-- name: insert_attempt
insert into attempts (run_id, number, created_us) values (:id, :attempt, :now)

-- name: pull
update runs set phase = 'pulling'
where id = :id and attempt = :attempt and phase = 'starting' and stop_us is null
returning id

-- name: prepare
update runs set phase = 'preparing'
where id = :id and attempt = :attempt and phase in ('pulling', 'starting') and stop_us is null
returning id

-- name: ready
update runs set phase = 'starting', image_id = :image_id, image_digest = :image_digest
where id = :id and attempt = :attempt and phase in ('pulling', 'preparing', 'starting') and stop_us is null
returning id

-- name: created
update attempts set container_id = :container_id, engine = :engine
where run_id = :id and number = :attempt and container_id is null

-- name: unmade
update attempts set container_id = null, engine = null
where run_id = :id and number = :attempt and started_us is null

-- name: started
update runs set phase = 'running', status = 'running', started_us = :started_us,
    deadline_us = :started_us + timeout_s * 1000000
where id = :id and attempt = :attempt and phase = 'starting'
returning deadline_us

-- name: attempt_started
update attempts set started_us = :started_us, boot = :boot, began_us = :began_us
where run_id = :id and number = :attempt

-- name: cancel_queued
update runs set status = 'cancelled', phase = 'finished', reason = 'cancelled', message = :message,
    cancel_us = :now, finished_us = :now
where id = :id and project = :project and phase = 'queued'
returning *

-- name: cancel_live
update runs set cancel_us = :now, stop_us = coalesce(stop_us, :now), stop_reason = coalesce(stop_reason, 'cancelled')
where id = :id and project = :project and phase not in ('queued', 'finished') and cancel_us is null
returning *

-- name: stop
update runs set stop_us = :now, stop_reason = :reason
where id = :id and attempt = :attempt and phase not in ('queued', 'finished') and stop_us is null
    and timeout_s = :timeout_s
returning id

-- name: expire
update runs set status = 'failed', phase = 'finished', reason = 'queue_expired', message = :message,
    finished_us = :now
where id = :id and phase = 'queued' and expires_us <= :now
returning id

-- name: end_attempt
update attempts set finished_us = :finished_us, ended_us = :now, reason = :reason, message = :message,
    exit_code = :exit_code, oom_killed = :oom_killed, nano_vcpu_s = :nano_vcpu_s
where run_id = :id and number = :attempt

-- name: insert_usage_line
insert into usage_lines (run_id, attempt, day, project, task, labels, nano_vcpu_s)
values (:id, :attempt, :day, :project, :task, :labels, :nano_vcpu_s)

-- name: add_usage
insert into usage_months (project, month, nano_vcpu_s) values (:project, substr(:day, 1, 7), :nano_vcpu_s)
on conflict do update set nano_vcpu_s = nano_vcpu_s + excluded.nano_vcpu_s

-- name: used
-- On the bill of a month, and by live runs since they began or the month did.
select coalesce((select nano_vcpu_s from usage_months where project = :project and month = :month), 0)
    + coalesce((
        select sum(max(0, :now - max(started_us, :month_us)) * cpu_milli) from runs
        where phase not in ('queued', 'finished') and project = :project and started_us is not null
    ), 0) as nano_vcpu_s

-- name: finish
update runs set status = :status, phase = 'finished', reason = :reason, message = :message,
    exit_code = :exit_code, oom_killed = :oom_killed, finished_us = :ended_us, usage = :usage,
    stdout_bytes = :stdout_bytes, stderr_bytes = :stderr_bytes, logs_truncated = :logs_truncated
where id = :id and attempt = :attempt and phase not in ('queued', 'finished')
returning *

-- name: retry
update runs set status = 'pending', phase = 'queued', not_before_us = :not_before_us, usage = :usage,
    admitted_us = null, started_us = null, deadline_us = null, stop_us = null, stop_reason = null
where id = :id and attempt = :attempt and phase not in ('queued', 'finished') and cancel_us is null
returning *

-- name: extend
update runs set timeout_s = :timeout_s, spec = json_set(spec, '$.timeoutSeconds', :timeout_s),
    deadline_us = deadline_us + (:timeout_s - timeout_s) * 1000000
where id = :id and project = :project and phase <> 'finished' and stop_us is null
returning *

-- name: relabel
update runs set labels = :labels, spec = json_set(spec, '$.labels', json(:labels))
where id = :id and project = :project
returning *

-- name: forget
delete from runs where id = :id and project = :project and phase = 'finished'
returning id
