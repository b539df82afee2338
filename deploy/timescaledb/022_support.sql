-- A link's second button: support is asked for once a link, whether its incident is taken or not.

alter table link add column supported_at timestamptz;
comment on column link.supported_at is 'When support was asked for by it: at most once.';
