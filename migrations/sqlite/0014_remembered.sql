-- Fields that a shop does not show as they were sent: what is wanted of them, by hash, and what the shop last accepted and refused of them.
create table remembered (
    shop        text    not null,
    sku         text    not null,
    field       text    not null,
    wanted      text,                            -- null: nothing is wanted
    accepted    text,
    accepted_at integer,
    refused     text,                            -- not sent again until another value is wanted
    primary key (shop, sku, field)
) strict, without rowid;
create index remembered_differ on remembered (shop, sku, field)
    where wanted is not null and wanted <> coalesce(accepted, '');

-- Such fields are sent apart from the others, so that neither waits for the other.
create table tickets_new (
    shop       text    not null,
    sku        text    not null,
    remembered integer not null default 0,
    ticket     text    not null,                 -- in the channel's own terms
    change     text    not null,                 -- JSON of `Change`
    since      integer not null,
    primary key (shop, sku, remembered)
) strict, without rowid;
insert into tickets_new (shop, sku, ticket, change, since) select shop, sku, ticket, change, since from tickets;
drop table tickets;
alter table tickets_new rename to tickets;

create table complaints_new (
    shop       text    not null,
    job        text    not null,
    sku        text    not null,
    remembered integer not null default 0,       -- about such fields
    code       text    not null,
    text       text    not null,
    request_id text,
    since      integer not null,
    run_id     integer not null,                 -- the run that last said so
    primary key (shop, job, sku, remembered, code)
) strict, without rowid;
insert into complaints_new (shop, job, sku, code, text, request_id, since, run_id)
select shop, job, sku, code, text, request_id, since, run_id from complaints;
drop table complaints;
alter table complaints_new rename to complaints;

-- From now on products come only from what has changed of the source's listings: it is read anew once.
update listings set hash = null where shop = (select value from facts where name = 'product_source');
