-- What attempts have told by OpenTelemetry, as JSON, each value under a key of its kind:
-- calls by process, series by process and start, problems by content.

create table telemetry (
    run_id   text not null,
    attempt  integer not null,
    kind     text not null check (kind in ('calls', 'series', 'problem', 'more')),
    key      text not null,
    value    text not null,
    primary key (run_id, attempt, kind, key)
) strict, without rowid;
