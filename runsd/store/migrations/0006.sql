-- API keys: who may do what in a project over TCP. What is kept of a key tells whether it is right, not what it is.

create table keys (
    id           text primary key,
    project      text not null references projects (name) on delete cascade,
    name         text not null,
    access       text not null check (access in ('read', 'write', 'admin')),
    digest       blob not null check (length(digest) = 32),
    created_us   integer not null,
    expires_us   integer check (expires_us > created_us),
    last_used_us integer
) strict;
create index keys_by_project on keys (project, id);
