-- Projects: who may use what. What belongs to one is found by it, and nobody's search passes what is another's.

create table projects (
    name        text primary key,
    created_us  integer not null,
    -- Where its Python runs are that name no source: a GitSource as JSON.
    repository  text,
    -- Since when it is being deleted: nobody sees it, and its runs and events are forgotten little by little.
    deleting_us integer
) strict;
insert into projects (name, created_us) values ('default', 0);

create table project_members (
    project text not null references projects (name) on delete cascade,
    uid     integer not null check (uid >= 0),
    name    text,
    primary key (project, uid)
) strict, without rowid;

create index events_by_project on events (project, id);

create table labels (
    project text not null,
    key     text not null,
    value   text not null,
    run_id  text not null references runs (id) on delete cascade,
    primary key (project, key, value, run_id)
) strict, without rowid;
insert into labels (project, key, value, run_id)
select runs.project, key, value, run_id from run_labels join runs on runs.id = run_id
order by 1, 2, 3, 4;
drop table run_labels;
alter table labels rename to run_labels;
create index run_labels_by_run on run_labels (run_id);
