-- name: count_ended
select (select count(*) from runs)
    - (select count(*) from runs where phase = 'queued')
    - (select count(*) from runs where phase not in ('queued', 'finished'))

-- name: ended
select id from runs where phase = 'finished' and finished_us < :before order by finished_us limit :limit

-- name: with_log
select id from runs
where phase = 'finished' and logs_deleted_us is null and finished_us < :before
order by finished_us limit :limit

-- name: without_log
select json_each.value as id from json_each(:ids) left join runs on runs.id = json_each.value
where runs.id is null or runs.logs_deleted_us is not null

-- name: mark
update runs set logs_deleted_us = :now
where id in (select value from json_each(:ids)) and phase = 'finished' and logs_deleted_us is null

-- name: forget
delete from runs where id in (select value from json_each(:ids)) and phase = 'finished'

-- name: newest_event
select max(id) as id from events

-- name: events
select id, at_us from events where id > :after order by id limit :limit

-- name: forget_events
delete from events where id in (select value from json_each(:ids))
    and not exists (select 1 from runs where runs.id = events.run_id and runs.phase <> 'finished')

-- name: old_key
select 1 from idempotency_keys where created_us <= :oldest limit 1

-- name: forget_keys
delete from idempotency_keys where (project, key) in (
    select project, key from idempotency_keys where created_us <= :oldest limit :limit
)
