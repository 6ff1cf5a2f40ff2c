//! A row of every table as each version of the program wrote it: a value for each column, with the versions that know it.

use std::collections::BTreeSet;

/// The newest version. A migration that adds a column has its value added here.
pub(super) const KNOWN: i64 = 19;

const EVER: i64 = i64::MAX;

struct Column {
    name: &'static str,
    /// As SQL; `BYTES` stands for sealed ones, which the databases write differently.
    value: &'static str,
    /// Known from this version until before that one.
    from: i64,
    until: i64,
}

const fn always(name: &'static str, value: &'static str) -> Column {
    Column { name, value, from: 1, until: EVER }
}

const fn since(from: i64, name: &'static str, value: &'static str) -> Column {
    Column { name, value, from, until: EVER }
}

const fn before(until: i64, name: &'static str, value: &'static str) -> Column {
    Column { name, value, from: 1, until }
}

/// A row of a table: where the same one comes twice, it has two.
type Sample = (&'static str, &'static [Column]);

const SAMPLES: &[Sample] = &[
    ("facts", &[always("name", "'product_source'"), always("value", "'erp'")]),
    (
        "instances",
        &[
            always("id", "'north.abc'"),
            always("version", "'0.1.0'"),
            always("started_at", "1700000000000"),
            always("beat", "7"),
            always("settings_digest", "'digest'"),
            always("standing_by", "0"),
            always("dead", "0"),
            since(19, "settings_error", "null"),
        ],
    ),
    (
        "leases",
        &[
            always("name", "'authorization/1'"),
            always("holder", "null"),
            always("number", "3"),
            always("cover_ms", "20000"),
        ],
    ),
    (
        "authorizations",
        &[
            always("id", "1"),
            always("channel", "'tiktok_shop'"),
            always("app", "'68abc'"),
            always("account", "'seller-harbour'"),
            always("account_name", "'Harbour Ltd'"),
            always("state", "'active'"),
            always("why", "null"),
            always("grant_number", "2"),
            always("generation", "5"),
            always("authorized_at", "1700000000000"),
            always("ends_at", "1731536000000"),
            always("ends_source", "'told'"),
            always("access_token", "BYTES"),
            always("access_token_issued_at", "1700000000000"),
            always("access_token_ends_at", "1700600000000"),
            always("refresh_token", "BYTES"),
            always("refresh_token_ends_at", "1731536000000"),
            always("previous_refresh_token", "BYTES"),
            always("probed_at", "1700000001000"),
            always("intent_begun_at", "null"),
            always("intent_generation", "null"),
            always("intent_unanswered", "null"),
            before(4, "alarmed_at", "1700000002000"),
            since(9, "intent_doubt", "null"),
        ],
    ),
    (
        "shops",
        &[
            always("id", "'uk'"),
            always("channel", "'tiktok_shop'"),
            always("name", "'Harbour'"),
            always("place", "'7490000000000000001'"),
            always("place_data", r#"'{"cipher":"C1"}'"#),
            always("authorization_id", "1"),
            always("configured", "1"),
            always("paused", "0"),
            always("closed_why", "null"),
            always("scope_missing", "null"),
            always("rules_digest", "'rules'"),
            always("wanted_revision", "4"),
            always("seen_fingerprint", "'print'"),
            always("released_plan", "'plan'"),
            since(4, "stopped_plan", "null"),
            since(10, "app", "'68abc'"),
            since(13, "closed_found_by", "null"),
            since(13, "scope_found_by", "null"),
            since(13, "to_prove", "0"),
            since(18, "closed_since", "null"),
        ],
    ),
    // Gone with version 10: no shop is of this channel, so nothing comes of it.
    (
        "channel_alarms",
        &[before(10, "channel", "'amazon'"), before(10, "why", "'wrong secret'"), before(10, "since", "7")],
    ),
    (
        "app_alarms",
        &[
            since(10, "channel", "'amazon'"),
            since(10, "app", "'client eu'"),
            since(10, "id_key", "'client_id'"),
            since(10, "secret_key", "'client_secret'"),
            since(10, "why", "'wrong secret'"),
            since(10, "since", "7"),
        ],
    ),
    (
        "schedules",
        &[
            always("shop", "'uk'"),
            always("job", "'product_import'"),
            always("period", "'1 hour'"),
            always("grid_at", "1700003600000"),
            always("early_at", "null"),
            always("next_due_at", "1700003600000"),
            always("planned_at", "1700000000000"),
            always("held_by", "null"),
        ],
    ),
    (
        "runs",
        &[
            always("id", "7"),
            always("shop", "'uk'"),
            always("job", "'product_export'"),
            always("run_trigger", "'schedule'"),
            always("state", "'completed'"),
            always("outcome", "'held'"),
            always("due_at", "1700000000000"),
            always("covers", "2"),
            always("deaths", "1"),
            always("available_at", "1700000000000"),
            always("started_at", "1700000000100"),
            always("finished_at", "1700000000200"),
            always("attempt", "1"),
            always("instance", "'north.abc'"),
            always("lease_number", "2"),
            always("counts", r#"'{"seen":3,"changed":1,"unchanged":2,"gone":0,"sent":0,"refused":0}'"#),
            always("error_kind", "'guard'"),
            always("error_text", "'would retire 3 of 4 listings'"),
            always("error_remedy", "'look at the plan'"),
            always("demand", "null"),
            since(2, "follow_trigger", "null"),
            since(2, "follow_demand", "null"),
        ],
    ),
    (
        "products",
        &[
            always("id", "'tea'"),
            before(
                11,
                "body",
                r#"'{"id":"tea","title":"Green tea","description":"Fresh","brand":"Leaf","images":["https://example.com/tea.jpg"]}'"#,
            ),
            since(11, "texts_id", "'product/tea'"),
        ],
    ),
    (
        "texts",
        &[
            since(11, "id", "'product/tea'"),
            since(
                11,
                "content",
                r#"'{"title":"Green tea","description":"Fresh","brand":"Leaf","category":null,"images":["https://example.com/tea.jpg"]}'"#,
            ),
        ],
    ),
    (
        "texts",
        &[
            since(11, "id", "'listing/uk/TEA-1'"),
            since(
                11,
                "content",
                r#"'{"title":"Green tea, 100 g","description":null,"brand":null,"category":null,"images":[]}'"#,
            ),
        ],
    ),
    (
        "variants",
        &[
            always("sku", "'TEA-1'"),
            always("product_id", "'tea'"),
            always(
                "body",
                r#"'{"sku":"TEA-1","product_id":"tea","barcode":"0012345678905","prices":[{"amount":"4.50","currency":"GBP"}],"stock":12,"options":[["Size","100 g"]]}'"#,
            ),
            always("revision", "4"),
            always("gone_at", "null"),
            since(8, "barcode", "'12345678905'"),
        ],
    ),
    (
        "listings",
        &[
            always("shop", "'uk'"),
            always("sku", "'TEA-1'"),
            before(
                11,
                "body",
                r#"'{"sku":"TEA-1","product_id":"L-1","refs":{"sku_id":"9"},"title":"Green tea, 100 g","description":null,"brand":null,"images":[],"barcode":"0012345678905","options":[],"prices":[{"amount":"4.60","currency":"GBP"}],"stock":11,"status":"active"}'"#,
            ),
            since(
                11,
                "body",
                r#"'{"sku":"TEA-1","product_id":"L-1","refs":{"sku_id":"9"},"barcode":"0012345678905","options":[],"prices":[{"amount":"4.60","currency":"GBP"}],"stock":11,"status":"active"}'"#,
            ),
            always("hash", "'h1'"),
            always("currency", "'GBP'"),
            always("seen_hash", "'s1'"),
            always("wanted", r#"'{"price":{"amount":"4.50","currency":"GBP"},"stock":12}'"#),
            always("wanted_hash", "'w1'"),
            always("accepted_at", "1700000000150"),
            always("refused_hash", "null"),
            always("gone_at", "null"),
            since(11, "texts_id", "'listing/uk/TEA-1'"),
        ],
    ),
    (
        "complaints",
        &[
            always("shop", "'uk'"),
            always("job", "'product_import'"),
            always("sku", "'X-1'"),
            always("code", "'unknown_sku'"),
            always("text", "'the product source does not know this SKU'"),
            always("request_id", "'req-1'"),
            always("since", "1700000000000"),
            always("run_id", "7"),
            since(14, "remembered", "0"),
        ],
    ),
    (
        "passes",
        &[
            always("shop", "'uk'"),
            always("number", "1"),
            always("kind", "'full'"),
            always("started_at", "1700000000000"),
            always("cursor", "null"),
            always("resume", r#"'{"since":"2023-11-14T22:13:20Z"}'"#),
            always("ended_at", "1700000000200"),
            since(4, "run_id", "0"),
        ],
    ),
    (
        "passes_seen",
        &[always("shop", "'uk'"), always("number", "1"), always("chunk", "0"), always("skus", r#"'["TEA-1"]'"#)],
    ),
    (
        "reminders",
        &[
            always("authorization_id", "1"),
            always("grant_number", "2"),
            always("kind", "'step'"),
            always("step_date", "'2024-10-14'"),
            always("state", "'owed'"),
            always("owed_at", "1728889200000"),
            since(15, "extra", "0"),
        ],
    ),
    (
        "outbox",
        &[
            always("id", "3"),
            always("dedup", "'reminder/owner@example.com/2024-10-14'"),
            always("kind", "'reminder'"),
            always("recipient", "'owner@example.com'"),
            always("language", "'en'"),
            always("shops", r#"'["uk"]'"#),
            always(
                "payload",
                r#"'{"about":"reminder","steps":[{"authorization":1,"date":"2024-10-14","grant_number":2}]}'"#,
            ),
            always("subject", "'Harbour: the permission ends'"),
            always("body", "'From: shopsyncd'"),
            always("message_id", "'<shopsyncd.3@example.com>'"),
            always("state", "'owed'"),
            always("owed_at", "1728889200000"),
            always("next_attempt_at", "1728889260000"),
            always("attempts", "1"),
            always("first_attempt_at", "1728889200000"),
            always("sent_at", "null"),
            always("error", "'the relay is down'"),
            since(18, "unanswered", "1"),
            since(18, "silenced", "0"),
        ],
    ),
    (
        "journal",
        &[
            always("id", "1"),
            always("at", "1700000000000"),
            always("who", "'owner'"),
            always("event", "'authorization.granted'"),
            always("shop", "'uk'"),
            always("text", "'account Harbour Ltd authorized it'"),
        ],
    ),
    (
        "oauth_states",
        &[
            always("hash", "'state-hash'"),
            always("shop", "'uk'"),
            always("browser", "'browser-hash'"),
            always("created_at", "1700000000000"),
            always("used_at", "null"),
        ],
    ),
    (
        "webhooks",
        &[since(5, "channel", "'tiktok_shop'"), since(5, "id", "'hook-1'"), since(5, "seen_at", "1700000000000")],
    ),
    (
        "sessions",
        &[
            since(6, "hash", "'session-hash'"),
            since(6, "password", "'digest'"),
            since(6, "created_at", "1700000000000"),
            since(6, "ends_at", "1700600000000"),
        ],
    ),
    (
        "tickets",
        &[
            since(7, "shop", "'uk'"),
            since(7, "sku", "'TEA-2'"),
            since(7, "ticket", "'feed-1'"),
            since(7, "change", "'{}'"),
            since(7, "since", "1700000000000"),
            since(14, "remembered", "0"),
            since(17, "ask_at", "0"),
        ],
    ),
    (
        "remembered",
        &[
            since(14, "shop", "'uk'"),
            since(14, "sku", "'TEA-1'"),
            since(14, "field", "'images'"),
            since(14, "wanted", "'i1'"),
            since(14, "accepted", "'i1'"),
            since(14, "accepted_at", "1700000000150"),
            since(14, "refused", "null"),
            since(17, "product", "''"),
        ],
    ),
    (
        "former_places",
        &[
            since(13, "shop", "'uk'"),
            since(13, "channel", "'tiktok_shop'"),
            since(13, "place", "'7490000000000000002'"),
            since(13, "authorization_id", "1"),
            since(13, "place_data", "null"),
            since(13, "left_at", "1700000000000"),
        ],
    ),
];

impl Column {
    fn is_known_to(&self, version: i64) -> bool {
        self.from <= version && version < self.until
    }
}

/// Each row's table with the columns that a version knows, where it knows any.
fn known(version: i64) -> impl Iterator<Item = (&'static str, Vec<&'static Column>)> {
    SAMPLES.iter().filter_map(move |(table, columns)| {
        let known: Vec<_> = columns.iter().filter(|column| column.is_known_to(version)).collect();
        (!known.is_empty()).then_some((*table, known))
    })
}

/// Every `table.column` that a version knows.
pub(super) fn columns(version: i64) -> BTreeSet<String> {
    let names = |(table, columns): (&str, Vec<&Column>)| {
        columns.iter().map(|column| format!("{table}.{}", column.name)).collect::<Vec<_>>()
    };
    known(version).flat_map(names).collect()
}

/// What writes the rows as a version did.
pub(super) fn inserts(version: i64, postgres: bool) -> Vec<String> {
    let bytes = if postgres { "'\\x7365616c'" } else { "x'7365616c'" };
    let insert = |(table, columns): (&str, Vec<&Column>)| {
        let names = columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
        let values = columns.iter().map(|column| column.value.replace("BYTES", bytes)).collect::<Vec<_>>().join(", ");
        format!("insert into {table} ({names}) values ({values})")
    };
    known(version).map(insert).collect()
}

/// The tables of a version that are there to stay.
pub(super) fn kept(version: i64) -> Vec<&'static str> {
    let stays = |columns: &[&Column]| columns.iter().any(|column| column.until == EVER);
    known(version).filter(|(_, columns)| stays(columns)).map(|(table, _)| table).collect()
}
