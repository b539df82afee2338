-- What the router knows: findings, alarms, incidents, what is to be told, and what was done by whom.

create table grade (
    level        int4 primary key,
    zh           text not null,
    en           text not null,
    colour       text not null,
    shape        text not null,
    cap_severity text not null,
    cap_urgency  text not null
);
comment on table grade is 'The grading table: configuration, brought up to date by the router at its start.';

create table incident (
    id                text    primary key,
    asset             text    not null,
    hazard            text    not null,
    drill             boolean not null,
    episode           int4    not null check (episode >= 1),
    phase             text    not null check (phase in ('open', 'acknowledged', 'watching', 'closed')),
    zone              text    not null,
    lifeline          text    not null,
    grade             int4    not null,
    told              int4,
    lane              text    not null,
    lead              jsonb   not null,
    onset_ms          int8    not null,
    opened_ms         int8    not null,
    updated_ms        int8    not null,
    is_active         boolean not null,
    revision          int4    not null,
    changed_revision  int4    not null,
    acknowledged_by   text    not null,
    acknowledged_ms   int8,
    calm_ms           int8,
    closed_by         text    not null,
    closed_ms         int8,
    overridden        boolean not null,
    last_actor        text    not null,
    unique (asset, hazard, drill, episode)
);
comment on column incident.told is 'The gravest grade that a notice has told since it was (re)opened.';
comment on column incident.changed_revision is
    'The newest revision that an officer must have seen to decide; joins and notes do not move it.';
-- Two routers that see one leak at the same moment: the database keeps the second incident out.
create unique index incident_open on incident (asset, hazard, drill) where phase <> 'closed';
create index incident_live on incident (phase, grade, onset_ms) where phase <> 'closed';
create index incident_closed on incident (closed_ms desc) where phase = 'closed';

create table alarm (
    key      text    primary key,
    channel  text    not null,
    detector text    not null,
    hazard   text    not null,
    zone     text    not null,
    asset    text    not null,
    lifeline text    not null,
    drill    boolean not null,
    state    text    not null check (state in
        ('normal', 'unacknowledged', 'acknowledged', 'returned-unacknowledged')),
    grade    int4    not null,
    since_ms int8    not null,
    incident text    not null,
    revision int4    not null,
    unique (channel, detector, hazard, drill)
);
comment on column alarm.incident is 'The open incident that holds it now, or empty.';
create index alarm_incident on alarm (incident) where incident <> '';

create table membership (
    incident text not null references incident on delete cascade,
    alarm    text not null,
    reason   text not null,
    at_ms    int8 not null,
    primary key (incident, alarm)
);
comment on table membership is 'Every alarm that ever belonged to an incident, and why it joined.';

create table excursion (
    id          text primary key,
    alarm       text not null,
    stage       text not null check (stage in ('pending', 'active', 'leaving', 'over', 'ignored')),
    lane        text not null,
    grade       int4 not null,
    onset_ms    int8 not null,
    last_ms     int8 not null,
    cleared_ms  int8,
    due_ms      int8,
    incident    text not null,
    would_open  text not null,
    body        jsonb not null
);
comment on table excursion is 'Every excursion, kept: it is what makes a re-delivered finding harmless.';
comment on column excursion.would_open is
    'The incident that a push named which was sent for it while PostgreSQL was away.';
create index excursion_alarm on excursion (alarm, onset_ms);
create index excursion_incident on excursion (incident) where incident <> '';
create index excursion_would_open on excursion (would_open);

create table deadline (
    subject text not null,
    kind    text not null,
    zone    text not null,
    due_at  timestamptz not null,
    primary key (subject, kind)
);
comment on table deadline is 'What must be looked at again at a time; rows, so that they survive a restart.';
create index deadline_due on deadline (due_at);

create table outbox (
    id           int8 generated always as identity primary key,
    key          text  not null unique,
    incident     text  not null references incident on delete cascade,
    target       text  not null,
    kind         text  not null,
    reason       text  not null,
    revision     int4  not null,
    grade        int4  not null,
    body         bytea not null,
    received_ms  int8  not null,
    created      timestamptz not null default clock_timestamp(),
    due_at       timestamptz not null default clock_timestamp(),
    leased_until timestamptz,
    lease        text,
    attempts     int4  not null default 0,
    refusals     int4  not null default 0,
    last_code    text  not null default '',
    last_at      timestamptz,
    delivered_at timestamptz,
    dead_at      timestamptz
);
comment on table outbox is 'Notices, written with what caused them; delivered only on the receiver''s own word.';
create index outbox_waiting on outbox (target, grade, id) where delivered_at is null and dead_at is null;
create index outbox_incident on outbox (incident, target, id);

create table attempt (
    id         int8 generated always as identity primary key,
    outbox     int8 not null references outbox on delete cascade,
    at         timestamptz not null default clock_timestamp(),
    code       text not null,
    latency_ms int4 not null
);
comment on table attempt is 'Every try to deliver a notice.';
create index attempt_outbox on attempt (outbox);

create table incident_change (
    id           int8 generated always as identity primary key,
    zone         text  not null,
    body         bytea not null,
    leased_until timestamptz
);
comment on table incident_change is 'States of incidents on their way to lifeline.incidents; removed once there.';

create table audit (
    id       int8 generated always as identity primary key,
    incident text not null,
    at_ms    int8 not null,
    actor    text not null,
    action   text not null,
    reason   text not null,
    note     text not null,
    channel  text not null,
    revision int4 not null,
    written  timestamptz not null default clock_timestamp()
);
comment on table audit is 'Who did what, when, from where and why.  Append-only.';
create index audit_incident on audit (incident, id);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op
        using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_append_only before update or delete on audit
    for each row execute function refuse_change();
create trigger audit_no_truncate before truncate on audit
    for each statement execute function refuse_change();
