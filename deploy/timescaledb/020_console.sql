-- Who may use the console, who is signed in, and what was asked for under which idempotency key.

create table console_user (
    name     text primary key check (length(name) between 1 and 64),
    role     text not null check (role in ('operator', 'officer', 'admin')),
    password text not null,
    disabled boolean not null default false,
    created  timestamptz not null default clock_timestamp()
);
comment on column console_user.password is
    'argon2id, encoded with its own parameters and salt; empty once the sealed account''s is used up.';

create table console_second_factor (
    name    text primary key references console_user on delete cascade,
    seed    bytea not null check (length(seed) = 20),
    step    int8  not null default 0,
    created timestamptz not null default clock_timestamp()
);
comment on table console_second_factor is
    'Apart from console_user: a role that only reads people is not granted this.';
comment on column console_second_factor.seed is
    'With the key file it makes the secret; where none is set, whoever reads this can make codes.';
comment on column console_second_factor.step is 'The newest 30 s whose code was used: a code is good once.';
revoke all on console_second_factor from public;

create table console_session (
    token   bytea primary key,
    name    text not null references console_user on delete cascade,
    form    text not null,
    created timestamptz not null default clock_timestamp(),
    seen    timestamptz not null default clock_timestamp()
);
comment on column console_session.token is 'SHA-256 of the cookie: who reads this table cannot sign in with it.';
comment on column console_session.form is 'The hidden field that every form of this session carries.';

create table console_seat (
    token   bytea not null,
    name    text  not null references console_user on delete cascade,
    created timestamptz not null default clock_timestamp(),
    primary key (token, name)
);
comment on table console_seat is
    'Browsers from which somebody has signed in before: strangers'' failures never lock these out.';

create table console_attempt (
    key      text primary key,
    failures int4 not null,
    last     timestamptz not null default clock_timestamp()
);
comment on table console_attempt is 'Failed sign-ins by seat, or by name and address, within the last minutes.';

create table console_request (
    name   text  not null,
    key    text  not null,
    digest bytea not null,
    status int4  not null default 0,
    body   bytea not null default '',
    etag   text  not null default '',
    at     timestamptz not null default clock_timestamp(),
    primary key (name, key)
);
comment on table console_request is 'Answers given under an Idempotency-Key, for a day.';
