-- As for SQLite, which needs `gone_at` in the index to answer from it alone.
drop index listings_live;
create index listings_live on listings (shop, currency, gone_at) where currency is not null and gone_at is null;
