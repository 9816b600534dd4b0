-- name: insert
insert into tasks (id, project, name, version, created_us, updated_us)
values (:id, :project, :name, 1, :now, :now)
on conflict (project, name) do nothing returning id

-- name: insert_version
insert into task_versions (task_id, number, spec, created_us) values (:id, :number, :spec, :now)

-- name: list
select t.*, (
    select json_array(id, trigger, status, phase, stop_us, created_us, started_us, finished_us)
    from runs where project = t.project and task = t.id order by id desc limit 1
) as last_run
from tasks_now t where t.project = :project order by t.name

-- name: get
-- No name begins as an id does.
select t.*, (
    select json_array(id, trigger, status, phase, stop_us, created_us, started_us, finished_us)
    from runs where project = t.project and task = t.id order by id desc limit 1
) as last_run
from tasks_now t where t.project = :project and (t.id = :task or t.name = :task)

-- name: versions
select number, spec, created_us from task_versions where task_id = :id order by number desc

-- name: change
update tasks set name = :name, version = :number, updated_us = :now
where id = :id and version = :seen
returning id

-- name: delete
delete from tasks where project = :project and (id = :task or name = :task) returning id

-- name: count
select count(*) from tasks where project = :project

-- name: size
select coalesce(sum(length(cast(v.spec as blob))), 0) from tasks t join task_versions v on v.task_id = t.id
where t.project = :project

-- name: forget_versions
-- What a run was made from stays for as long as there is the run.
delete from task_versions where task_id = :id and number <= :before and not exists (
    select 1 from runs r where r.task = :id and r.task_version = task_versions.number
)
