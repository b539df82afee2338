-- A profile that is tried beside the live one: what it would have raised, and what it has watched.
alter table snapshot add column shadow bytea;
comment on column snapshot.shadow is
    'The state of the profile that is tried on this partition, as of the same offset.';

create table shadow_run (
    shadow    text not null,
    partition int4 not null,
    profile   text not null,
    sensors   int4 not null,
    since_ms  int8 not null,
    until_ms  int8 not null,
    lost      int8 not null,
    off       text not null,
    primary key (shadow, partition)
);
comment on table shadow_run is
    'What a version of a profile (by its digest) has watched as a shadow; off: why it was switched off.';

create table shadow_finding (
    shadow     text not null,
    id         text not null,
    partition  int4 not null,
    zone       text not null,
    asset      text not null,
    channel    text not null,
    rule       text not null,
    hazard     text not null,
    onset_ms   int8 not null,
    raised_ms  int8 not null,
    cleared_ms int8,
    body       jsonb not null,
    primary key (shadow, id)
);
comment on table shadow_finding is
    'Excursions of a shadow, written with the snapshot that knows of them: after a kill the same again.';
create index shadow_finding_raised on shadow_finding (raised_ms);
