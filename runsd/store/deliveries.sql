-- name: page
select d.*, m.type, m.run_id from webhook_deliveries d
join webhook_messages m on m.id = d.message_id
where d.webhook_id = :webhook_id and d.number < :before
order by d.number desc limit :limit

-- name: page_of_status
select d.*, m.type, m.run_id from webhook_deliveries d
join webhook_messages m on m.id = d.message_id
where d.webhook_id = :webhook_id and d.status = :status and d.number < :before
order by d.number desc limit :limit

-- name: attempts
select * from webhook_attempts where delivery in (select value from json_each(:deliveries))
order by delivery, number

-- name: get
select d.*, m.type, m.project, m.at_us, m.event_id, m.run_id, m.data, m.run from webhook_deliveries d
join webhook_messages m on m.id = d.message_id
where d.message_id = :id and d.webhook_id = :webhook_id

-- name: insert_message
insert into webhook_messages (id, project, type, at_us, data)
values ('msg_' || lower(hex(randomblob(16))), :project, :type, :now, :data)
returning id

-- name: insert
insert into webhook_deliveries (webhook_id, message_id, status, created_us, next_us)
values (:webhook_id, :message_id, 'pending', :now, :now)

-- name: again
update webhook_deliveries set status = 'pending', tries = 0, next_us = :now, ended_us = null
where message_id = :id and webhook_id = :webhook_id
returning number

-- name: enabled
select enabled from webhooks where id = :webhook_id and project = :project and deleted_us is null

-- name: lines
select w.id, (
    select min(d.next_us) from webhook_deliveries d where d.webhook_id = w.id and d.next_us is not null
) as next_us
from webhooks w where w.enabled = 1

-- name: due
select d.number, d.webhook_id, d.message_id, d.tries,
    w.url, w.former_until_us, v.value as secret, f.value as former_secret,
    m.type, m.project, m.at_us, m.event_id, m.data, m.run
from webhook_deliveries d
join webhooks w on w.id = d.webhook_id
join secret_values v on v.id = w.secret_id
left join secret_values f on f.id = w.former_secret_id
join webhook_messages m on m.id = d.message_id
where d.webhook_id = :webhook_id and d.next_us is not null and d.next_us <= :now
order by d.next_us limit :limit

-- name: insert_attempt
insert into webhook_attempts (delivery, number, at_us, duration_us, status_code, error)
select d.number, 1 + coalesce((select max(a.number) from webhook_attempts a where a.delivery = d.number), 0),
    :at_us, :duration_us, :status_code, :error
from webhook_deliveries d
where d.number = :delivery and d.message_id = :message_id and d.webhook_id = :webhook_id

-- name: tried
update webhook_deliveries set status = :status, tries = tries + 1, next_us = :next_us, ended_us = :ended_us
where number = :delivery and message_id = :message_id and webhook_id = :webhook_id and status = 'pending'

-- name: succeeded
update webhooks set failing_us = null where id = :webhook_id and failing_us is not null

-- name: failing
update webhooks set failing_us = coalesce(failing_us, :at_us) where id = :webhook_id
returning enabled, failing_us

-- name: count
select count(*) from webhook_deliveries

-- name: ended
select number from webhook_deliveries where ended_us < :before order by ended_us limit :limit

-- name: oldest
select number from webhook_deliveries where number > 0 order by number limit :limit

-- name: of_deleted
select d.number from webhooks w cross join webhook_deliveries d on d.webhook_id = w.id
where w.deleted_us is not null limit :limit

-- name: forget
delete from webhook_deliveries where number in (select value from json_each(:numbers))

-- name: former
select id, former_secret_id from webhooks where former_until_us <= :now

-- name: drop_former
update webhooks set former_secret_id = null, former_until_us = null where id = :id

-- name: forget_value
delete from secret_values where id = :id
