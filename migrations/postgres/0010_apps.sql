-- The app that the settings in force name for the shop: an authorization that was given to another one counts as none.
alter table shops add column app text;
update shops set app = (select app from authorizations where authorizations.id = shops.authorization_id);

-- An app that its channel refuses: all its shops wait.
create table app_alarms (
    channel    text    not null,
    app        text    not null,
    id_key     text    not null,                 -- under which key of the settings its id stands
    secret_key text    not null,
    why        text    not null,
    since      bigint  not null,
    primary key (channel, app)
);
-- Which app it was that the channel refused, nobody noted: each one finds out for itself.
insert into app_alarms (channel, app, id_key, secret_key, why, since)
    select distinct a.channel, s.app, 'client_id', 'client_secret', a.why, a.since
    from channel_alarms a join shops s on s.channel = a.channel
    where s.app is not null;
drop table channel_alarms;
