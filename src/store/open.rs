//! Opening a database, and beginning transactions.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgPool, SqliteConnection, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Conn, Store, StoreError, Tx, migrations::KNOWN};

/// How many readers SQLite has beside its one writer.
const READERS: u32 = 3;
/// How many connections one instance holds to PostgreSQL at most.
const CONNECTIONS: u32 = 8;
/// How much of the file SQLite's one writer keeps in memory at most: 16 MiB, as the pragma has it. Planning a crowd touches pages
/// all over the file, and those that do not fit are written and read again within one transaction.
const CACHE: &str = "-16384";
/// How many pages the write-ahead log gathers before they are moved into the file (4 KiB each).
const CHECKPOINT_PAGES: &str = "4000";
/// How many rows SQLite's writer may be ahead of whoever reads them: each time it waits costs a change of threads.
const ROWS: usize = 1_000;
/// How long a statement waits for another program's lock on the SQLite file.
const BUSY: Duration = Duration::from_secs(5);
/// What a connection that writes says first.
///
/// How long the server lets a transaction stand idle. A process that was stopped, or a machine that vanished, in the middle of one
/// must not keep its peers from what it has locked. Ours say their next word within milliseconds; those of commands that only read
/// lock nothing, and may wait for whoever reads what they print.
///
/// And that statements are planned each time: a plan made when a table was empty, and kept, would read it from end to end with each page
/// of an import that fills it. Planning takes a fraction of a millisecond, and our statements are few and large. None is so large that
/// compiling it would pay.
const FIRST_WORDS: &str = "
    set idle_in_transaction_session_timeout = '5s';
    set plan_cache_mode = force_custom_plan;
    set jit = off";
/// How long a server has to take a first connection.
const GREETING: Duration = Duration::from_secs(5);
/// How long a transaction waits for a free connection before it counts as an outage.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a database is.
pub(super) enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// A server of PostgreSQL.
    Server(Box<PgConnectOptions>),
}

impl Store {
    /// Opens the database that `url` names (`sqlite:FILE`, relative to `state_dir`, or `postgres://USER@HOST/NAME`), makes
    /// it if it is a file that does not exist, and brings it up to date.
    ///
    /// # Errors
    /// [`StoreError::Url`] for an address that is none, [`StoreError::Newer`] for a database of a newer program,
    /// [`StoreError::Denied`] where a server does not let us in, [`StoreError::Unusable`] when it cannot be reached.
    pub async fn open(url: &str, state_dir: &Path) -> Result<Self, StoreError> {
        let store = Self::connect(url, state_dir).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens the database as [`Store::open`] does but leaves its version as it is: for `db migrate`, which tells what it does.
    pub async fn connect(url: &str, state_dir: &Path) -> Result<Self, StoreError> {
        let store = match place(url, state_dir)? {
            Place::File(file) => {
                make_private(&file, state_dir).map_err(|error| unusable_file(&file, &error.into()))?;
                let options = sqlite(&file);
                let writer = SqlitePoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(PATIENCE * 3)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .test_before_acquire(false)
                    .after_release(|connection, _| Box::pin(is_usable(connection)))
                    .connect_with(
                        // The file keeps it. A copy that was put back has it when its daemon first works on it, and who only reads
                        // cannot give it.
                        options
                            .clone()
                            .journal_mode(SqliteJournalMode::Wal)
                            .pragma("cache_size", CACHE)
                            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
                            .row_buffer_size(ROWS),
                    )
                    .await
                    .map_err(|error| unusable_file(&file, &error))?;
                Self::Sqlite { writer, readers: readers(options, &file).await? }
            }
            Place::Server(options) => Self::Postgres(server(*options, Some(FIRST_WORDS)).await?),
        };
        store.version().await?;
        Ok(store)
    }

    /// Makes the file of a SQLite database where it is not there yet, and tells where it stands, for whoever is to be the only one to work
    /// on it. `None`: the database is a server.
    pub fn make_file(url: &str, state_dir: &Path) -> Result<Option<PathBuf>, StoreError> {
        let Place::File(file) = place(url, state_dir)? else { return Ok(None) };
        make_private(&file, state_dir).map_err(|error| unusable_file(&file, &error.into()))?;
        Ok(Some(file))
    }

    /// Opens a database for commands that only look, beside a running daemon or without one: makes nothing, changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Absent`] where there is none yet, [`StoreError::Older`] where a newer program has yet to migrate it.
    pub async fn open_for_reading(url: &str, state_dir: &Path) -> Result<Self, StoreError> {
        let store = match place(url, state_dir)? {
            Place::File(file) => {
                match file.try_exists() {
                    Ok(true) => {}
                    Ok(false) => return Err(StoreError::Absent { place: file.display().to_string() }),
                    Err(error) => return Err(unusable_file(&file, &error.into())),
                }
                let readers = readers(sqlite(&file).create_if_missing(false), &file).await?;
                Self::Sqlite { writer: readers.clone(), readers }
            }
            Place::Server(options) => Self::Postgres(server(*options, None).await?),
        };
        match store.version().await? {
            0 => Err(StoreError::Absent { place: masked(url) }),
            found if found < KNOWN => Err(StoreError::Older { found, known: KNOWN }),
            _ => Ok(store),
        }
    }

    /// Opens a database that is there to copy it, of whatever version up to this program's.
    ///
    /// # Errors
    /// As [`Store::open_for_reading`], but not for its age.
    pub async fn open_for_copy(url: &str, state_dir: &Path) -> Result<Self, StoreError> {
        match Self::open_for_reading(url, state_dir).await {
            Ok(store) => store.close().await,
            Err(StoreError::Older { .. }) => {}
            Err(error) => return Err(error),
        }
        Self::connect(url, state_dir).await
    }

    /// Begins a transaction that writes, at the instant `now`. Dropping it undoes it.
    pub async fn write(&self, now: Timestamp) -> Result<Tx, StoreError> {
        let conn = match self {
            Self::Sqlite { writer, .. } => Conn::Sqlite(writer.begin_with("begin immediate").await?),
            Self::Postgres(pool) => Conn::Postgres(begin(pool, "begin").await?),
        };
        Ok(Tx { now, conn })
    }

    /// Begins a transaction that only reads and sees one moment of the database.
    pub async fn read(&self, now: Timestamp) -> Result<Tx, StoreError> {
        let conn = match self {
            Self::Sqlite { readers, .. } => Conn::Sqlite(readers.begin().await?),
            Self::Postgres(pool) => {
                Conn::Postgres(begin(pool, "begin isolation level repeatable read read only").await?)
            }
        };
        Ok(Tx { now, conn })
    }

    /// Whether several instances may share it.
    pub const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Writes a consistent copy of a SQLite database to `file`, which must not exist, while others read and write.
    pub async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        let Self::Sqlite { writer, .. } = self else {
            return Err(StoreError::Url {
                url: "postgres".into(),
                cause: "a copy of a server is made with pg_dump".into(),
            });
        };
        sqlx::query("vacuum into $1").bind(file.display().to_string()).execute(writer).await?;
        Ok(())
    }

    /// Closes every connection, after the transactions under way.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Begins a transaction in a task of its own: a caller that goes away while the server has yet to answer would leave the
/// connection in a transaction that nobody ends, and the next one to borrow it would write into that.
async fn begin(pool: &PgPool, how: &'static str) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(how).await });
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

impl Tx {
    /// Makes everything written in it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.conn {
            Conn::Sqlite(tx) => tx.commit().await?,
            Conn::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// Reads an address; a relative file starts in `state_dir`.
pub(super) fn place(url: &str, state_dir: &Path) -> Result<Place, StoreError> {
    let wrong = |cause: String| StoreError::Url { url: masked(url), cause };
    if let Some(file) = url.strip_prefix("sqlite:") {
        let file = file.strip_prefix("//").unwrap_or(file);
        if file.is_empty() || file.contains(':') || file.contains('?') {
            return Err(wrong("a file is named after `sqlite:`, without options".to_owned()));
        }
        return Ok(Place::File(state_dir.join(file)));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let options = PgConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))?;
        return Ok(Place::Server(Box::new(options.application_name("shopsyncd"))));
    }
    Err(wrong("it names no database that this program knows".to_owned()))
}

/// The address without its password, which may stand in its options, too.
fn masked(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) => {
            if parsed.password().is_some() {
                let _ = parsed.set_password(Some("***"));
            }
            if parsed.query().is_some() {
                parsed.set_query(Some("***"));
            }
            parsed.into()
        }
        Err(_) => match (url.find("://"), url.rfind('@')) {
            (Some(scheme), Some(at)) if scheme + 3 <= at => format!("{}***{}", &url[..scheme + 3], &url[at..]),
            _ => url.to_owned(),
        },
    }
}

/// A file that cannot be opened, with its path: SQLite's own words have none.
fn unusable_file(file: &Path, error: &sqlx::Error) -> StoreError {
    use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let kind = match error {
        sqlx::Error::Io(error) => Some(error.kind()),
        _ => None,
    };
    let remedy = match kind {
        Some(NotFound) => "make its folder, or correct `database.url`: only folders in `state_dir` are made unasked",
        Some(StorageFull) => "make room on its disk",
        Some(ReadOnlyFilesystem) => "let its disk be written to, or correct `database.url` or `state_dir`",
        None | Some(PermissionDenied) => {
            "run this as the daemon's user (`sudo`), or let this user read and write the file and its folder"
        }
        Some(_) => "correct `database.url` or `state_dir`",
    };
    StoreError::Unusable { place: file.display().to_string(), cause: bare(error), remedy }
}

/// What went wrong, without the words that only say that something did.
fn bare(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Database(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Makes the file, and its folders in `state_dir`, for this user's eyes only: it holds sealed tokens and a shop's numbers.
/// A folder elsewhere is somebody's: where it is not there, a name is wrong or a disk is missing.
fn make_private(file: &Path, state_dir: &Path) -> std::io::Result<()> {
    let leaves = file.components().any(|part| part == std::path::Component::ParentDir);
    if let Some(folder) = file.parent().filter(|folder| folder.starts_with(state_dir) && !leaves) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map(drop)
}

fn sqlite(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .statement_cache_capacity(200)
}

/// Whether a connection may go on. SQLite ends a transaction by itself when the disk is full or fails; then the library's own end of
/// it fails, too, and the connection would never begin another.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // What was dropped is taken back first.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

async fn readers(options: SqliteConnectOptions, file: &Path) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options.read_only(true).pragma("query_only", "1"))
        .await
        .map_err(|error| unusable_file(file, &error))
}

/// A pool tries until its patience ends and then tells no cause, so one plain connection comes first.
async fn server(options: PgConnectOptions, first_words: Option<&'static str>) -> Result<PgPool, StoreError> {
    match tokio::time::timeout(GREETING, options.connect()).await {
        Ok(Ok(first)) => drop(first.close().await),
        Ok(Err(error)) => return Err(unusable_server(&options, &error)),
        Err(_) => {
            let (cause, remedy) = (format!("no answer within {} s", GREETING.as_secs()), LOOK_AFTER_SERVER);
            return Err(StoreError::Unusable { place: place_of(&options), cause, remedy });
        }
    }
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .after_connect(move |conn, _| {
            Box::pin(async move {
                match first_words {
                    Some(words) => conn.execute(words).await.map(drop),
                    None => Ok(()),
                }
            })
        })
        .connect_with(options)
        .await?)
}

const LOOK_AFTER_SERVER: &str = "see that the server runs and has this database, and that `database.url` names it";

/// A server that cannot be reached, or does not have the database (yet), is away. One that does not let this user in has answered.
fn unusable_server(options: &PgConnectOptions, error: &sqlx::Error) -> StoreError {
    let (place, cause) = (place_of(options), bare(error));
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // Class 28 of the codes: invalid authorization.
    if code.is_some_and(|code| code.starts_with("28")) {
        let remedy = "correct user and password in `database.url`, or let this user in at the server";
        return StoreError::Denied { place, cause, remedy };
    }
    StoreError::Unusable { place, cause, remedy: LOOK_AFTER_SERVER }
}

fn place_of(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
    let (user, port) = (options.get_username(), options.get_port());
    let name = options.get_database().unwrap_or(user);
    format!("{name} at {host}:{port} for {user}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{domain::InstanceId, store::InstanceRow};

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[tokio::test]
    async fn a_new_file_is_made_for_its_owner_alone_and_brought_up_to_date_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let url = "sqlite:inner/shopsyncd.db";
        let store = Store::open(url, folder.path()).await.unwrap();
        assert_eq!(store.migrate().await.unwrap(), 0);
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("inner"), mode("inner/shopsyncd.db")), (0o700, 0o600));
    }

    #[tokio::test]
    async fn a_disk_that_was_full_is_written_to_again_once_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
        let Store::Sqlite { writer, .. } = &store else { panic!("it is a file") };
        let write = async || {
            let mut tx = store.write(now()).await?;
            tx.set_fact("large", &"x".repeat(1 << 20)).await?;
            tx.commit().await
        };
        sqlx::query("pragma max_page_count = 1").execute(writer).await.unwrap();
        let error = write().await.unwrap_err().to_string();
        assert!(error.contains("full"), "{error}");
        sqlx::query("pragma max_page_count = 1000000").execute(writer).await.unwrap();
        write().await.unwrap();
    }

    #[tokio::test]
    async fn a_copy_made_beside_an_open_database_holds_what_was_committed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
        let mut tx = store.write(now()).await.unwrap();
        tx.set_fact("a", "1").await.unwrap();
        tx.commit().await.unwrap();
        let beside = Store::open_for_copy("sqlite:x.db", folder.path()).await.unwrap();
        beside.backup(&folder.path().join("copy.db")).await.unwrap();
        let copy = Store::open("sqlite:copy.db", folder.path()).await.unwrap();
        assert_eq!(copy.read(now()).await.unwrap().fact("a").await.unwrap().as_deref(), Some("1"));
    }

    async fn refused(url: &str, state_dir: &Path) -> String {
        Store::open(url, state_dir).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_named_with_the_cause_at_once_and_without_the_password() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let begun = std::time::Instant::now();
        for url in [
            format!("postgres://ann:hush@127.0.0.1:{nobody}/shops"),
            format!("postgres://ann@127.0.0.1:{nobody}/shops?password=hush"),
        ] {
            let text = refused(&url, Path::new("/")).await;
            assert!(text.starts_with(&format!("database shops at 127.0.0.1:{nobody} for ann: ")), "{text}");
            assert!(text.contains("refused") && text.contains("see that the server runs"), "{text}");
            assert!(!text.contains("hush"), "{text}");
        }
        assert!(begun.elapsed() < PATIENCE, "nobody waits for a pool that cannot fill");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_is_named_with_the_cause_and_no_folder_elsewhere_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let (state, elsewhere) = (folder.path().join("state"), folder.path().join("elsewhere"));
        fs::write(folder.path().join("file"), "").unwrap();
        let absolute = format!("sqlite:{}/x.db", elsewhere.display());
        for (url, cause) in [
            (absolute.as_str(), "No such file or directory (os error 2); make its folder"),
            ("sqlite:../elsewhere/x.db", "No such file or directory (os error 2); make its folder"),
            ("sqlite:../file/x.db", "Not a directory (os error 20); correct `database.url`"),
            ("sqlite:.", "Is a directory (os error 21); correct `database.url`"),
        ] {
            let text = refused(url, &state).await;
            assert!(text.contains(cause), "{url}: {text}");
            assert!(text.contains(&folder.path().display().to_string()), "{url}: {text}");
            fs::create_dir_all(&state).unwrap();
        }
        assert!(!elsewhere.exists());
        fs::write(state.join("no.db"), "this is no database, whatever its name may say").unwrap();
        let text = refused("sqlite:no.db", &state).await;
        assert!(text.contains("no.db: ") && text.contains("not a database"), "{text}");
    }

    #[tokio::test]
    async fn what_is_dropped_without_commit_was_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
        let mut tx = store.write(now()).await.unwrap();
        tx.set_fact("a", "1").await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.write(now()).await.unwrap();
        tx.set_fact("a", "2").await.unwrap();
        drop(tx);
        let mut tx = store.read(now()).await.unwrap();
        assert_eq!(tx.fact("a").await.unwrap().as_deref(), Some("1"));
    }

    #[tokio::test]
    async fn a_reader_makes_nothing_and_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = Store::open_for_reading("sqlite:x.db", folder.path()).await.unwrap_err();
        assert!(matches!(refusal, StoreError::Absent { .. }), "{refusal}");
        assert!(!folder.path().join("x.db").exists());
        let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
        let reader = Store::open_for_reading("sqlite:x.db", folder.path()).await.unwrap();
        let mut tx = store.write(now()).await.unwrap();
        let id = InstanceId("one".to_owned());
        let row = InstanceRow {
            id: id.clone(),
            version: "1".to_owned(),
            started_at: now(),
            beat: 0,
            settings_digest: String::new(),
            standing_by: false,
            dead: false,
            settings_error: None,
        };
        tx.add_instance(&row).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = reader.read(now()).await.unwrap();
        assert_eq!(tx.instances().await.unwrap(), [row]);
        drop(tx);
        let mut tx = reader.read(now()).await.unwrap();
        tx.set_fact("a", "1").await.unwrap_err();
    }

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open("sqlite:x.db", folder.path()).await.unwrap();
        let Store::Sqlite { writer, .. } = &store else { unreachable!() };
        sqlx::query(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (99, 'later', 1, x'00', 0)",
        )
        .execute(writer)
        .await
        .unwrap();
        let refusal = Store::open("sqlite:x.db", folder.path()).await.unwrap_err();
        assert!(matches!(refusal, StoreError::Newer { found: 99, known: KNOWN }), "{refusal}");
    }

    #[tokio::test]
    async fn a_wrong_address_is_told_without_its_password() {
        for (url, shown) in [
            ("mysql://me:secret@host/db", "mysql://me:***@host/db"),
            ("postgres://me:secret@host:port/db", "postgres://***@host:port/db"),
            ("sqlite:", "sqlite:"),
            ("sqlite::memory:", "sqlite::memory:"),
        ] {
            let refusal = Store::open(url, Path::new("/nowhere")).await.unwrap_err();
            let StoreError::Url { url: told, .. } = &refusal else { panic!("{refusal}") };
            assert_eq!(told, shown);
        }
    }
}
