-- The whole life of alarms and incidents: nine states, seven phases, windows, proposals, labels.

alter table grade
    add column dark       text not null default '',
    add column remind_s   float8,
    add column escalate_s float8[] not null default '{}',
    add column progress_s float8;

alter table incident drop constraint incident_phase_check;
alter table incident
    add constraint incident_phase_check check (phase in
        ('open', 'acknowledged', 'verified', 'dispatched', 'watching', 'closed', 'archived')),
    add column unseen_ms     int8,
    add column undo_ms       int8,
    add column verdict       text    not null default ''
        check (verdict in ('', 'true', 'false', 'test', 'unknown')),
    add column verdict_code  text    not null default '',
    add column verdict_by    text    not null default '',
    add column verdict_ms    int8,
    add column task          text    not null default '',
    add column person        text    not null default '',
    add column dispatched_ms int8,
    add column arrived_ms    int8,
    add column progress_ms   int8,
    add column prolonged     boolean not null default false,
    add column review        boolean not null default false,
    add column first_out     text    not null default '',
    add column first_ms      int8    not null default 0,
    add column merged_into   text    not null default '',
    add column second        text    not null default '',
    add column step          int4    not null default 0;
comment on column incident.unseen_ms is 'Since when it waits for a human; the clocks of reminders run from here.';
comment on column incident.undo_ms is 'Until when its acknowledgement can be undone.';
comment on column incident.progress_ms is 'The last step of its people; the clock of progress runs from here.';
comment on column incident.review is 'On the list for working hours: its clock ran out, too slight for a page.';
comment on column incident.first_out is 'The excursion that began first of all its alarms''.';
comment on column incident.second is 'Who confirmed that it was closed over a condition.';
drop index incident_open;
drop index incident_live;
drop index incident_closed;
-- Two routers that see one leak at the same moment: the database keeps the second incident out.
create unique index incident_open on incident (asset, hazard, drill)
    where phase not in ('closed', 'archived');
create index incident_live on incident (phase, grade, onset_ms)
    where phase not in ('closed', 'archived');
create index incident_closed on incident (closed_ms desc) where phase in ('closed', 'archived');
create index incident_asset on incident (asset) where phase not in ('closed', 'archived');

alter table alarm drop constraint alarm_state_check;
alter table alarm
    add constraint alarm_state_check check (state in
        ('normal', 'unacknowledged', 'acknowledged', 'returned-unacknowledged',
         'latched-unacknowledged', 'latched-acknowledged', 'shelved', 'suppressed',
         'out-of-service')),
    add column rule            text    not null default '',
    add column active_ms       int8,
    add column hidden_by       text    not null default '',
    add column hidden_until_ms int8,
    add column hidden_raises   int4    not null default 0,
    add column cycles          int8[]  not null default '{}',
    add column is_chattering   boolean not null default false,
    add column is_fleeting     boolean not null default false;
comment on column alarm.active_ms is 'Since when its condition has stood, shown or hidden; null: it has gone.';
comment on column alarm.hidden_by is 'Who shelved it or took it out of service; of a suppressed one, the window.';
comment on column alarm.hidden_raises is 'How often it was raised since it was hidden.';
comment on column alarm.cycles is 'Event times of its last raises: as many as make it chatter.';
update alarm set active_ms = since_ms where state in ('unacknowledged', 'acknowledged');
create index alarm_hidden on alarm (hidden_by) where hidden_by <> '';
create index alarm_standing on alarm (active_ms) where active_ms is not null;
create index alarm_asset on alarm (asset) where active_ms is not null;
create index alarm_place on alarm (asset, hazard) where incident <> '';

alter table membership
    add column rule       text not null default '',
    add column hypothesis text not null default '',
    add column distance_m float8;
comment on column membership.rule is 'Of a join across assets: the rule that made it.';

alter table excursion add column damp_ms int4 not null default 0;
comment on column excursion.damp_ms is
    'By how much its present delay is longer than the rule''s: its alarm chatters or flits.';

create table alarm_window (
    id        text    primary key,
    kind      text    not null check (kind in
        ('maintenance', 'calibration', 'common-cause', 'work-watch')),
    author    text    not null,
    reason    text    not null,
    zone      text    not null,
    assets    text[]  not null default '{}',
    rules     text[]  not null default '{}',
    from_ms   int8    not null,
    until_ms  int8    not null,
    work      text    not null default '',
    factor    float8  not null default 1,
    checks    jsonb   not null default '[]',
    ended_ms  int8,
    ended_by  text    not null default '',
    hidden    int4    not null default 0,
    revision  int4    not null,
    check (until_ms > from_ms)
);
comment on table alarm_window is
    'Stated times in which a rule suppresses alarms, or sharpens them while a zone is watched after work.';
comment on column alarm_window.checks is 'Of a work-watch: what must be ticked before it can end.';
comment on column alarm_window.hidden is 'How many raises it has suppressed.';
create index alarm_window_running on alarm_window (zone) where ended_ms is null;

create table proposal (
    id         text primary key,
    incident   text not null,
    alarm      text not null,
    zone       text not null,
    kind       text not null,
    body       jsonb not null,
    proposed_by text not null,
    at_ms      int8 not null,
    expires_ms int8 not null,
    decided_by text not null default '',
    decided_ms int8
);
comment on table proposal is 'What one person asked for and a second must confirm.';
create index proposal_waiting on proposal (expires_ms) where decided_ms is null;

create table label (
    excursion text primary key,
    incident  text not null,
    alarm     text not null,
    channel   text not null,
    rule      text not null,
    detector  text not null,
    hazard    text not null,
    grade     int4 not null,
    onset_ms  int8 not null,
    verdict   text not null check (verdict in ('true', 'false', 'test', 'unknown')),
    code      text not null,
    by_whom   text not null,
    at_ms     int8 not null
);
comment on table label is 'What findings really were, as people judged: for tuning detectors.  Never of drills.';
create index label_rule on label (rule, verdict);

alter table audit
    add column alarm  text not null default '',
    add column second text not null default '';
comment on column audit.second is 'Who confirmed it, where it needs a second person.';
create index audit_alarm on audit (alarm, id) where alarm <> '';
