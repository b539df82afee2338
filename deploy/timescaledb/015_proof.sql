-- The proof of what was done: audit lines in chains of hashes, chains sealed together, what was
-- anchored outside; readings copied for an incident; and a role that can change none of it.

alter table audit
    add column subject text,
    add column number  int8,
    add column if not exists alarm  text not null default '',
    add column if not exists second text not null default '',
    add column detail  text not null default '',
    add column hash    bytea;
comment on column audit.subject is 'The chain: an incident, or a word such as house.';
comment on column audit.hash is
    'sha256(hash of the line before ‖ canonical bytes of this one), see alerting/audit/chain.py.';

-- The lines from before are chained in their order, by the same bytes as alerting/audit/chain.py.
create function pg_temp.packed(variadic words text[]) returns bytea language sql as $$
    select string_agg(int4send(octet_length(convert_to(word, 'UTF8'))) || convert_to(word, 'UTF8'),
        ''::bytea order by place)
    from unnest(words) with ordinality as w (word, place)
$$;
alter table audit disable trigger audit_append_only;
do $$
declare
    line  record;
    name  text := null;
    place int8;
    ahead bytea;
begin
    for line in
        select a.*, coalesce(nullif(a.incident, ''), 'house') as chain,
            (extract(epoch from a.written) * 1000000)::int8 as written_us
        from audit a order by chain, a.id
    loop
        if name is distinct from line.chain then
            name := line.chain;
            place := 0;
            ahead := decode(repeat('00', 32), 'hex');
        end if;
        place := place + 1;
        ahead := sha256(ahead || pg_temp.packed('1', line.chain, place::text,
            line.written_us::text, line.incident, line.at_ms::text, line.actor, line.action,
            line.reason, line.note, line.channel, line.revision::text,
            line.alarm, line.second, line.detail));
        update audit set subject = line.chain, number = place, hash = ahead where id = line.id;
    end loop;
end
$$;
alter table audit enable trigger audit_append_only;
alter table audit
    alter column subject set not null,
    alter column number set not null,
    alter column hash set not null,
    add constraint audit_place unique (subject, number),
    add constraint audit_number check (number >= 1),
    add constraint audit_hash check (octet_length(hash) = 32),
    add constraint audit_chain check (incident in ('', subject));

create table audit_pending (
    subject text not null,
    number  int8 not null,
    primary key (subject, number)
);
comment on table audit_pending is 'Lines that no seal covers yet; removed with the seal that does.';
insert into audit_pending (subject, number) select subject, max(number) from audit group by 1;

create table audit_owed (
    id   int8 generated always as identity primary key,
    body bytea not null,
    at   timestamptz not null default clock_timestamp()
);
comment on table audit_owed is
    'What the house itself did while the audit took no lines: an alarm does not wait for it.';

create table seal (
    number int8  primary key check (number >= 1),
    sealed timestamptz not null,
    heads  int4  not null,
    root   bytea not null check (octet_length(root) = 32),
    hash   bytea not null check (octet_length(hash) = 32)
);
comment on table seal is 'One chain over all chains: the heads that had grown, once a second.';
create table seal_head (
    seal    int8  not null references seal,
    subject text  not null,
    number  int8  not null,
    hash    bytea not null,
    primary key (seal, subject)
);
create index seal_head_subject on seal_head (subject, number);
comment on table seal_head is 'How far each chain was that a seal covers.';

create table anchor (
    id    int8  generated always as identity primary key,
    place text  not null,
    seal  int8  not null,
    hash  bytea not null,
    at    timestamptz not null
);
comment on table anchor is
    'Which seal was written down where outside; what counts is what lies there, not this.';
create index anchor_place on anchor (place, id desc);
create index anchor_seal on anchor (seal);

create table incident_evidence (
    incident    text primary key references incident on delete cascade,
    revision    int4 not null default 0,
    stage       text not null default 'new'
        check (stage in ('new', 'live', 'settling', 'whole')),
    due_at      timestamptz not null default clock_timestamp(),
    copied_at   timestamptz,
    catalog     text not null default '',
    rules       jsonb not null default '{}',
    spans       jsonb not null default '{}',
    readings    int8 not null default 0,
    is_cut      boolean not null default false
);
comment on table incident_evidence is 'How far the readings of an incident are copied, and when next.';
comment on column incident_evidence.rules is
    'Rules and limits of its findings as they were when each was first seen; catalog: that one''s digest.';
comment on column incident_evidence.spans is 'Channel -> [[from, until], ...] of its readings, unix ms.';
comment on column incident_evidence.is_cut is 'There were more readings than evidence.rows_max.';
create index incident_evidence_due on incident_evidence (due_at) where stage <> 'whole';

create table incident_reading (
    incident text not null,
    channel  text not null,
    time     timestamptz not null,
    value    float8,
    quality  int2 not null,
    primary key (incident, channel, time)
);
comment on table incident_reading is
    'Readings around an incident, copied so that retention cannot take them.';

create trigger seal_append_only before update or delete on seal
    for each row execute function refuse_change();
create trigger seal_no_truncate before truncate on seal
    for each statement execute function refuse_change();
create trigger seal_head_append_only before update or delete on seal_head
    for each row execute function refuse_change();
create trigger seal_head_no_truncate before truncate on seal_head
    for each statement execute function refuse_change();
create trigger anchor_append_only before update or delete on anchor
    for each row execute function refuse_change();
create trigger anchor_no_truncate before truncate on anchor
    for each statement execute function refuse_change();
create trigger incident_reading_append_only before update or delete on incident_reading
    for each row execute function refuse_change();
create trigger incident_reading_no_truncate before truncate on incident_reading
    for each statement execute function refuse_change();

-- Services take this role where it is there (lifeline.db.SERVICE_ROLE): whatever somebody makes
-- them say to the database, it cannot change or delete what is append-only.
create function provide_service_role() returns boolean language plpgsql as $$
declare
    named text;
begin
    if to_regrole('lifeline_service') is null then
        begin
            create role lifeline_service nologin;
        exception when insufficient_privilege or duplicate_object or unique_violation then
            -- Whoever administers the server makes it: docs/operations.md.
            null;
        end;
    end if;
    if to_regrole('lifeline_service') is null then
        return false;
    end if;
    if not pg_has_role('lifeline_service', 'member') then
        begin
            execute format('grant lifeline_service to %I', current_user);
        exception when insufficient_privilege then
            return false;
        end;
    end if;
    grant usage on schema public to lifeline_service;
    for named in
        select c.oid::regclass::text from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
            and not c.relispartition and pg_has_role(c.relowner, 'usage')
    loop
        execute format('grant select, insert, update, delete on %s to lifeline_service', named);
    end loop;
    -- What has the trigger that refuses is append-only, whoever made it.
    for named in
        select distinct t.tgrelid::regclass::text from pg_trigger t
        where t.tgfoid = 'refuse_change'::regproc and not t.tgisinternal
    loop
        execute format('revoke update, delete, truncate on %s from lifeline_service', named);
    end loop;
    return true;
end
$$;
comment on function provide_service_role is
    'Makes the services'' role and gives it what it needs; run by every `lifeline migrate`.';
