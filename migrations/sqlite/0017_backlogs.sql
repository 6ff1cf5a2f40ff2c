-- Questions about what a shop judges later take turns: when each ticket is to be asked after next.
alter table tickets add column ask_at integer not null default 0;
create index tickets_turn on tickets (shop, remembered, ticket, sku, ask_at, since);

-- Remembered fields are sent product by product, some products at a time.
alter table remembered add column product text not null default '';  -- the shop's own id
update remembered set product = coalesce((
    select json_extract(body, '$.product_id') from listings
    where listings.shop = remembered.shop and listings.sku = remembered.sku), '');
drop index remembered_differ;
create index remembered_differ on remembered (shop, product, sku, field)
    where wanted is not null and wanted <> coalesce(accepted, '') and (refused is null or refused <> wanted);
create index remembered_product on remembered (shop, product);
