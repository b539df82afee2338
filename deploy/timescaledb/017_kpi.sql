-- Figures of the alarm system, after IEC 62682 and EEMUA 191: rates, floods, what chatters or stands,
-- how fast people were.  Drills and the canary never count.  A day is one of the session's time zone.

create table kpi_model (
    channel text primary key,
    model   text not null
);
comment on table kpi_model is 'Sensor model of each channel that has alarmed, from the catalog; routers keep it.';
create table kpi_desk (
    zone     text not null,
    lifeline text not null,
    desk     text not null,
    primary key (zone, lifeline)
);
comment on table kpi_desk is 'The desk that works on a zone, from the roster; routers keep it.';
create table kpi_target (
    grade   int4   primary key,
    close_s float8 not null check (close_s > 0)
);
comment on table kpi_target is 'Within which time an incident is to be closed: configuration, ours to begin with.';
insert into kpi_target values (1, 14400), (2, 28800), (3, 86400), (4, 259200), (5, 604800);

create index excursion_received on excursion (((body->>'received_ms')::int8));
create index incident_opened on incident (opened_ms);

create view kpi_raise as
select e.id as excursion, e.alarm, e.body->>'channel' as channel, e.body->>'rule' as rule,
    e.body->>'lifeline' as lifeline, e.body->>'zone' as zone,
    coalesce(d.desk, e.body->>'zone') as desk, coalesce(m.model, '') as model, e.grade,
    e.onset_ms, e.incident, (e.body->>'received_ms')::int8 as received_ms,
    to_timestamp((e.body->>'received_ms')::int8 / 1000.0) as at,
    (coalesce(e.cleared_ms, case when e.stage = 'over' then e.last_ms end,
        (extract(epoch from now()) * 1000)::int8) - e.onset_ms) / 1000.0 as lasted_s
from excursion e
left join kpi_desk d on d.zone = e.body->>'zone' and d.lifeline = e.body->>'lifeline'
left join kpi_model m on m.channel = e.body->>'channel'
where e.stage in ('active', 'leaving', 'over') and e.incident <> '' and e.lane <> 'historical'
    and not coalesce((e.body->>'drill')::boolean, false) and e.body->>'lifeline' <> 'canary';
comment on view kpi_raise is 'Every raise of an alarm that officers were shown.';

create view kpi_case as
select i.id as incident, i.lifeline, i.zone, coalesce(d.desk, i.zone) as desk,
    coalesce(m.model, '') as model, i.grade, i.opened_ms, to_timestamp(i.opened_ms / 1000.0) as at,
    (a.at_ms - i.opened_ms) / 1000.0 as acknowledge_s,
    (i.verdict_ms - i.opened_ms) / 1000.0 as verify_s,
    (i.closed_ms - i.opened_ms) / 1000.0 as close_s,
    case when i.closed_ms is not null then i.closed_ms - i.opened_ms <= t.close_s * 1000
        when extract(epoch from now()) * 1000 - i.opened_ms > t.close_s * 1000 then false
    end as is_in_time,
    i.verdict
from incident i
left join kpi_desk d on d.zone = i.zone and d.lifeline = i.lifeline
left join kpi_model m on m.channel = i.lead->>'channel'
left join kpi_target t on t.grade = i.grade
left join lateral (
    -- The first acknowledgement that was not undone at once.
    select min(l.at_ms) as at_ms from (
        select u.at_ms, u.action, lead(u.action) over (order by u.number) as next
        from audit u where u.subject = i.id and u.action in ('acknowledge', 'undo')
            and u.reason in ('acknowledged', 'undone')
    ) l where l.action = 'acknowledge' and l.next is distinct from 'undo'
) a on true
where not i.drill and i.lifeline <> 'canary' and i.merged_into = '';
comment on view kpi_case is 'Every incident with how long its people took; null: it has not been done.';
comment on column kpi_case.is_in_time is 'Whether it was closed within kpi_target; null while it still can be.';

create function kpi(dimension text, from_at timestamptz, until_at timestamptz) returns table (
    key text, alarms int8, per_10min float8, peak_10min int8, flood_share float8,
    chattering int8, chatter_share float8, standing int8, grades jsonb, incidents int8,
    acknowledge_p50_s float8, acknowledge_p95_s float8, verify_p50_s float8, verify_p95_s float8,
    close_p50_s float8, close_p95_s float8, in_time_share float8, false_share float8
) language sql stable as $$
with raised as (
    select r.*, case dimension when 'desk' then r.desk when 'lifeline' then r.lifeline
        when 'model' then r.model when 'day' then r.at::date::text end as key,
        count(*) over (partition by r.alarm order by r.onset_ms
            range between 60000 preceding and current row) as in_minute
    from kpi_raise r
    where r.received_ms >= extract(epoch from from_at) * 1000
        and r.received_ms < extract(epoch from until_at) * 1000
), binned as (
    select r.key, (r.received_ms / 600000) as bin, count(*) as n from raised r group by 1, 2
), decided as (
    -- A flood begins above 10 in 10 minutes and ends below 5; in between it goes on as it was.
    select b.*, case when b.n > 10 then 1 when b.n < 5 then 0
        when b.bin - 1 is distinct from lag(b.bin) over (partition by b.key order by b.bin) then 0
    end as is_flood from binned b
), runs as (
    select d.*, count(d.is_flood) over (partition by d.key order by d.bin) as run from decided d
), flooded as (
    select f.key, max(f.n) as peak, sum(f.flood) as bins from (
        select u.key, u.n, first_value(u.is_flood) over (partition by u.key, u.run order by u.bin)
            as flood from runs u
    ) f group by 1
), counted as (
    select r.key, count(*) as alarms,
        count(distinct r.alarm) filter (where r.in_minute >= 3) as chattering,
        count(*) filter (where r.in_minute >= 3) as chatters,
        count(*) filter (where r.lasted_s > 86400) as standing
    from raised r group by 1
), graded as (
    select g.key, jsonb_object_agg(g.grade, g.n order by g.grade) as grades from (
        select r.key, r.grade, count(*) as n from raised r group by 1, 2
    ) g group by 1
), cases as (
    select c.*, case dimension when 'desk' then c.desk when 'lifeline' then c.lifeline
        when 'model' then c.model when 'day' then c.at::date::text end as key
    from kpi_case c
    where c.opened_ms >= extract(epoch from from_at) * 1000
        and c.opened_ms < extract(epoch from until_at) * 1000
), people as (
    select c.key, count(*) as incidents,
        percentile_cont(0.50) within group (order by c.acknowledge_s) as a50,
        percentile_cont(0.95) within group (order by c.acknowledge_s) as a95,
        percentile_cont(0.50) within group (order by c.verify_s) as v50,
        percentile_cont(0.95) within group (order by c.verify_s) as v95,
        percentile_cont(0.50) within group (order by c.close_s) as c50,
        percentile_cont(0.95) within group (order by c.close_s) as c95,
        avg(case when c.is_in_time then 1.0 when not c.is_in_time then 0.0 end) as in_time,
        avg(case c.verdict when 'false' then 1.0 when 'true' then 0.0 end) as wrong
    from cases c group by 1
), spans as (
    select k.key, greatest(extract(epoch from least(until_at, now(),
            case dimension when 'day' then (k.key::date + 1)::timestamptz else 'infinity' end)
        - greatest(from_at,
            case dimension when 'day' then k.key::date::timestamptz else '-infinity' end)), 600)
        as seconds
    from (select key from counted union select key from people) k
)
select s.key, coalesce(c.alarms, 0), (coalesce(c.alarms, 0) * 600 / s.seconds)::float8,
    coalesce(f.peak, 0), least(1, coalesce(f.bins, 0) * 600 / s.seconds)::float8,
    coalesce(c.chattering, 0), (c.chatters::float8 / c.alarms), coalesce(c.standing, 0),
    coalesce(g.grades, '{}'), coalesce(p.incidents, 0), p.a50, p.a95, p.v50, p.v95, p.c50, p.c95,
    p.in_time::float8, p.wrong::float8
from spans s
left join counted c using (key) left join flooded f using (key) left join graded g using (key)
left join people p using (key)
order by 1
$$;
comment on function kpi is 'The figures of a time by desk, lifeline, model or day.';

create function kpi_top(dimension text, from_at timestamptz, until_at timestamptz) returns table (
    key text, place int8, channel text, rule text, alarms int8, share float8
) language sql stable as $$
with counted as (
    select case dimension when 'desk' then r.desk when 'lifeline' then r.lifeline
            when 'model' then r.model when 'day' then r.at::date::text end as key,
        r.channel, r.rule, count(*) as n
    from kpi_raise r
    where r.received_ms >= extract(epoch from from_at) * 1000
        and r.received_ms < extract(epoch from until_at) * 1000
    group by 1, 2, 3
), placed as (
    select c.*, row_number() over (partition by c.key order by c.n desc, c.channel, c.rule) as place,
        c.n / sum(c.n) over (partition by c.key) as share
    from counted c
)
select p.key, p.place, p.channel, p.rule, p.n, p.share::float8 from placed p where p.place <= 10
order by 1, 2
$$;
comment on function kpi_top is 'The ten alarms that come most often, and their share of all.';

create view kpi_by_desk as select * from kpi('desk', now() - interval '30 days', now());
create view kpi_by_lifeline as select * from kpi('lifeline', now() - interval '30 days', now());
create view kpi_by_model as select * from kpi('model', now() - interval '30 days', now());
create view kpi_by_day as
    select * from kpi('day', date_trunc('day', now()) - interval '30 days', now());
create view kpi_standing as
select a.key as alarm, a.channel, a.hazard, a.lifeline, a.zone, a.state, a.grade,
    to_timestamp(a.active_ms / 1000.0) as since
from alarm a
where a.active_ms < (extract(epoch from now()) - 86400) * 1000 and not a.drill
    and a.lifeline <> 'canary'
order by a.active_ms;
comment on view kpi_standing is 'Alarms whose condition has stood for more than a day, shown or hidden.';
