-- Instants are integer milliseconds since 1970 UTC; JSON, identifiers and money are text; sealed values are blobs.

-- One row per fact about this database: digest of the accepted settings, and the like.
create table facts (
    name  text not null primary key,
    value text not null
) strict;

-- One row per life of a daemon. `beat` grows while it lives.
create table instances (
    id              text    not null primary key,
    version         text    not null,
    started_at      integer not null,
    beat            integer not null default 0,
    settings_digest text    not null,
    standing_by     integer not null default 0,
    dead            integer not null default 0  -- declared dead; kept until the cover of its leases is over
) strict;

-- Named rights with a number that only grows. `cover_ms`: how long a dead holder's right outlives its beat.
create table leases (
    name     text    not null primary key,
    holder   text,
    number   integer not null,
    cover_ms integer not null default 0
) strict;

create table authorizations (
    id                     integer not null primary key autoincrement, -- never given twice: seals and reminders name it
    channel                text    not null,
    app                    text    not null,
    account                text    not null,
    account_name           text,
    state                  text    not null,
    why                    text,
    grant_number           integer not null,
    generation             integer not null,
    authorized_at          integer not null,
    ends_at                integer,
    ends_source            text,
    access_token           blob    not null,
    access_token_issued_at integer not null,
    access_token_ends_at   integer not null,
    refresh_token          blob,
    refresh_token_ends_at  integer,
    previous_refresh_token blob,
    probed_at              integer,
    intent_begun_at        integer,
    intent_generation      integer,
    intent_unanswered      integer,
    alarmed_at             integer,              -- the operator was told that the refresh token ends
    unique (channel, app, account)
) strict;

-- What a shop has beyond its settings. Kept when the shop leaves the settings, until it is forgotten.
create table shops (
    id               text    not null primary key,
    channel          text    not null,
    name             text    not null,
    place            text,                       -- the channel's word for the place of sale, unique per channel
    place_data       text,                       -- JSON the channel noted for its calls
    authorization_id integer references authorizations (id),
    configured       integer not null default 1, -- stands in the settings
    paused           integer not null default 0,
    closed_why       text,                       -- the channel's word that it is closed, frozen or suspended
    scope_missing    text,                       -- a right the authorization lacks
    rules_digest     text,                       -- the export rules that `wanted` was computed with
    wanted_revision  integer not null default 0, -- the variants' revision that `wanted` was computed from
    seen_fingerprint text,                       -- the content that the last complete import read
    released_plan    text                        -- digest of the guarded plan that a person let through
) strict;
create unique index shops_place on shops (channel, place) where place is not null and configured = 1;

-- A channel that refuses our app: all its shops wait.
create table channel_alarms (
    channel text    not null primary key,
    why     text    not null,
    since   integer not null
) strict;

-- One row per shop and job; `shop` is empty for the daemon's own jobs.
create table schedules (
    shop        text    not null,
    job         text    not null,
    period      text    not null,                -- as `Period::to_stored`
    grid_at     integer,                         -- the next instant of the grid; null where the period is `None`
    early_at    integer,                         -- an earlier look that the work itself asked for
    next_due_at integer,                         -- the earlier of the two, and null while held
    planned_at  integer,                         -- the last instant that was planned
    held_by     text,
    primary key (shop, job)
) strict, without rowid;
create index schedules_due on schedules (next_due_at) where next_due_at is not null;

create table runs (
    id           integer not null primary key,
    shop         text    not null,
    job          text    not null,
    run_trigger  text    not null,
    state        text    not null,
    outcome      text,
    due_at       integer not null,
    covers       integer not null default 1,
    deaths       integer not null default 0,      -- instances that died with it under way
    available_at integer not null,
    started_at   integer,
    finished_at  integer,
    attempt      integer not null default 0,
    instance     text,
    lease_number integer not null default 0,
    counts       text,
    error_kind   text,
    error_text   text,
    error_remedy text,
    demand       text
) strict;
create unique index runs_unfinished on runs (shop, job) where state in ('available', 'running', 'retryable');
create index runs_available on runs (available_at) where state in ('available', 'retryable');
create index runs_history on runs (shop, job, id);
create index runs_finished on runs (finished_at) where finished_at is not null;

-- The product source's words.
create table products (
    id   text not null primary key,
    body text not null                           -- JSON of `Product`
) strict, without rowid;
create table variants (
    sku        text    not null primary key,
    product_id text    not null,
    body       text    not null,                 -- JSON of `Variant`
    revision   integer not null,                 -- grows whenever the variant, its product or its being there changes
    gone_at    integer
) strict, without rowid;
create index variants_revision on variants (revision);
create index variants_product on variants (product_id, sku);

-- A SKU as a shop was last seen to have it, and as the source wants it there.
create table listings (
    shop         text    not null,
    sku          text    not null,
    body         text,                           -- JSON of `Listing`; null while only wanted (to be created)
    hash         text,                           -- of the whole listing
    currency     text,                           -- of its first price, empty without one; null while only wanted
    seen_hash    text,                           -- of its values in the shop's chosen fields
    wanted       text,                           -- JSON of `Values`; null: nothing is wanted
    wanted_hash  text,
    accepted_at  integer,                        -- when the shop last accepted a change: older pages do not overwrite it
    refused_hash text,                           -- wanted and seen hash that the shop refused: not sent again until either changes
    gone_at      integer,
    primary key (shop, sku)
) strict, without rowid;
create index listings_differ on listings (shop, sku)
    where wanted_hash is not null and wanted_hash <> coalesce(seen_hash, '') and gone_at is null;
create index listings_live on listings (shop, currency) where currency is not null and gone_at is null;

create table complaints (
    shop       text    not null,
    job        text    not null,
    sku        text    not null,
    code       text    not null,
    text       text    not null,
    request_id text,
    since      integer not null,
    run_id     integer not null,                 -- the run that last said so
    primary key (shop, job, sku, code)
) strict, without rowid;

-- Where each import stands: the pass under way, or the last one.
create table passes (
    shop       text    not null,
    number     integer not null,
    kind       text    not null,
    started_at integer not null,
    cursor     text,
    resume     text,                             -- what the next pass of changes starts from, once ended
    ended_at   integer,
    primary key (shop, number)
) strict, without rowid;

-- What a pass under way has seen, a page a row: a complete pass that ends marks the rest as gone.
create table passes_seen (
    shop   text    not null,
    number integer not null,
    chunk  integer not null,
    skus   text    not null,                     -- JSON array
    primary key (shop, number, chunk)
) strict, without rowid;

create table reminders (
    authorization_id integer not null references authorizations (id),
    grant_number     integer not null,
    kind             text    not null,           -- step | ended | renewed
    step_date        text    not null,           -- local date of the step; empty for the others
    state            text    not null,           -- owed | covered | sent | cancelled
    owed_at          integer not null,
    primary key (authorization_id, grant_number, kind, step_date)
) strict, without rowid;

create table outbox (
    id               integer not null primary key,
    dedup            text    not null unique,    -- the reason, once: reminder/ADDRESS/DATE and the like
    kind             text    not null,
    recipient        text    not null,
    language         text    not null,
    shops            text    not null,           -- JSON array of ids
    payload          text    not null,           -- JSON it is composed from
    subject          text,                       -- frozen at the first attempt, like the two bodies
    body             text,
    message_id       text    not null,
    state            text    not null,           -- owed | sent | refused | cancelled
    owed_at          integer not null,
    next_attempt_at  integer not null,
    attempts         integer not null default 0,
    first_attempt_at integer,
    sent_at          integer,
    error            text
) strict;
create index outbox_owed on outbox (next_attempt_at) where state = 'owed';

create table journal (
    id    integer not null primary key,
    at    integer not null,
    who   text    not null,
    event text    not null,
    shop  text    not null,
    text  text    not null
) strict;
create index journal_shop on journal (shop, id);

create table oauth_states (
    hash       text    not null primary key,
    shop       text    not null,
    browser    text    not null,                 -- hash of the browser's cookie; empty for the command line
    created_at integer not null,
    used_at    integer
) strict;
