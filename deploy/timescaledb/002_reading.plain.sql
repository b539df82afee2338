-- Readings on plain PostgreSQL: the same table and key over range partitions, which archive creates.

create table reading (
    channel int4        not null,
    time    timestamptz not null,
    value   float8      check (value > '-Infinity' and value < 'Infinity'),
    quality int2        not null,
    primary key (channel, time)
) partition by range (time);
comment on column reading.value is 'null where the device sent no finite number; quality says so.';
