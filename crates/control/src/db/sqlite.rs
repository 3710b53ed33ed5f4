//! Opening a SQLite file: its settings, its two pools, and what to say when it does not open.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::{DatabaseConnection, DbBackend, SqlxSqliteConnector};
use tokio::time::{Instant, sleep};

use super::{Db, WAIT_MAX, fault};
use crate::CatalogError;

/// Connections for queries. They answer in microseconds, so four serve any number of requests.
const READERS_MAX: u32 = 4;

/// Pages of the write-ahead log after which it is folded into the database: 1 MiB, a quarter of SQLite's
/// own default, and fewer on a small volume, which the log shares with the tape (12 MB must still record).
const WAL_PAGES_MAX: u64 = 256;
const WAL_PAGES_MIN: u64 = 16;

/// Bytes of a page.
const PAGE_BYTES: u64 = 4096;

/// The tape keeps this share of the volume for journal and database when it is full, at most so much. The log
/// takes a quarter of it, so that it can go on being written there.
const RESERVE_SHARE: u64 = 64;
const RESERVE_BYTES_MAX: u64 = 16 << 20;

/// Pages after which the log of a database at this path is folded in.
fn wal_pages(path: &Path) -> u64 {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(volume) = rustix::fs::statvfs(folder) else { return WAL_PAGES_MAX };
    let reserve = (volume.f_blocks.saturating_mul(volume.f_frsize) / RESERVE_SHARE).min(RESERVE_BYTES_MAX);
    (reserve / 4 / PAGE_BYTES).clamp(WAL_PAGES_MIN, WAL_PAGES_MAX)
}

/// Between two tries to open a file that others are just making or closing, which takes them some syncs.
const OPEN_PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn open(url: &str, path: &str) -> Result<Db, CatalogError> {
    let path = file_path(url, path)?;
    let place = format!("the SQLite database {}", path.display());
    let fault = |error| match fault::classify_sqlx(&place, DbBackend::Sqlite, &error) {
        CatalogError::Unavailable { place, cause, .. } => {
            CatalogError::Unavailable { place, cause, advice: advice(&path) }
        }
        other => other,
    };
    make_private(&path);
    let write = first_connection(&path, &fault).await?;
    let read = pool(READERS_MAX, reader_options(&path)).await.map_err(fault)?;
    Ok(Db { read, write, place: place.into() })
}

/// Makes a missing file so that only its owner reads it, as it holds keys; SQLite gives its companions the same mode.
/// What stands in the way is told by opening it.
fn make_private(path: &Path) {
    let _ = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
}

/// The writer, which makes the file and its log. Two moments make SQLite answer busy at once, whatever the
/// timeout: while another process turns the log of a new file on, and while the last one to close a file
/// clears its log away (sqlite.org/wal.html, section 9). Both pass, so this tries again until
/// [`WAIT_MAX`]. Once this connection is open neither can happen, so nothing else needs to.
async fn first_connection(
    path: &Path,
    fault: &impl Fn(sea_orm::SqlxError) -> CatalogError,
) -> Result<DatabaseConnection, CatalogError> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        match pool(1, writer_options(path)).await.map_err(fault) {
            Err(CatalogError::Busy { .. }) if Instant::now() < deadline => sleep(OPEN_PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// `PATH` of `sqlite:PATH`; `sqlite://PATH` is accepted too, as other programs write it so.
fn file_path(url: &str, path: &str) -> Result<PathBuf, CatalogError> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let refused = |why: &str| Err(CatalogError::Url { url: url.to_owned(), why: why.to_owned() });
    match path {
        "" => refused("the path is missing"),
        ":memory:" => refused("a database in memory would be lost with the process; name a file"),
        _ if path.contains('?') => refused("parameters are not taken; leave out everything from the ?"),
        _ => Ok(PathBuf::from(path)),
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(WAIT_MAX)
        .foreign_keys(true)
        // Sorting must not need space on a volume that may be full.
        .pragma("temp_store", "MEMORY")
        // A file from elsewhere must not run functions that its schema names.
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

fn writer_options(path: &Path) -> SqliteConnectOptions {
    options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", wal_pages(path).to_string())
        // What the log keeps on the disk after it was folded in.
        .pragma("journal_size_limit", (wal_pages(path) * PAGE_BYTES).to_string())
}

fn reader_options(path: &Path) -> SqliteConnectOptions {
    options(path).pragma("query_only", "ON")
}

/// Connections to a file do not go stale, so they are neither tested nor replaced.
async fn pool(
    connections_max: u32,
    options: SqliteConnectOptions,
) -> Result<DatabaseConnection, sea_orm::SqlxError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(WAIT_MAX)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

/// Why a file probably does not open, from what lies there: SQLite's own message is always the same.
fn advice(path: &Path) -> String {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        format!("{} is a folder; name a file in it, such as {}/tapeline.db", path.display(), path.display())
    } else if !folder.is_dir() {
        format!("the folder {} does not exist; create it", folder.display())
    } else {
        format!(
            "check that the user that runs tapeline may write {} and the folder {}",
            path.display(),
            folder.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, Statement};

    use super::*;

    async fn setting(connection: &DatabaseConnection, pragma: &str) -> String {
        let query = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {pragma}"));
        let row = connection.query_one_raw(query).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0)
            .map(|n| n.to_string())
            .or_else(|_| row.try_get_by_index::<String>(0))
            .unwrap()
    }

    #[tokio::test]
    async fn what_is_committed_is_synced_and_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}/t.db", folder.path().display())).await.unwrap();
        let (write, read) = (&db.write, db.read());
        assert_eq!(setting(write, "journal_mode").await, "wal");
        assert_eq!(setting(write, "synchronous").await, "2", "FULL");
        assert_eq!(setting(write, "wal_autocheckpoint").await, "256", "on a volume of more than 256 MiB");
        assert_eq!(setting(write, "journal_size_limit").await, "1048576");
        for connection in [write, read] {
            assert_eq!(setting(connection, "busy_timeout").await, WAIT_MAX.as_millis().to_string());
            assert_eq!(setting(connection, "foreign_keys").await, "1");
        }
        let refused = read.execute_unprepared("DELETE FROM asset").await.unwrap_err();
        assert!(matches!(db.fault(refused), CatalogError::Unavailable { .. }));
    }

    #[tokio::test]
    async fn the_log_stays_small_under_many_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let db = Db::open(&format!("sqlite:{}", path.display())).await.unwrap();
        for n in 0..400 {
            let write = db.begin().await.unwrap();
            let sql = format!("INSERT INTO generation VALUES ('{n}', zeroblob(20000))");
            write.execute_unprepared(&sql).await.unwrap();
            db.commit(write).await.unwrap();
        }
        let log = path.with_extension("db-wal").metadata().unwrap().len();
        assert!(log < 2 * 1_048_576, "{log} bytes of log beside {} of data", path.metadata().unwrap().len());
    }

    #[tokio::test]
    async fn a_full_volume_is_told_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}/t.db", folder.path().display())).await.unwrap();
        let pages = setting(&db.write, "page_count").await;
        setting(&db.write, &format!("max_page_count = {pages}")).await;
        let insert = "INSERT INTO generation VALUES ('x', zeroblob(1000000))";
        let write = db.begin().await.unwrap();
        let error = db.fault(write.execute_unprepared(insert).await.unwrap_err());
        assert!(matches!(&error, CatalogError::Full { .. }), "{error}");
        drop(write);
        setting(&db.write, "max_page_count = 1000000").await;
        let write = db.begin().await.unwrap();
        write.execute_unprepared(insert).await.unwrap();
        db.commit(write).await.unwrap();
    }
}
