-- name: insert
insert into audit (id, at_us, who, name, address, action, project, object, count, result)
values (:id, :at_us, :who, :name, :address, :action, :project, :object, :count, :result)

-- name: fail
update audit set result = 'failed' where id = :id

-- name: floor
select id from audit where id < :before and id >= :oldest order by id desc limit 1 offset :examined

-- name: floor_of_project
select id from audit where project = :project and id < :before and id >= :oldest
order by id desc limit 1 offset :examined

-- name: page
select * from audit where id < :before and id >= :oldest
    and (:who is null or name = :who or who in (select value from json_each(:whos)))
    and (:action is null or action = :action or substr(action, 1, length(:action) + 1) = :action || '.')
order by id desc limit :limit

-- name: page_of_project
select * from audit where project = :project and id < :before and id >= :oldest
    and (:who is null or name = :who or who in (select value from json_each(:whos)))
    and (:action is null or action = :action or substr(action, 1, length(:action) + 1) = :action || '.')
order by id desc limit :limit

-- name: old
select 1 from audit where id < :oldest limit 1

-- name: forget
delete from audit where id in (select id from audit where id < :oldest order by id limit :limit) returning id
