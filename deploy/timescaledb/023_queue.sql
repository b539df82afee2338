-- The queue's order as an index: a page of it reads no more rows than it shows, however many
-- incidents are open and however often each has been written since the last vacuum.

alter table incident add column score float8;
comment on column incident.score is
    'Risk, 0 to 100, kept by the console beside the engine; null: not yet assessed.';
update incident i set score = r.score from incident_rank r where r.incident = i.id;
alter table incident_rank drop column score;
comment on table incident_rank is
    'Up to which revision an incident''s risk is known, and the words it is found by.';

create index incident_queue on incident (
    (case phase when 'open' then 1 when 'watching' then 3 when 'closed' then 4
        when 'archived' then 5 else 2 end),
    (-coalesce(closed_ms, 9e15::int8)),
    (-coalesce(score, 101 - grade)),
    (told is null),
    (coalesce(unseen_ms, progress_ms, onset_ms)),
    id
) where phase not in ('closed', 'archived');
drop index incident_live;

-- An incident is written many times while it lives: room for that in its page, and vacuum early.
alter table incident set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
