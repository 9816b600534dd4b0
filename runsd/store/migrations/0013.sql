-- Which versions of a task have runs: those are kept.

create index runs_by_version on runs (task, task_version) where task is not null;
