-- What a crash of the Engine or the host must not blur, and what an orderly end of old things needs.

-- Which Engine has the attempt's container, and in which boot of the host it was started: on another Engine
-- its absence says nothing, and after another boot an exit may be the Engine's invention.
alter table attempts add column engine text;
alter table attempts add column boot text;
-- How many microseconds after that boot it was seen to run: the clock of its deadline, which nobody can step.
alter table attempts add column began_us integer;

-- When the output of a run that has ended was deleted, if it was.
alter table runs add column logs_deleted_us integer;

-- Since when a volume is being made or removed: nobody sees it, and what the Engine has by its name is to go.
alter table volumes add column deleting_us integer;

-- Every filter of the list of runs has an index that keeps its runs in the order of their ids: see listing.py.
create index runs_by_task on runs (project, task, id) where task is not null;

-- What is over, by when it ended: whoever forgets old runs and their output begins at the oldest.
create index runs_by_end on runs (finished_us) where phase = 'finished';
create index runs_with_log on runs (finished_us) where phase = 'finished' and logs_deleted_us is null;
