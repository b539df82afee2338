-- Ways out: notices to organisations and pages to people, and how many messages went of late.

-- A test page belongs to no incident.
alter table outbox alter column incident drop not null;
alter table outbox
    add column class        text not null default 'notice' check (class in ('notice', 'page')),
    add column person       text not null default '',
    add column address      text not null default '',
    add column language     text not null default '',
    add column held_until   timestamptz,
    add column ended_at     timestamptz,
    add column ended_why    text not null default '',
    add column overtaken_at timestamptz;
comment on column outbox.class is
    'notice: tells an organisation, and goes on whatever officers do. page: tells a person who must act.';
comment on column outbox.address is 'Where the person is reached by this target; empty: the target''s own.';
comment on column outbox.held_until is
    'Not leased until released or ended, however late that comes; the time is when it is expected.';
comment on column outbox.ended_at is 'Never to be sent: what it asks for has been done.';
comment on column outbox.overtaken_at is 'It was on its way when what it asks for was done.';

drop index outbox_waiting;
create index outbox_waiting on outbox (target, grade, id)
    where delivered_at is null and dead_at is null and ended_at is null;
create index outbox_pages on outbox (incident)
    where class = 'page' and delivered_at is null and dead_at is null and ended_at is null;

-- One message may carry many notices: robots take 20 a minute. Rows outlive the router that sent.
create table outbox_message (
    id        int8 generated always as identity primary key,
    target    text not null,
    address   text not null,
    grade     int4 not null,
    incidents int4 not null,
    failed    boolean not null default false,
    at        timestamptz not null default clock_timestamp()
);
comment on table outbox_message is
    'Messages that were begun for receivers who count them: the pace is kept across restarts and routers.';
comment on column outbox_message.failed is
    'It reached nobody: the vendor may have counted it, but nobody has read it.';
create index outbox_message_recent on outbox_message (target, at);

alter table attempt
    add column channel text not null default '',
    add column number  int4 not null default 0,
    add column message int8;
comment on column attempt.channel is 'Kind of the target that it went by.';
comment on column attempt.number is 'Which try of this notice it was, from 1.';
comment on column attempt.message is 'Of outbox_message, where several notices went as one.';
