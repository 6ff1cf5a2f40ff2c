-- Webhooks that were taken, so that repetitions are ignored. Kept for a week: channels repeat for two days at most.
create table webhooks (
    channel text not null,
    id      text not null,
    seen_at bigint not null,
    primary key (channel, id)
);
