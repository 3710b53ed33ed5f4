//! What a database's error codes mean: SQLite's result codes (sqlite.org/rescode.html) and PostgreSQL's
//! SQLSTATEs (its manual, appendix A).

use sea_orm::{ConnAcquireErr, DbBackend, DbErr, RuntimeErr, SqlxError};

use crate::CatalogError;

/// The meaning of an error from a query or a transaction.
pub(super) fn classify(place: &str, backend: DbBackend, error: &DbErr) -> CatalogError {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(e))
        | DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e)) => classify_sqlx(place, backend, e),
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Meaning::Busy.at(place, backend, &error),
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
            Meaning::Unreachable.at(place, backend, &error)
        }
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => {
            Meaning::Damaged.at(place, backend, &error)
        }
        _ => Meaning::Internal.at(place, backend, &error),
    }
}

/// The meaning of an error from opening a connection, or of the driver's error inside another.
pub(super) fn classify_sqlx(place: &str, backend: DbBackend, error: &SqlxError) -> CatalogError {
    let meaning = match error {
        SqlxError::Database(e) => {
            let code = e.code().unwrap_or_default();
            match backend {
                DbBackend::Postgres => postgres_meaning(&code),
                _ => sqlite_meaning(&code),
            }
        }
        SqlxError::PoolTimedOut => Meaning::Busy,
        SqlxError::Io(_) | SqlxError::Tls(_) | SqlxError::PoolClosed | SqlxError::WorkerCrashed => {
            Meaning::Unreachable
        }
        SqlxError::ColumnDecode { .. } | SqlxError::Decode(_) => Meaning::Damaged,
        _ => Meaning::Internal,
    };
    meaning.at(place, backend, error)
}

/// What to do about a database that is damaged.
pub(super) fn repair_advice(backend: DbBackend) -> String {
    match backend {
        DbBackend::Sqlite => "stop tapeline, put back a copy, or move the file away and run `tapeline \
                              rebuild`, which brings back everything but titles, tags and tokens"
            .to_owned(),
        _ => "put back a copy, or empty it and run `tapeline rebuild`, which brings back everything but \
              titles, tags and tokens"
            .to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Busy,
    Full,
    Damaged,
    Unreachable,
    ReadOnly,
    NoEntry,
    NoDatabase,
    Internal,
}

impl Meaning {
    fn at(self, place: &str, backend: DbBackend, cause: &dyn std::fmt::Display) -> CatalogError {
        let place = place.to_owned();
        let cause = one_line(&cause.to_string());
        let unavailable = |place, cause, advice: &str| CatalogError::Unavailable {
            place,
            cause,
            advice: advice.to_owned(),
        };
        match self {
            Self::Busy => CatalogError::Busy { place, cause },
            Self::Full => CatalogError::Full { place, cause },
            Self::Damaged => CatalogError::Damaged { place, cause, advice: repair_advice(backend) },
            Self::Internal => CatalogError::Internal { place, cause },
            Self::Unreachable if backend == DbBackend::Sqlite => {
                unavailable(place, cause, "check the disk that holds it, then start tapeline again")
            }
            Self::Unreachable => unavailable(
                place,
                cause,
                "check that PostgreSQL runs there and that host and port in `database` are right",
            ),
            Self::ReadOnly => unavailable(
                place,
                cause,
                "make it writable for the user that runs tapeline, or name another in `database`",
            ),
            Self::NoEntry => unavailable(place, cause, "check user and password in `database`"),
            Self::NoDatabase => unavailable(place, cause, "create it (createdb NAME), then start again"),
        }
    }
}

fn sqlite_meaning(extended_code: &str) -> Meaning {
    // The low byte is the primary result code.
    match extended_code.parse::<i32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Meaning::Busy,               // BUSY, LOCKED
        Ok(3 | 8) => Meaning::ReadOnly,           // PERM, READONLY
        Ok(13) => Meaning::Full,                  // FULL
        Ok(11 | 26) => Meaning::Damaged,          // CORRUPT, NOTADB
        Ok(10 | 14 | 15) => Meaning::Unreachable, // IOERR, CANTOPEN, PROTOCOL
        _ => Meaning::Internal,
    }
}

fn postgres_meaning(sqlstate: &str) -> Meaning {
    match sqlstate {
        "28000" | "28P01" | "42501" => Meaning::NoEntry,
        "3D000" => Meaning::NoDatabase,
        "25006" => Meaning::ReadOnly,
        "53100" => Meaning::Full,
        // A serialisation failure, a deadlock, a lock timeout, too many connections.
        "40001" | "40P01" | "55P03" | "53300" => Meaning::Busy,
        "XX001" | "XX002" => Meaning::Damaged,
        _ if sqlstate.starts_with("08") || sqlstate.starts_with("57P") => Meaning::Unreachable,
        _ => Meaning::Internal,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_codes_mean_what_their_primary_code_means() {
        // SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_FSYNC, SQLITE_READONLY_DBMOVED, SQLITE_CORRUPT_INDEX.
        for (code, meaning) in [
            ("517", Meaning::Busy),
            ("1034", Meaning::Unreachable),
            ("1032", Meaning::ReadOnly),
            ("779", Meaning::Damaged),
            ("13", Meaning::Full),
            ("1", Meaning::Internal),
            ("", Meaning::Internal),
        ] {
            assert_eq!(sqlite_meaning(code), meaning, "{code}");
        }
    }

    #[test]
    fn messages_are_one_line() {
        let error = Meaning::Busy.at("x", DbBackend::Sqlite, &"a\n  b");
        assert!(!error.to_string().contains('\n'));
        assert!(error.to_string().contains("a b"));
    }
}
