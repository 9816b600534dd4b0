-- Projects share: what each may have, whose line is whose, and what it has used in a month.

alter table projects add column limits text not null default '{}';

drop index runs_queue;
create index runs_queue on runs (project, priority desc, id) where phase = 'queued';

-- The sums of usage_lines, kept with them: a month of a million lines takes a second to add up.
create table usage_months (
    project      text not null,
    month        text not null,
    nano_vcpu_s  integer not null check (nano_vcpu_s >= 0),
    primary key (project, month)
) strict, without rowid;
insert into usage_months select project, substr(day, 1, 7), sum(nano_vcpu_s) from usage_lines group by 1, 2;
