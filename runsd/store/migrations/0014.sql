-- People who have logged in with a browser: as a key's bearer, or as a user of this host. What is kept of a
-- session tells whether its cookie is right, not what it is. One that a key opened ends with the key.

create table sessions (
    digest     blob primary key check (length(digest) = 32),
    key_id     text references keys (id) on delete cascade,
    uid        integer,
    created_us integer not null,
    ends_us    integer not null check (ends_us > created_us),
    check ((key_id is null) <> (uid is null))
) strict, without rowid;
create index sessions_by_key on sessions (key_id);
