-- Secrets: values that are encrypted with a key that is in no database.

-- A value is kept for as long as somebody needs it: the secret that has it now, or a run that was submitted
-- when the secret had it. Its id is never used again, and so says which value it is.
create table secret_values (
    id     integer primary key autoincrement,
    value  blob not null
) strict;

create table secrets (
    project     text not null,
    name        text not null,
    value_id    integer not null references secret_values (id),
    created_us  integer not null,
    updated_us  integer not null,
    primary key (project, name)
) strict, without rowid;
create unique index secrets_by_value on secrets (value_id);

create table run_secrets (
    run_id    text not null references runs (id) on delete cascade,
    name      text not null,
    value_id  integer not null references secret_values (id),
    primary key (run_id, name)
) strict, without rowid;
create index run_secrets_by_value on run_secrets (value_id);

-- Whichever way a run ends, it needs no secrets any more.
create trigger run_secrets_end after update of phase on runs when new.phase = 'finished'
begin
    delete from run_secrets where run_id = new.id;
end;

create trigger secret_values_after_run after delete on run_secrets
begin
    delete from secret_values where id = old.value_id
        and not exists (select 1 from secrets where value_id = old.value_id)
        and not exists (select 1 from run_secrets where value_id = old.value_id);
end;

create trigger secret_values_after_change after update of value_id on secrets
begin
    delete from secret_values where id = old.value_id and old.value_id <> new.value_id
        and not exists (select 1 from run_secrets where value_id = old.value_id);
end;

create trigger secret_values_after_secret after delete on secrets
begin
    delete from secret_values where id = old.value_id
        and not exists (select 1 from run_secrets where value_id = old.value_id);
end;
