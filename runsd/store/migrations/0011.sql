-- Outgoing webhooks: who wants to be told of which events, and what was told to whom.

create table webhooks (
    id                  text primary key,
    project             text not null,
    url                 text not null,
    description         text not null,
    events              text not null,
    enabled             integer not null check (enabled in (0, 1)),
    -- what signs; after a change the one before signs too, for a while
    secret_id           integer references secret_values (id),
    former_secret_id    integer references secret_values (id),
    former_until_us     integer,
    created_us          integer not null,
    -- since when every attempt has failed
    failing_us          integer,
    disabled_us         integer,
    disabled_why        text,
    -- since when nobody sees it: its deliveries are still to be forgotten
    deleted_us          integer,
    check ((enabled = 1) = (disabled_us is null)),
    check ((former_secret_id is null) = (former_until_us is null)),
    check ((secret_id is null) = (deleted_us is not null)),
    check (deleted_us is null or enabled = 0)
) strict;
create index webhooks_by_project on webhooks (project, id);
create index webhooks_by_secret on webhooks (secret_id);
create index webhooks_by_former_secret on webhooks (former_secret_id);

-- What enabled webhooks are told of: a type of event, a type and a status ("run.finished:failed"), or "*".
create table webhook_wants (
    project     text not null,
    event       text not null,
    webhook_id  text not null references webhooks (id) on delete cascade,
    primary key (project, event, webhook_id)
) strict, without rowid;
create index webhook_wants_by_webhook on webhook_wants (webhook_id);

-- What is told: the event, and the run as it was then. It stays for as long as a delivery of it does.
create table webhook_messages (
    id        text primary key,
    project   text not null,
    type      text not null,
    at_us     integer not null,
    event_id  integer,
    run_id    text,
    data      text not null,
    run       text
) strict;
create unique index webhook_messages_by_event on webhook_messages (event_id) where event_id is not null;

-- tries: since it was made or asked for again. What is pending has an instant for its next attempt.
create table webhook_deliveries (
    number      integer primary key,
    webhook_id  text not null references webhooks (id),
    message_id  text not null references webhook_messages (id),
    status      text not null check (status in ('pending', 'delivered', 'failed')),
    tries       integer not null default 0,
    created_us  integer not null,
    next_us     integer,
    ended_us    integer,
    check ((status = 'pending') = (next_us is not null)),
    check ((status = 'pending') = (ended_us is null))
) strict;
create unique index webhook_deliveries_by_message on webhook_deliveries (message_id, webhook_id);
create index webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, number);
create index webhook_deliveries_by_status on webhook_deliveries (webhook_id, status, number);
create index webhook_deliveries_due on webhook_deliveries (webhook_id, next_us) where next_us is not null;
create index webhook_deliveries_by_end on webhook_deliveries (ended_us) where ended_us is not null;

create table webhook_attempts (
    delivery     integer not null references webhook_deliveries (number) on delete cascade,
    number       integer not null check (number > 0),
    at_us        integer not null,
    duration_us  integer not null,
    status_code  integer,
    error        text,
    primary key (delivery, number)
) strict, without rowid;

create trigger webhook_messages_end after delete on webhook_deliveries
begin
    delete from webhook_messages where id = old.message_id
        and not exists (select 1 from webhook_deliveries where message_id = old.message_id);
end;

-- The outbox: whatever writes an event writes in the same transaction what is to be told of it. Where no
-- webhook is, an event costs one look into an empty table more. How far a pull is, is not told.
create trigger events_to_webhooks after insert on events
when exists (select 1 from webhook_wants where project = new.project) and new.type <> 'run.pull_progress'
begin
    insert into webhook_messages (id, project, type, at_us, event_id, run_id, data, run)
    select 'msg_' || lower(hex(randomblob(16))), new.project, new.type, new.at_us, new.id, new.run_id, new.data,
        json_object(
            'id', r.id, 'project', r.project, 'name', r.name, 'labels', r.labels,
            'status', r.status, 'phase', r.phase, 'attempt', r.attempt, 'stop_us', r.stop_us,
            'created_us', r.created_us, 'started_us', r.started_us, 'deadline_us', r.deadline_us,
            'finished_us', r.finished_us, 'reason', r.reason, 'message', r.message,
            'exit_code', r.exit_code, 'oom_killed', r.oom_killed,
            'image', json_extract(r.spec, '$.image'), 'python', json_extract(r.spec, '$.python.version'),
            'image_id', r.image_id, 'image_digest', r.image_digest, 'source_commit', r.source_commit,
            'usage', r.usage, 'stdout_bytes', r.stdout_bytes, 'stderr_bytes', r.stderr_bytes,
            'logs_truncated', r.logs_truncated, 'logs_deleted_us', r.logs_deleted_us,
            'trigger', r.trigger, 'rerun_of', r.rerun_of, 'hostname', r.hostname,
            'task', r.task, 'task_version', r.task_version, 'scheduled_us', r.scheduled_us,
            'has_payload', r.has_payload
        )
    from runs r where r.id = new.run_id and exists (
        select 1 from webhook_wants
        where project = new.project and event in (new.type, new.type || ':' || r.status, '*')
    );
    insert into webhook_deliveries (webhook_id, message_id, status, created_us, next_us)
    select distinct w.webhook_id, m.id, 'pending', new.at_us, new.at_us
    from webhook_messages m cross join runs r cross join webhook_wants w
    where m.event_id = new.id and r.id = new.run_id
        and w.project = new.project and w.event in (new.type, new.type || ':' || r.status, '*');
end;
