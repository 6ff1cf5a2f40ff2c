//! Everything that is sealed is sealed anew in several chunks, and the daemon dies between or within them.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use shopsyncd::{
    clock::Clock,
    domain::{Account, AuthorizationId, InstanceId},
    secrets::{Sealed, Sealer, Secret},
    store::{NewGrant, SealedGrant, SealedTokens, Store, Tx, WantedShop},
};
use sqlx::Row as _;

use super::stage::Stage;
use crate::world::Database;

/// How many authorizations there are, each with three sealed values: as many as take this many transactions.
const AUTHORIZATIONS: usize = 250;
pub(super) const CHUNKS: usize = 3;
const CHUNK: usize = 100;

/// Another key comes first, and the daemon dies at `point` (`NAME#CHUNK`) over sealing anew with it. Both keys still open everything;
/// asked again, it does the rest, and then the old key may go.
pub(super) async fn die_over_keys(mut stage: Stage, point: &str) {
    let (old, new) = (Sealer::generate(), Sealer::generate());
    let (former, both, latter) = (ring(&[&old]), ring(&[&new, &old]), ring(&[&new]));
    stage.seal_with(&[&old]);
    let secrets = fill(&stage, &former).await;

    stage.seal_with(&[&new, &old]);
    let mut daemon = stage.start(Some(point));
    stage.answering(&mut daemon).await;
    let answer = stage.reseal().await;
    assert!(answer.is_err(), "{point}: the daemon answered {answer:?}");
    daemon.killed(&stage, point).await;
    let (name, chunk) = point.split_once('#').unwrap();
    let chunks = chunk.parse::<usize>().unwrap() - usize::from(name.ends_with("before_commit"));
    let done = (chunks * CHUNK).min(AUTHORIZATIONS);
    let rows = rows(&stage).await;
    let anew = rows.iter().filter(|(_, tokens)| tokens.sealed().all(|sealed| latter.is_current(sealed))).count();
    assert_eq!(anew, done, "{point}: whole chunks, and no more");
    assert_eq!(opened(&rows, &both), secrets, "{point}: both keys open everything");

    let mut daemon = stage.start(None);
    stage.answering(&mut daemon).await;
    for left in [AUTHORIZATIONS - done, 0] {
        let answer = stage.reseal().await.unwrap();
        assert_eq!((&answer["resealed"], &answer["all"]), (&left.into(), &AUTHORIZATIONS.into()), "{point}");
    }
    daemon.stop(&stage).await;

    assert_eq!(opened(&self::rows(&stage).await, &latter), secrets, "{point}: the new key alone opens everything");
    assert_eq!(keys_in_use(&stage).await, BTreeMap::from([(latter.key_id(), 3 * AUTHORIZATIONS)]), "{point}");
    stage.seal_with(&[&new]);
    let mut daemon = stage.start(None);
    stage.answering(&mut daemon).await;
    daemon.stop(&stage).await;
}

fn ring(keys: &[&Secret]) -> Sealer {
    let lines: Vec<&str> = keys.iter().map(|key| key.expose()).collect();
    Sealer::parse(&Secret::new(lines.join("\n"))).unwrap()
}

/// Accounts of shops that have left the settings: their tokens are kept, and nobody renews them meanwhile. What each value is.
async fn fill(stage: &Stage, sealer: &Sealer) -> Vec<String> {
    let url = stage.database.url().unwrap_or("sqlite:shopsyncd.db");
    let store = Store::open(url, &stage.state_dir()).await.unwrap();
    let mut tx = store.write(Clock::system().now()).await.unwrap();
    let ids: Vec<_> = (0..AUTHORIZATIONS).map(|number| format!("gone-{number:03}").parse().unwrap()).collect();
    let wanted = |id: &shopsyncd::domain::ShopId| WantedShop {
        id: id.clone(),
        channel: "tiktok_shop".into(),
        name: id.to_string(),
        place: id.to_string(),
        app: Some("app".to_owned()),
    };
    tx.sync_shops(&ids.iter().map(wanted).collect::<Vec<_>>()).await.unwrap();
    for id in &ids {
        let authorization = renewed_once(&mut tx, id.as_str(), sealer).await;
        tx.tie_shop(id, authorization, &serde_json::Value::Null).await.unwrap();
    }
    tx.commit().await.unwrap();
    store.close().await;
    let rows = rows(stage).await;
    assert_eq!(rows.len().div_ceil(CHUNK), CHUNKS);
    opened(&rows, sealer)
}

async fn renewed_once(tx: &mut Tx, account: &str, sealer: &Sealer) -> AuthorizationId {
    let now = tx.now;
    let seal = |id: AuthorizationId, generation: i64| {
        let sealed = |column: &str| {
            let secret = Secret::new(format!("{column} {generation} of {account}"));
            sealer.seal(&secret, &format!("authorization/{id}/{column}/{generation}"))
        };
        SealedGrant {
            access_token: sealed("access_token"),
            access_token_issued_at: now,
            access_token_ends_at: now + SignedDuration::from_hours(24),
            refresh_token: Some(sealed("refresh_token")),
            refresh_token_ends_at: None,
            ends: None,
        }
    };
    let whose = Account { channel: "tiktok_shop".into(), app: "app".to_owned(), account: account.to_owned() };
    let new = NewGrant { account: whose, account_name: None, authorized_at: now };
    let id = tx.grant(&new, seal).await.unwrap().id;
    let holder = InstanceId("nobody".to_owned());
    let lease = tx.take_lease(&format!("authorization/{id}"), &holder, 0).await.unwrap().unwrap();
    assert!(tx.replace_tokens(id, 1, &lease, &seal(id, 2), false).await.unwrap());
    tx.give_back(&lease).await.unwrap();
    id
}

async fn rows(stage: &Stage) -> Vec<(AuthorizationId, SealedTokens)> {
    let store = stage.open_store().await.unwrap();
    let mut tx = store.read(Clock::system().now()).await.unwrap();
    let rows = tx.authorizations_sealed_after(AuthorizationId(0), 1_000).await.unwrap();
    drop(tx);
    store.close().await;
    rows
}

/// All that is sealed, opened: it fails where a key is missing.
fn opened(rows: &[(AuthorizationId, SealedTokens)], sealer: &Sealer) -> Vec<String> {
    let mut texts = Vec::new();
    for (id, tokens) in rows {
        let open = |sealed: &Sealed, column: &str, generation: i64| {
            let row = format!("authorization/{id}/{column}/{generation}");
            sealer.open(sealed, &row).unwrap_or_else(|error| panic!("{row}: {error}")).expose().to_owned()
        };
        let generation = tokens.generation;
        texts.push(open(&tokens.access_token, "access_token", generation));
        texts.push(open(tokens.refresh_token.as_ref().unwrap(), "refresh_token", generation));
        texts.push(open(tokens.previous_refresh_token.as_ref().unwrap(), "refresh_token", generation - 1));
    }
    texts
}

/// By which keys values are sealed, wherever in the database: whatever is kept as bytes is.
async fn keys_in_use(stage: &Stage) -> BTreeMap<String, usize> {
    const SQLITE: &str = "
        select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c
        where t.type = 'table' and t.name not like '\\_%' escape '\\' and lower(c.type) = 'blob'";
    const POSTGRES: &str = "
        select cast(table_name as text), cast(column_name as text) from information_schema.columns
        where table_schema = any (current_schemas(false)) and table_name not like '\\_%' and data_type = 'bytea'";
    let store = stage.open_store().await.unwrap();
    let mut values: Vec<Vec<u8>> = Vec::new();
    macro_rules! read {
        ($pool:expr, $columns:expr) => {
            for column in sqlx::query($columns).fetch_all($pool).await.unwrap() {
                let (table, column): (String, String) = (column.get(0), column.get(1));
                let sql = format!("select {column} from {table} where {column} is not null");
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all($pool).await.unwrap();
                values.extend(rows.iter().map(|row| row.get::<Vec<u8>, _>(0)));
            }
        };
    }
    match (&store, &stage.database) {
        (Store::Sqlite { readers, .. }, Database::Sqlite) => read!(readers, SQLITE),
        (Store::Postgres(pool), _) => read!(pool, POSTGRES),
        _ => unreachable!("a store is of the stage's database"),
    }
    store.close().await;
    let mut keys = BTreeMap::new();
    for value in values {
        *keys.entry(hex::encode(&value[1..5])).or_default() += 1;
    }
    keys
}
