-- Tasks: runs that are saved under a name, to be started again and again.

create table tasks (
    id          text primary key,
    project     text not null,
    name        text not null,
    version     integer not null check (version > 0),
    created_us  integer not null,
    updated_us  integer not null,
    unique (project, name)
) strict;

-- Every edit makes a version. What a run was made from is kept for as long as its task is.
create table task_versions (
    task_id     text not null references tasks (id) on delete cascade,
    number      integer not null check (number > 0),
    spec        text not null,
    created_us  integer not null,
    primary key (task_id, number)
) strict;

-- A run says of which task it is, and of which version; it outlives both.
alter table runs add column task_version integer;
