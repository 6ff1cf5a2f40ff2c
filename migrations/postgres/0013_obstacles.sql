-- Which job was told that the shop is closed, or that a right is missing: what a probe was told, another probe may take back.
alter table shops add column closed_found_by text;
alter table shops add column scope_found_by text;
-- Something was heard of the shop that the next look has to prove.
alter table shops add column to_prove bigint not null default 0;

-- Where a shop was before its settings named another place of sale, with the authorization that it had there: whoever corrects
-- the settings soon has it back.
create table former_places (
    shop             text    not null,
    channel          text    not null,
    place            text    not null,
    authorization_id bigint  not null references authorizations (id),
    place_data       text,
    left_at          bigint  not null,
    primary key (shop, channel, place)
);
