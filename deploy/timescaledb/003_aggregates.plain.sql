-- One- and ten-minute aggregates on plain PostgreSQL: the same names and columns, kept by the archive.

alter table snapshot alter column body set storage external; -- compressed already

create table reading_1min (
    channel int4        not null,
    time    timestamptz not null,
    n       bigint      not null,
    low     float8,
    high    float8,
    mean    float8,
    quality int2        not null,
    primary key (channel, time)
);

create table reading_10min (like reading_1min including all);

create table aggregate_due (
    minute timestamptz not null
);
comment on table aggregate_due is
    'Minutes into which rows were stored and that are not aggregated since; one may stand here often.';
