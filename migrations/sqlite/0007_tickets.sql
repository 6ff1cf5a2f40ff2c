-- Changes that a shop accepted for later judgement: what to ask with, and what was sent. Nothing else is sent for these SKUs.
create table tickets (
    shop   text    not null,
    sku    text    not null,
    ticket text    not null,                     -- in the channel's own terms
    change text    not null,                     -- JSON of `Change`
    since  integer not null,
    primary key (shop, sku)
) strict, without rowid;
