//! Databases of earlier programs, with rows in them, brought up to date on both databases.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, path::Path};

use shopsyncd::{
    clock::Clock,
    domain::{AuthorizationId, JobKind, Part, PassKind, RunId, ShopId, Sku},
    store::{AppAlarm, RunFilter, Store, WantedShop},
};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _, migrate::Migrator};

mod rows;

use crate::world::{Database, on_both_databases};

on_both_databases! {
    what_a_program_of_any_version_wrote_reads_the_same_today,
    the_alarm_of_a_channel_becomes_one_of_each_of_its_apps,
    what_held_a_shop_holds_it_on_until_a_probe_works,
    what_stood_and_waited_is_of_the_fields_that_are_compared,
    what_was_remembered_is_sent_by_the_product_that_the_shop_has,
}

/// Makes a database as the program of this version left it, with these rows, and opens it with the program of today.
async fn brought_up_to_date(database: &Database, folder: &Path, version: i64, rows: &str) -> Store {
    left_at(database, folder, version).await;
    ask(database, folder, rows).await;
    Store::open(database.url().unwrap_or(FILE), folder).await.unwrap()
}

const FILE: &str = "sqlite:then.db";

/// Makes a database as the program of this version left it, without rows.
async fn left_at(database: &Database, folder: &Path, version: i64) {
    let as_then = async |files: &str| {
        let all = Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(files)).await.unwrap();
        Migrator::with_migrations(all.iter().filter(|one| one.version <= version).cloned().collect())
    };
    if let Some(url) = database.url() {
        let pool = sqlx::PgPool::connect(url).await.unwrap();
        as_then("postgres").await.run(&pool).await.unwrap();
        pool.close().await;
    } else {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("then.db")).create_if_missing(true);
        let pool = sqlx::SqlitePool::connect_with(file).await.unwrap();
        as_then("sqlite").await.run(&pool).await.unwrap();
        pool.close().await;
    }
}

/// Whatever the database is told or asked: the first columns of its answer.
async fn ask(database: &Database, folder: &Path, sql: &str) -> BTreeSet<String> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    if let Some(url) = database.url() {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let rows = connection.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    } else {
        let mut connection =
            sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("then.db")).connect().await.unwrap();
        let rows = connection.fetch_all(sql).await.unwrap();
        let columns = rows.iter().map(|row| row.get(0)).collect();
        connection.close().await.unwrap();
        columns
    }
}

/// Every `table.column`.
async fn columns(database: &Database, folder: &Path) -> BTreeSet<String> {
    const SQLITE: &str = "select m.name || '.' || c.name from sqlite_master m join pragma_table_info(m.name) c
        where m.type = 'table' and m.name not like 'sqlite%' and m.name <> '_sqlx_migrations'";
    const POSTGRES: &str = "select table_name || '.' || column_name from information_schema.columns
        where table_schema = 'public' and table_name <> '_sqlx_migrations'";
    ask(database, folder, if database.url().is_some() { POSTGRES } else { SQLITE }).await
}

async fn what_a_program_of_any_version_wrote_reads_the_same_today(database: Database) {
    let mut today: Option<String> = None;
    for version in (1..=rows::KNOWN).rev() {
        let folder = tempfile::tempdir().unwrap();
        if database.url().is_some() {
            ask(&database, folder.path(), "drop schema public cascade").await;
            ask(&database, folder.path(), "create schema public").await;
        }
        left_at(&database, folder.path(), version).await;
        let (there, sampled) = (columns(&database, folder.path()).await, rows::columns(version));
        assert_eq!(there, sampled, "tests/it/migrations/rows.rs has a value for each column of version {version}");
        for insert in rows::inserts(version, database.url().is_some()) {
            ask(&database, folder.path(), &insert).await;
        }
        let store = Store::open(database.url().unwrap_or(FILE), folder.path()).await.unwrap();
        let read = what_is_read(&store).await;
        store.close().await;
        for table in rows::kept(version) {
            let count = format!("select cast(count(*) as text) from {table}");
            let count = ask(&database, folder.path(), &count).await;
            assert!(!count.contains("0"), "{table} of version {version} has lost its row");
        }
        let today = today.get_or_insert_with(|| read.clone());
        let differ = read.lines().zip(today.lines()).find(|(then, today)| then != today);
        assert_eq!(differ, None, "written by version {version} (left), by that of today (right)");
        assert_eq!(read.len(), today.len(), "version {version}");
    }
    let today = today.unwrap();
    for word in ["Green tea", "TEA-1", "seller-harbour", "unknown_sku", "guard", "reminder", "12345678905"] {
        assert!(today.contains(word), "`{word}` was read: {today}");
    }
}

/// What today's program makes of everything that a program of the first version could have written.
async fn what_is_read(store: &Store) -> String {
    let mut tx = store.read("2026-03-01T12:00:00Z".parse().unwrap()).await.unwrap();
    let shop: ShopId = "uk".parse().unwrap();
    let skus = ["TEA-1".parse::<Sku>().unwrap()];
    let import = JobKind::ProductImport;
    [
        format!("{:#?}", tx.shops().await.unwrap()),
        format!("{:#?}", tx.authorizations().await.unwrap()),
        format!("{:#?}", tx.sealed_tokens(AuthorizationId(1)).await.unwrap().unwrap()),
        format!("{:#?}", tx.schedules(None).await.unwrap()),
        format!("{:#?}", tx.runs(&RunFilter::default(), 10).await.unwrap()),
        format!("{:#?}", tx.run(RunId(7)).await.unwrap().unwrap()),
        format!("{:#?}", tx.complaints(&shop, None).await.unwrap()),
        format!("{:#?}", tx.complaints_of(&shop, import).await.unwrap()),
        format!("{:#?}", tx.last_pass(&shop, PassKind::Full).await.unwrap().unwrap()),
        format!("{:?}", tx.resume_cursor(&shop).await.unwrap().unwrap().0),
        format!("{:#?}", tx.seen_in_pass(&shop, 1).await.unwrap()),
        format!("{:#?}", tx.variants(None, 10).await.unwrap()),
        format!("{:#?}", tx.skus_with_barcodes(&["12345678905".to_owned()]).await.unwrap()),
        format!("{:#?}", tx.listings_of(&shop, &skus).await.unwrap()),
        format!("{:#?}", tx.live_listings(&shop).await.unwrap()),
        format!("{:#?}", tx.mails(None, 10).await.unwrap()),
        format!("{:#?}", tx.reminders_in_force().await.unwrap()),
        format!("{:#?}", tx.journal(Some(&shop), 10).await.unwrap()),
        format!("{:#?}", tx.instances().await.unwrap()),
        format!("{:#?}", tx.product_source().await.unwrap()),
        format!("{:#?}", tx.shop_of_state("state-hash", jiff::Timestamp::UNIX_EPOCH).await.unwrap()),
    ]
    .join("\n")
}

async fn the_alarm_of_a_channel_becomes_one_of_each_of_its_apps(database: Database) {
    const ROWS: &str = "
        insert into authorizations (id, channel, app, account, state, grant_number, generation, authorized_at,
            access_token, access_token_issued_at, access_token_ends_at)
        values (1, 'shopline', 'global g', '1', 'active', 1, 1, 0, '', 0, 0),
            (2, 'shopline', 'asia a', '2', 'active', 1, 1, 0, '', 0, 0),
            (3, 'amazon', 'client eu', '3', 'active', 1, 1, 0, '', 0, 0);
        insert into shops (id, channel, name, place, authorization_id)
        values ('sl', 'shopline', 'SL', 'sl', 1), ('tw', 'shopline', 'TW', 'tw', 2), ('new', 'shopline', 'New', 'new', null),
            ('de', 'amazon', 'DE', 'de', 3);
        insert into channel_alarms (channel, why, since) values ('shopline', 'wrong secret', 7);";
    // SQLite keeps what it is given: bytes are written as such.
    let rows = if database.url().is_none() { ROWS.replace("0, '', 0, 0)", "0, x'', 0, 0)") } else { ROWS.to_owned() };
    let folder = tempfile::tempdir().unwrap();
    let store = brought_up_to_date(&database, folder.path(), 9, &rows).await;
    let mut tx = store.read(Clock::system().now()).await.unwrap();
    let alarm = AppAlarm { keys: ["client_id".to_owned(), "client_secret".to_owned()], why: "wrong secret".to_owned() };
    for (shop, app, alarmed) in [
        ("sl", Some("global g"), true),
        ("tw", Some("asia a"), true),
        ("new", None, false),
        ("de", Some("client eu"), false),
    ] {
        let shop: ShopId = shop.parse().unwrap();
        let row = tx.shop(&shop).await.unwrap().unwrap();
        assert_eq!(row.app.as_deref(), app, "{shop}");
        assert_eq!(tx.app_alarm(&shop).await.unwrap(), alarmed.then(|| alarm.clone()), "{shop}");
        let facts = tx.hold_facts(&shop, true, true).await.unwrap();
        assert_eq!((facts.app_alarm, facts.authorization.is_some()), (alarmed, app.is_some()), "{shop}");
    }
    drop(tx);
    store.close().await;
}

async fn what_held_a_shop_holds_it_on_until_a_probe_works(database: Database) {
    const ROWS: &str = "
        insert into authorizations (id, channel, app, account, state, grant_number, generation, authorized_at,
            access_token, access_token_issued_at, access_token_ends_at)
        values (1, 'amazon', 'client', '1', 'active', 1, 1, 0, '', 0, 0);
        insert into shops (id, channel, name, place, place_data, app, authorization_id, closed_why, scope_missing)
        values ('de', 'amazon', 'DE', 'one', '{\"seller_id\":\"A1\"}', 'client', 1, 'frozen', 'listings');";
    let rows = if database.url().is_none() { ROWS.replace("0, '', 0, 0)", "0, x'', 0, 0)") } else { ROWS.to_owned() };
    let folder = tempfile::tempdir().unwrap();
    let store = brought_up_to_date(&database, folder.path(), 10, &rows).await;
    let mut tx = store.write(Clock::system().now()).await.unwrap();
    let shop: ShopId = "de".parse().unwrap();
    let row = tx.shop(&shop).await.unwrap().unwrap();
    assert_eq!((row.closed_why.as_deref(), row.scope_missing.as_deref()), (Some("frozen"), Some("listings")));
    assert_eq!((row.closed_found_by, row.scope_found_by, row.to_prove), (None, None, false));
    for (place, tied) in [("two", None), ("one", Some(AuthorizationId(1)))] {
        let wanted = WantedShop {
            id: shop.clone(),
            channel: "amazon".into(),
            name: "DE".to_owned(),
            place: place.to_owned(),
            app: Some("client".to_owned()),
        };
        tx.sync_shops(&[wanted]).await.unwrap();
        let moved = tx.shop(&shop).await.unwrap().unwrap();
        assert_eq!(moved.authorization, tied, "at {place}");
        assert_eq!(moved.place_data["seller_id"].as_str(), tied.map(|_| "A1"), "at {place}");
    }
    tx.commit().await.unwrap();
    store.close().await;
}

async fn what_stood_and_waited_is_of_the_fields_that_are_compared(database: Database) {
    const ROWS: &str = r#"
        insert into complaints (shop, job, sku, code, text, request_id, since, run_id)
        values ('de', 'product_export', 'A', 'price', 'too low', 'r1', 7, 3), ('de', 'product_import', 'A', 'price', 'none', null, 8, 4);
        insert into tickets (shop, sku, ticket, change, since)
        values ('de', 'A', 'feed 1', '{"sku": "A", "listing": null, "product": null, "wanted": {}, "fields": ["price"]}', 9);"#;
    let folder = tempfile::tempdir().unwrap();
    let store = brought_up_to_date(&database, folder.path(), 13, ROWS).await;
    let mut tx = store.read(Clock::system().now()).await.unwrap();
    let shop: ShopId = "de".parse().unwrap();
    let standing = tx.complaints(&shop, Some("A")).await.unwrap().into_iter();
    let standing: Vec<_> = standing
        .map(|one| (one.part, one.complaint.text, one.complaint.request_id, one.since.as_millisecond(), one.run.0))
        .collect();
    let expected = [("too low", Some("r1"), 7, 3), ("none", None, 8, 4)];
    let expected =
        expected.map(|(text, id, since, run)| (Part::Compared, text.to_owned(), id.map(str::to_owned), since, run));
    assert_eq!(standing, expected);
    let open = tx.tickets_to_ask(&shop, Part::Compared, 9).await.unwrap();
    let told: Vec<_> = open.iter().map(|one| (one.ticket.as_str(), one.since.as_millisecond())).collect();
    assert_eq!(told, [("feed 1", 9)], "asked after at once");
    let changes = tx.changes_of_ticket(&shop, Part::Compared, "feed 1").await.unwrap();
    assert_eq!(changes[0].sku.as_str(), "A");
    drop(tx);
    store.close().await;
}

async fn what_was_remembered_is_sent_by_the_product_that_the_shop_has(database: Database) {
    const ROWS: &str = r#"
        insert into listings (shop, sku, body) values ('de', 'A', '{"sku":"A","product_id":"77"}'), ('de', 'B', '{"sku":"B","product_id":"66"}');
        insert into remembered (shop, sku, field, wanted) values ('de', 'A', 'images', 'x'), ('de', 'B', 'images', 'x'), ('de', 'C', 'images', 'x');"#;
    let folder = tempfile::tempdir().unwrap();
    let store = brought_up_to_date(&database, folder.path(), 16, ROWS).await;
    let mut tx = store.read(Clock::system().now()).await.unwrap();
    let differing = tx.remembered_differences(&"de".parse().unwrap(), "", 10).await.unwrap();
    let told: Vec<_> = differing.keys().map(|(product, sku)| format!("{product} {sku}")).collect();
    assert_eq!(told, ["66 B", "77 A"], "what the shop no longer has is not sent");
    drop(tx);
    store.close().await;
}
