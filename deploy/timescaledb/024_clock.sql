-- The latest time that this database's clock has shown, so that one that is set back is seen.

create table clock_seen (
    one boolean primary key default true check (one),
    at  timestamptz not null
);
comment on table clock_seen is
    'The latest time that was seen here: an earlier one means that the clock was set back by so much.';
insert into clock_seen (at) values (clock_timestamp());
