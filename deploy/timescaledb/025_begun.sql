-- Who began a message, and whether its outcome is known: what a router was killed over reached nobody.

alter table outbox_message
    add column lease  text    not null default '',
    add column marked boolean not null default false;
comment on column outbox_message.lease is
    'The router that began it; one that is gone, with no outcome marked, has left it lying.';
comment on column outbox_message.marked is 'What became of it was written down.';
