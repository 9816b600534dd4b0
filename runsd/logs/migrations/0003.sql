-- How many calls of models an attempt had told of by an instant, and their tokens: to be seen over time.

create table call_samples (
    run_id      text not null,
    attempt     integer not null,
    at_us       integer not null,
    requests    integer not null,
    tokens_in   integer not null,
    tokens_out  integer not null,
    primary key (run_id, attempt, at_us)
) strict, without rowid;
