-- name: insert
insert into tasks (id, project, name, version, created_us, updated_us)
values (:id, :project, :name, 1, :now, :now)
on conflict (project, name) do nothing returning id

-- name: insert_version
insert into task_versions (task_id, number, spec, created_us) values (:id, :number, :spec, :now)

-- name: list
select t.*, v.spec, s.cron, s.timezone, s.overlap, s.catch_up, s.paused, s.through_us,
    h.secret as hook_secret, h.created_us as hook_us, h.last_us as hook_last_us, (
    select json_group_array(json_array(at_us, outcome, run_id, message)) from (
        select * from schedule_instants r where r.task_id = t.id order by r.at_us desc limit 5
    ) last_five
) as recent
from tasks t join task_versions v on v.task_id = t.id and v.number = t.version
left join schedules s on s.task_id = t.id
left join hooks h on h.task_id = t.id
where t.project = :project order by t.name

-- name: get
-- No name begins as an id does.
select t.*, v.spec, s.cron, s.timezone, s.overlap, s.catch_up, s.paused, s.through_us,
    h.secret as hook_secret, h.created_us as hook_us, h.last_us as hook_last_us, (
    select json_group_array(json_array(at_us, outcome, run_id, message)) from (
        select * from schedule_instants r where r.task_id = t.id order by r.at_us desc limit 5
    ) last_five
) as recent
from tasks t join task_versions v on v.task_id = t.id and v.number = t.version
left join schedules s on s.task_id = t.id
left join hooks h on h.task_id = t.id
where t.project = :project and (t.id = :task or t.name = :task)

-- name: versions
select number, spec, created_us from task_versions where task_id = :id order by number desc

-- name: change
update tasks set name = :name, version = :number, updated_us = :now
where id = :id and version = :seen
returning id

-- name: delete
delete from tasks where project = :project and (id = :task or name = :task) returning id
