-- One- and ten-minute aggregates, TimescaleDB's own. How long they and raw readings are kept, and when
-- they are compressed, are policies that the archive sets by its settings each time it starts.

alter table snapshot alter column body set storage external; -- compressed already

create materialized view reading_1min
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select channel,
       time_bucket(interval '1 minute', time) as time,
       count(value) as n,
       min(value) as low,
       max(value) as high,
       avg(value) as mean,
       bit_or(quality) as quality
from reading
group by 1, 2
with no data;

create materialized view reading_10min
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select channel,
       time_bucket(interval '10 minutes', time) as time,
       sum(n)::bigint as n,
       min(low) as low,
       max(high) as high,
       sum(mean * n) / nullif(sum(n), 0)::float8 as mean,
       bit_or(quality) as quality
from reading_1min
group by 1, 2
with no data;

-- Readings may be 7 days late: only what changed is computed again, inside the retention of the rows.
select add_continuous_aggregate_policy('reading_1min',
    start_offset => interval '8 days', end_offset => interval '1 minute',
    schedule_interval => interval '1 minute');
select add_continuous_aggregate_policy('reading_10min',
    start_offset => interval '8 days', end_offset => interval '10 minutes',
    schedule_interval => interval '10 minutes');
