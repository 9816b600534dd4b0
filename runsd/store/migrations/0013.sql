-- What else came with a delivery: the headers that say what it is about, as a JSON object.

alter table run_payloads add column headers text not null default '{}';

-- Which versions of a task have runs: those are kept.
create index runs_by_version on runs (task, task_version) where task is not null;
