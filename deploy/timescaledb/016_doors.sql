-- What orders the desk's queue, and what it is searched by.

create table incident_rank (
    incident text   primary key references incident on delete cascade,
    revision int4   not null,
    score    float8 not null,
    words    text   not null
);
comment on table incident_rank is
    'Risk of each incident at a revision, 0 to 100, and the words that it is found by.';

create index alarm_since on alarm (since_ms);
create index incident_review on incident (opened_ms) where review;
create index proposal_incident on proposal (incident) where decided_ms is null;
create index outbox_dead on outbox (id desc) where dead_at is not null;
