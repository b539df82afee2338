-- A push that went past PostgreSQL may be signed for before its row is here: the word waits for it.

alter table exchange_stray add column receipt jsonb;
comment on column exchange_stray.receipt is
    'A receiver''s word about a notice that is not in the outbox, or not yet; it is taken up when it is.';
create index exchange_stray_receipt on exchange_stray ((receipt ->> 'key')) where receipt is not null;
