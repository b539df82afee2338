-- What the pipeline itself remembers: who is which channel, how far each consumer is, and the banks.

create table channel (
    id       int4 generated always as identity primary key,
    name     text not null unique,
    lifeline text not null,
    unit     text not null
);
comment on table channel is 'One measured quantity at one place; ids are given at first sight.';

create table progress (
    consumer    text   not null,
    topic       text   not null,
    partition   int4   not null,
    next_offset bigint not null,
    changed     timestamptz not null default clock_timestamp(),
    primary key (consumer, topic, partition)
);
comment on table progress is
    'The next Kafka offset of a consumer: moved by compare-and-set in the transaction that holds its work.';

create table snapshot (
    partition   int4   not null,
    next_offset bigint not null,
    catalog     text   not null,
    body        bytea  not null,
    taken       timestamptz not null default clock_timestamp(),
    primary key (partition, next_offset)
);
comment on table snapshot is 'The detector bank of a partition as it was before reading next_offset.';

create table feed (
    lifeline    text primary key,
    newest_ms   bigint not null,
    received_ms bigint not null
);
comment on table feed is 'Newest stored reading of each lifeline: how old the data on a page is.';

create table quarantine (
    id        bigint generated always as identity primary key,
    topic     text   not null,
    partition int4   not null,
    record_offset bigint not null,
    reason    text   not null,
    body      bytea  not null,
    at        timestamptz not null default clock_timestamp(),
    unique (topic, partition, record_offset)
);
comment on table quarantine is 'Records of our own topics that could not be worked on, with the reason.';
