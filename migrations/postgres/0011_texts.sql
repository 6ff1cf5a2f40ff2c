-- What the SKUs of a product have in common, once instead of with each of them: most of what a catalogue weighs. A row never changes:
-- other content is another row.
create table texts (
    id      text collate "C" not null primary key, -- the product's id and a hash of the content
    content text not null                        -- JSON of `Texts`
);

insert into texts (id, content)
select 'product/' || id, jsonb_build_object('title', body::jsonb -> 'title', 'description', body::jsonb -> 'description',
    'brand', body::jsonb -> 'brand', 'category', body::jsonb -> 'category',
    'images', coalesce(body::jsonb -> 'images', '[]'::jsonb))::text
from products;
alter table products add column texts_id text collate "C" not null default '';
update products set texts_id = 'product/' || id;
alter table products drop column body;

insert into texts (id, content)
select 'listing/' || shop || '/' || sku, jsonb_build_object('title', body::jsonb -> 'title',
    'description', body::jsonb -> 'description', 'brand', body::jsonb -> 'brand', 'category', body::jsonb -> 'category',
    'images', body::jsonb -> 'images')::text
from listings where body is not null;
alter table listings add column texts_id text collate "C";
update listings
set texts_id = 'listing/' || shop || '/' || sku,
    body = (body::jsonb - 'title' - 'description' - 'brand' - 'category' - 'images')::text
where body is not null;
