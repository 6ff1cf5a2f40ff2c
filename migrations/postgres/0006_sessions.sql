-- Who has signed in on the page. A session holds only for the password that was in force when it began.
create table sessions (
    hash       text    not null primary key,     -- hash of the browser's cookie
    password   text    not null,                 -- digest of the password's hash
    created_at bigint not null,
    ends_at    bigint not null
);
