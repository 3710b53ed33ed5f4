//! Opening a PostgreSQL database: its pool and its name in messages.

use std::io::ErrorKind;
use std::str::FromStr;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _};
use sea_orm::{DbBackend, SqlxError, SqlxPostgresConnector};
use tokio::time::timeout;

use super::{Db, WAIT_MAX, fault};
use crate::CatalogError;

/// Connections of one server, reads and writes together: a cluster of six stays below PostgreSQL's default
/// of 100.
const CONNECTIONS_MAX: u32 = 16;

pub(super) async fn open(url: &str) -> Result<Db, CatalogError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|e| CatalogError::Url { url: without_secrets(url), why: e.to_string() })?
        .application_name("tapeline")
        .disable_statement_logging();
    let place = place(&options);
    try_once(&options, &place).await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(WAIT_MAX)
        .connect_lazy_with(options);
    let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok(Db { read: pool.clone(), write: pool, place: place.into() })
}

/// Connects outside the pool: a pool goes on trying where nobody listens, and then says only that time ran
/// out.
async fn try_once(options: &PgConnectOptions, place: &str) -> Result<(), CatalogError> {
    let fault = |e| fault::classify_sqlx(place, DbBackend::Postgres, &e);
    let silence = || SqlxError::Io(ErrorKind::TimedOut.into());
    let connection = timeout(WAIT_MAX, options.connect()).await.map_err(|_| fault(silence()))?;
    connection.map_err(fault)?.close().await.map_err(fault)
}

/// The database in a message: never with a password.
fn place(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("the PostgreSQL database {name} at {}", socket.display()),
        None => format!("the PostgreSQL database {name} at {}:{}", options.get_host(), options.get_port()),
    }
}

/// A URL that was not understood, with everything left out that may be a password.
fn without_secrets(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.split('?').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_never_show_a_password() {
        let options = PgConnectOptions::from_str("postgres://ann:s3cret@db.example:5433/tapes").unwrap();
        assert_eq!(place(&options), "the PostgreSQL database tapes at db.example:5433");
        for url in ["postgres://ann:s3cret@db:bad/x", "postgres://db/x?password=s3cret"] {
            assert!(!without_secrets(url).contains("s3cret"), "{url}");
        }
    }
}
