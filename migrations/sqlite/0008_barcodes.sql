-- Barcodes without leading zeros (a UPC is an EAN with one in front), by which listings of other SKUs are matched.
alter table variants add column barcode text;
update variants set barcode = nullif(ltrim(trim(body ->> '$.barcode'), '0'), '');
create index variants_barcode on variants (barcode) where barcode is not null;
