-- Fields that a shop does not show as they were sent: what is wanted of them, by hash, and what the shop last accepted and refused of them.
create table remembered (
    shop        text collate "C" not null,
    sku         text collate "C" not null,
    field       text collate "C" not null,
    wanted      text,                            -- null: nothing is wanted
    accepted    text,
    accepted_at bigint,
    refused     text,                            -- not sent again until another value is wanted
    primary key (shop, sku, field)
);
create index remembered_differ on remembered (shop, sku, field)
    where wanted is not null and wanted <> coalesce(accepted, '');

-- Such fields are sent apart from the others, so that neither waits for the other.
create table tickets_new (
    shop       text collate "C" not null,
    sku        text collate "C" not null,
    remembered bigint  not null default 0,
    ticket     text    not null,                 -- in the channel's own terms
    change     text    not null,                 -- JSON of `Change`
    since      bigint  not null,
    primary key (shop, sku, remembered)
);
insert into tickets_new (shop, sku, ticket, change, since) select shop, sku, ticket, change, since from tickets;
drop table tickets;
alter table tickets_new rename to tickets;

create table complaints_new (
    shop       text collate "C" not null,
    job        text collate "C" not null,
    sku        text collate "C" not null,
    remembered bigint  not null default 0,       -- about such fields
    code       text collate "C" not null,
    text       text    not null,
    request_id text,
    since      bigint  not null,
    run_id     bigint  not null,                 -- the run that last said so
    primary key (shop, job, sku, remembered, code)
);
insert into complaints_new (shop, job, sku, code, text, request_id, since, run_id)
select shop, job, sku, code, text, request_id, since, run_id from complaints;
drop table complaints;
alter table complaints_new rename to complaints;

-- From now on products come only from what has changed of the source's listings: it is read anew once.
update listings set hash = null where shop = (select value from facts where name = 'product_source');
