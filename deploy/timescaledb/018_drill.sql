-- Drills: one at a time, with what was planted, what people did, and what that was worth.

create table drill (
    id         text    primary key,
    scenario   text    not null,
    title      jsonb   not null,
    lifeline   text    not null,
    body       jsonb   not null,
    started_by text    not null,
    started_ms int8    not null,
    ends_ms    int8    not null,
    played_ms  int8,
    stop_by    text    not null default '',
    ended_ms   int8,
    ended_why  text    not null default '' check (ended_why in ('', 'time', 'stopped', 'real')),
    broken_by  text    not null default '',
    report     jsonb,
    check (ends_ms > started_ms),
    check ((ended_ms is null) = (ended_why = ''))
);
comment on table drill is 'Exercises: readings under a prefix of their own, people of the drill roster alone.';
comment on column drill.body is 'The scenario as it was when it began: what is planted and what is expected.';
comment on column drill.played_ms is 'When somebody began to send its readings.';
comment on column drill.stop_by is 'Who asked that it end before its time; the router ends it.';
comment on column drill.broken_by is 'The real incident of the top grade that ended it.';
create unique index drill_running on drill ((true)) where ended_ms is null;
create index drill_started on drill (started_ms desc);

create table step_done (
    incident text not null references incident on delete cascade,
    step     int4 not null check (step >= 1),
    by_whom  text not null,
    at_ms    int8 not null,
    primary key (incident, step)
);
comment on table step_done is 'Steps of its plan that somebody has ticked, counted from 1 in the order of their times.';
