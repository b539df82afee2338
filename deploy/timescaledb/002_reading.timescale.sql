-- Readings on TimescaleDB: the primary key is what makes "exactly once" true.

create table reading (
    channel int4        not null,
    time    timestamptz not null,
    value   float8      check (value > '-Infinity' and value < 'Infinity'),
    quality int2        not null,
    primary key (channel, time)
);
comment on column reading.value is 'null where the device sent no finite number; quality says so.';

select create_hypertable('reading', by_range('time', interval '1 day'), create_default_indexes => false);

alter table reading set (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'channel',
    timescaledb.orderby = 'time'
);
