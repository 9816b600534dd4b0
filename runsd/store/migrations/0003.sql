-- Python runs: what their preparation has settled, and what came of them.

-- The commit that a branch or tag was, when it was looked at first: retries and reruns stay with it.
alter table runs add column source_commit text;

-- The lock is the same for retries and reruns too; value and problems are of the last attempt.
create table programs (
    run_id       text primary key references runs (id) on delete cascade,
    lock         text,
    return_value text,
    problems     text
) strict;
