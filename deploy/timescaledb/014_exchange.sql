-- What is exchanged with others: receivers' words, the city's cases, warnings, the state of every zone.

alter table outbox
    add column identifier text not null default '',
    add column reference  text not null default '';
comment on column outbox.identifier is 'The name of the document in it, by which its receiver signs for it.';
comment on column outbox.reference is 'How later documents of the incident name it: sender, identifier, time.';
create index outbox_identifier on outbox (identifier) where identifier <> '';

create table exchange_message (
    partner text  not null,
    kind    text  not null,
    id      text  not null,
    digest  bytea not null,
    at      timestamptz not null default clock_timestamp(),
    primary key (partner, kind, id)
);
comment on table exchange_message is 'What partners sent us, by their own name of it: the same again does nothing.';
create index exchange_message_at on exchange_message (at);

create table exchange_stray (
    id      int8 generated always as identity primary key,
    partner text  not null,
    kind    text  not null,
    reason  text  not null,
    body    bytea not null,
    at      timestamptz not null default clock_timestamp()
);
comment on table exchange_stray is 'What was signed and understood, and is about nothing of ours: kept to be looked at.';

create table receipt (
    id       int8 generated always as identity primary key,
    outbox   int8 not null references outbox on delete cascade,
    partner  text not null,
    message  text not null,
    word     text not null check (word in ('accepted', 'refused', 'seen')),
    by       text not null,
    note     text not null,
    at_ms    int8 not null,
    received timestamptz not null default clock_timestamp(),
    unique (outbox, partner, message)
);
comment on table receipt is 'A receiver''s words about a notice, each once.';

create table city_case (
    incident text not null references incident on delete cascade,
    system   text not null,
    number   text not null,
    state    text not null,
    step     text not null,
    person   text not null,
    at_ms    int8 not null,
    messages int4 not null,
    strange  int4 not null,
    changed  timestamptz not null default clock_timestamp(),
    primary key (incident, system)
);
comment on column city_case.state is 'Their code as it came; step is what it means, empty while nobody has mapped it.';

create table case_message (
    id       int8 generated always as identity primary key,
    incident text not null,
    system   text not null,
    message  text not null,
    state    text not null,
    reason   text not null,
    action   text not null,
    outcome  text not null,
    person   text not null,
    note     text not null,
    at_ms    int8 not null,
    received timestamptz not null default clock_timestamp(),
    foreign key (incident, system) references city_case on delete cascade
);
comment on table case_message is 'Every word of the other system about a case, and what it did here.';
create index case_message_case on case_message (incident, system, id);

create table warning (
    partner    text   not null,
    id         text   not null,
    kind       text   not null,
    status     text   not null,
    events     text[] not null,
    severity   text   not null,
    headline   text   not null,
    sent_ms    int8   not null,
    onset_ms   int8   not null,
    expires_ms int8   not null,
    body       bytea  not null,
    ended_by   text   not null default '',
    received   timestamptz not null default clock_timestamp(),
    primary key (partner, id)
);
comment on table warning is 'Warnings from outside as they came; ended_by is the one that cancelled or replaced it.';

create table context_change (
    number       int8 generated always as identity,
    id           text  primary key,
    partner      text  not null,
    warning      text  not null,
    zone         text  not null,
    body         bytea not null,
    leased_until timestamptz,
    published_at timestamptz,
    created      timestamptz not null default clock_timestamp()
);
comment on table context_change is 'Context records on their way to the readings of their zones, each once.';
create index context_change_waiting on context_change (number) where published_at is null;
create index context_change_warning on context_change (partner, warning);

create table zone_product (
    made_ms int8 primary key,
    body    bytea not null,
    sheet   bytea not null
);
comment on table zone_product is 'The state of every zone as it was shared, as JSON and as CSV; a day of them.';
