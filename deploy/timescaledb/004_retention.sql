-- Retention by class: what the archive knows of how long a channel's readings are kept.

alter table channel add column retention text not null default '';
comment on column channel.retention is
    'Its class by the catalog; empty until the archive has looked, and kept longest while it is.';

create table swept (
    day        timestamptz not null,
    class      text        not null,
    through    int4        not null default 0,
    readings   bigint      not null default 0,
    is_done    boolean     not null default false,
    primary key (day, class)
);
comment on table swept is
    'How far a class''s old readings are deleted from the piece of the table that begins at day.';
