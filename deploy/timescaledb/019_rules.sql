-- Versions of rules and limits, and work orders with the zones that are watched after them.

create table rules_version (
    number         int4 generated always as identity primary key,
    digest         text    not null,
    base           text    not null,
    body           jsonb   not null,
    author         text    not null,
    note           text    not null,
    at_ms          int8    not null,
    is_life_safety boolean not null,
    state          text    not null check (state in
        ('proposed', 'approved', 'scheduled', 'applied', 'replaced', 'withdrawn', 'stale')),
    approved_by    text    not null default '',
    approved_ms    int8,
    effective_ms   int8,
    scheduled_by   text    not null default '',
    applied_ms     int8,
    check (approved_by <> author),
    -- Nobody changes alone what lives depend on, whatever program writes here.
    check (not is_life_safety or approved_by <> '' or state in ('proposed', 'withdrawn', 'stale')),
    check (state <> 'scheduled' or effective_ms is not null)
);
comment on table rules_version is 'Every version of the rules and limits that somebody proposed.';
comment on column rules_version.base is 'The digest of the rules that ran when it was proposed.';
create unique index rules_version_applied on rules_version ((true)) where state = 'applied';
create index rules_version_due on rules_version (effective_ms) where state = 'scheduled';

create table work_order (
    id          text    primary key,
    kind        text    not null check (kind in ('gas-work', 're-pressurisation')),
    state       text    not null check (state in ('planned', 'cancelled')),
    lifeline    text    not null,
    hazard      text    not null,
    zones       text[]  not null,
    assets      text[]  not null,
    from_ms     int8    not null,
    until_ms    int8    not null,
    watch_h     float8  not null check (watch_h > 0),
    contractor  text    not null,
    contact     text    not null,
    note        text    not null,
    checks      text[]  not null,
    revision    int4    not null,
    taken_by    text    not null,
    taken_ms    int8    not null,
    check (until_ms > from_ms)
);
comment on table work_order is 'Work announced to us; the zones connected with it are watched after it.';

create table work_zone (
    work      text not null references work_order on delete cascade,
    zone      text not null,
    window_id text not null unique,
    primary key (work, zone)
);
comment on table work_zone is 'The zones that are watched after a work order, each with its window.';

create table watch_reminder (
    window_id   text primary key references alarm_window on delete cascade,
    reminded_ms int8 not null
);
comment on table watch_reminder is 'When a desk was last told that checks of a watch are missing.';
