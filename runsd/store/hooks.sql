-- name: put
insert into hooks (task_id, token_hash, secret, created_us) values (:id, :hash, :secret, :now)
on conflict (task_id) do update set
    token_hash = excluded.token_hash, secret = excluded.secret, created_us = excluded.created_us, last_us = null

-- name: remove
delete from hooks where task_id = :id returning task_id

-- name: find
select h.task_id, h.token_hash, h.secret, t.project, t.name, t.version, v.spec from hooks h
join tasks t on t.id = h.task_id join task_versions v on v.task_id = t.id and v.number = t.version
where h.token_hash = :hash

-- name: known
select run_id from hook_deliveries where task_id = :id and delivery = :delivery

-- name: note
insert into hook_deliveries (task_id, delivery, run_id, at_us) values (:id, :delivery, :run_id, :now)

-- name: used
update hooks set last_us = :now where task_id = :id and token_hash = :hash returning task_id

-- name: forget
delete from hook_deliveries where task_id = :id and at_us < :before

-- name: payload
select body, headers from run_payloads where run_id = :id
