//! One database, SQLite or PostgreSQL, behind one pair of connections: reads from a pool, writes in
//! transactions that are serialised where the database needs it. Everything that differs between the two
//! is in this folder; every query elsewhere is built once and runs on both.
//!
//! **How a burst of writes never meets `SQLITE_BUSY`.** SQLite has one writer at a time. Within a process
//! all writes go through a pool of one connection, so they queue in order instead of polling a lock.
//! Each begins with `BEGIN IMMEDIATE`: the lock is taken before anything is read, so there is no upgrade
//! from reader to writer, the one case that SQLite refuses at once whatever the timeout. Against other
//! processes (`tapeline token new` beside the server) the busy timeout waits. Readers run beside the
//! writer (WAL) and never block it.

mod fault;
mod postgres;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use crate::CatalogError;
use crate::migration::Migrator;

/// How long a call waits for its turn to write or for a free connection before it answers busy. Far above
/// any healthy wait (a write is milliseconds), below the patience of an HTTP client.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);

/// An open database with the current tables. Clones share connections.
#[derive(Clone)]
pub(crate) struct Db {
    read: DatabaseConnection,
    write: DatabaseConnection,
    place: Arc<str>,
}

impl Db {
    /// Opens the database that `url` names, makes a missing SQLite file, and brings the tables up to date.
    pub(crate) async fn open(url: &str) -> Result<Self, CatalogError> {
        let db = if let Some(path) = url.strip_prefix("sqlite:") {
            sqlite::open(url, path).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            postgres::open(url).await?
        } else {
            let scheme = url.split(':').next().unwrap_or_default();
            return Err(CatalogError::Url {
                url: scheme.to_owned() + ":…",
                why: "it begins with neither sqlite: nor postgres://".to_owned(),
            });
        };
        db.migrate().await?;
        Ok(db)
    }

    /// The pool for queries.
    pub(crate) fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// Begins a write. It takes effect with [`Db::commit`] and leaves no trace without.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, CatalogError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.write.begin_with_options(options).await.map_err(|e| self.fault(e))
    }

    /// Makes a write durable.
    pub(crate) async fn commit(&self, write: DatabaseTransaction) -> Result<(), CatalogError> {
        write.commit().await.map_err(|e| self.fault(e))
    }

    /// What an error of the database means here.
    pub(crate) fn fault(&self, error: DbErr) -> CatalogError {
        fault::classify(&self.place, self.read.get_database_backend(), &error)
    }

    /// A stored value that no version of this program writes.
    pub(crate) fn damaged(&self, cause: String) -> CatalogError {
        let advice = fault::repair_advice(self.read.get_database_backend());
        CatalogError::Damaged { place: self.place.to_string(), cause, advice }
    }

    /// A write that others overtook.
    pub(crate) fn busy(&self, cause: String) -> CatalogError {
        CatalogError::Busy { place: self.place.to_string(), cause }
    }

    /// Ends the connections; calls that run finish first.
    pub(crate) async fn close(self) -> Result<(), CatalogError> {
        let place = self.place.clone();
        let backend = self.read.get_database_backend();
        let closed = (self.read.close().await, self.write.close().await);
        closed.0.and(closed.1).map_err(|e| fault::classify(&place, backend, &e))
    }

    /// Applies the steps that are missing, in one transaction under a lock, as the server and a command
    /// line may both find a database that is new.
    async fn migrate(&self) -> Result<(), CatalogError> {
        let write = self.begin().await?;
        if let Some(lock) = lock_statement(self.read.get_database_backend()) {
            write.execute_unprepared(lock).await.map_err(|e| self.fault(e))?;
        }
        let applied = Migrator::get_migration_models(&write).await.map_err(|e| self.fault(e))?;
        let known = Migrator::migrations();
        let newer = applied.iter().find(|step| !known.iter().any(|known| known.name() == step.version));
        if let Some(newer) = newer {
            return Err(CatalogError::Newer { place: self.place.to_string(), step: newer.version.clone() });
        }
        if applied.len() < known.len() {
            Migrator::up(&write, None).await.map_err(|e| self.fault(e))?;
        }
        self.commit(write).await
    }
}

/// Shows which database it is, and nothing of the URL, which may hold a password.
impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({})", self.place)
    }
}

/// The dialect function: the statement that keeps a second process from migrating at the same time, until
/// the transaction ends. SQLite needs none, as `BEGIN IMMEDIATE` already shuts others out. The number
/// stands for this program among whatever else locks in the same database.
fn lock_statement(backend: DbBackend) -> Option<&'static str> {
    (backend == DbBackend::Postgres).then_some("SELECT pg_advisory_xact_lock(8390876182901548897)")
}
