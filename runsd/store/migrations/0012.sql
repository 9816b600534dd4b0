-- The audit: who did what, when and from where. What it tells of may be long gone.

create table audit (
    id       text primary key,
    at_us    integer not null,
    who      text not null,
    -- what the caller's key was called
    name     text,
    address  text not null,
    action   text not null,
    project  text,
    -- the first of those that it is about, and how many those are
    object   text,
    count    integer not null check (count > 0),
    result   text not null check (result in ('done', 'failed', 'refused'))
) strict, without rowid;
create index audit_by_project on audit (project, id);
