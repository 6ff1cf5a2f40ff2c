-- What the SKUs of a product have in common, once instead of with each of them: most of what a catalogue weighs. A row never changes:
-- other content is another row. A table with row numbers, since without them rows as long as these take a page each.
create table texts (
    id      text not null primary key,           -- the product's id and a hash of the content
    content text not null                        -- JSON of `Texts`
) strict;

insert into texts (id, content)
select 'product/' || id, json_object('title', body -> '$.title', 'description', body -> '$.description',
    'brand', body -> '$.brand', 'category', body -> '$.category', 'images', coalesce(body -> '$.images', json('[]')))
from products;
alter table products add column texts_id text not null default '';
update products set texts_id = 'product/' || id;
alter table products drop column body;

insert into texts (id, content)
select 'listing/' || shop || '/' || sku, json_object('title', body -> '$.title', 'description', body -> '$.description',
    'brand', body -> '$.brand', 'category', body -> '$.category', 'images', body -> '$.images')
from listings where body is not null;
alter table listings add column texts_id text;
update listings
set texts_id = 'listing/' || shop || '/' || sku,
    body = json_remove(body, '$.title', '$.description', '$.brand', '$.category', '$.images')
where body is not null;
