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
alter table tickets add column remembered bigint not null default 0;
alter table tickets drop constraint tickets_pkey;
alter table tickets add primary key (shop, sku, remembered);

alter table complaints add column remembered bigint not null default 0;
alter table complaints drop constraint complaints_pkey;
alter table complaints add primary key (shop, job, sku, remembered, code);
