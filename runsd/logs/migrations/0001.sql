-- What runs wrote, and how much they used while they ran. A chunk is a piece of one stream of one attempt;
-- at_byte is its place in the stream, so a hole between two chunks is output that was not kept.

create table chunks (
    id       integer primary key autoincrement,
    run_id   text not null,
    attempt  integer not null,
    stream   integer not null check (stream in (0, 1, 2)),
    at_byte  integer not null check (at_byte >= 0),
    at_us    integer not null,
    data     blob not null
) strict;
create index chunks_by_run on chunks (run_id, id);
create index chunks_by_stream on chunks (run_id, attempt, stream, at_byte);

create table samples (
    run_id        text not null,
    attempt       integer not null,
    at_us         integer not null,
    cpu_us        integer not null,
    memory_bytes  integer not null,
    primary key (run_id, attempt, at_us)
) strict, without rowid;
