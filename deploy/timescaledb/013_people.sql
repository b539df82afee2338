-- People: links of pages, who has seen and taken what, test pages, the hand-over of a shift.

create table link (
    token      bytea primary key,
    incident   text references incident on delete cascade,
    run        text not null,
    person     text not null,
    target     text not null,
    key        text not null,
    expires_at timestamptz not null,
    used_at    timestamptz,
    check ((incident is null) = (run <> ''))
);
comment on table link is 'One-time links in pages: looking shows, pressing acts, once.';
comment on column link.token is 'SHA-256 of the token: who reads this table cannot act with it.';
comment on column link.run is 'The test page that it came with; empty for an incident''s.';
create index link_expired on link (expires_at);
create index link_run on link (run, person) where run <> '';

create table responder (
    incident        text not null references incident on delete cascade,
    person          text not null,
    added_by        text not null default '',
    seen_ms         int8,
    acknowledged_ms int8,
    primary key (incident, person)
);
comment on table responder is
    'Each person''s own state on an incident: whoever was called later can stop his own pages.';
comment on column responder.added_by is 'Who called him in by hand; empty: the chain did.';

create table test_page (
    run        text not null,
    person     text not null,
    target     text not null,
    key        text not null unique,
    at         timestamptz not null default clock_timestamp(),
    confirm_by timestamptz not null,
    seen_at    timestamptz,
    primary key (run, person, target)
);
comment on table test_page is 'Who was tried by which way, and whether he confirmed that it reached him.';

create table handover (
    id                 text primary key,
    desk               text not null,
    outgoing           text not null,
    incoming           text not null,
    opened_ms          int8 not null,
    notes              text not null default '',
    facts              jsonb not null,
    outgoing_signed_ms int8,
    incoming_signed_ms int8,
    revision           int4 not null default 1,
    check (outgoing <> incoming)
);
comment on table handover is 'One hand-over of a desk; both sign, the incoming after each open item is accepted.';
-- A desk is handed over once at a time.
create unique index handover_open on handover (desk)
    where outgoing_signed_ms is null or incoming_signed_ms is null;
create index handover_desk on handover (desk, opened_ms desc);

create table handover_item (
    handover    text not null references handover on delete cascade,
    kind        text not null check (kind in ('incident', 'shelved')),
    subject     text not null,
    accepted_ms int8,
    primary key (handover, kind, subject)
);
comment on table handover_item is 'What the incoming officer must take over one by one.';
