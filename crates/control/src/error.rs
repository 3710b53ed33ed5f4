//! What can go wrong with the catalog, in words an operator can act on. Which database code means what is
//! in `db::fault`; which HTTP status a kind becomes is the server's table.

use thiserror::Error;

use crate::asset::Invalid;

/// A call to the catalog or the keys that did not succeed. Its text is one line: where, what, what next.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The caller's value is not acceptable; nothing was changed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The `database` setting is not understood.
    #[error(
        "database = {url:?}: {why}; write sqlite:PATH (such as sqlite:data/tapeline.db) or \
         postgres://USER@HOST/NAME"
    )]
    Url {
        /// The setting, without its password.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The database cannot be opened or reached, or does not let us in.
    #[error("{place} cannot be used ({cause}): {advice}")]
    Unavailable {
        /// Which database.
        place: String,
        /// What it said.
        cause: String,
        /// What to do.
        advice: String,
    },
    /// The database did not let a call have its turn for as long as a call waits. Nothing was changed; trying again is right.
    #[error(
        "{place} did not answer in time ({cause}): try again; if it stays so, check that it runs and that no \
         other program holds it"
    )]
    Busy {
        /// Which database.
        place: String,
        /// What it said.
        cause: String,
    },
    /// No space is left for the database.
    #[error("{place} is out of space ({cause}): free space on its volume; nothing was changed")]
    Full {
        /// Which database.
        place: String,
        /// What it said.
        cause: String,
    },
    /// The database holds something that it should not be able to hold.
    #[error("{place} is damaged ({cause}): {advice}")]
    Damaged {
        /// Which database.
        place: String,
        /// What it said or what was found.
        cause: String,
        /// What to do.
        advice: String,
    },
    /// The tables were made by a later version.
    #[error(
        "{place} was made by a newer Tapeline (step {step}): start that version, or name another database"
    )]
    Newer {
        /// Which database.
        place: String,
        /// The first step that this version does not know.
        step: String,
    },
    /// More access tokens than are kept.
    #[error("there are {0} access tokens, the most that are kept: revoke some (tapeline token revoke ID)")]
    TooManyTokens(u64),
    /// More signing keys than are kept.
    #[error(
        "there are {0} signing keys, the most that are kept: revoke some (tapeline key revoke ID); they go 30 days later"
    )]
    TooManyKeys(u64),
    /// More revoked signed tokens than are kept.
    #[error(
        "{0} signed tokens are revoked one by one, the most that are kept: revoke their key instead (tapeline key revoke ID)"
    )]
    TooManyRevoked(u64),
    /// Anything else the database refuses: a defect of this program.
    #[error("{place} refused a query ({cause}): this is a defect, please report it")]
    Internal {
        /// Which database.
        place: String,
        /// What it said.
        cause: String,
    },
}

/// What a [`CatalogError`] means to the one who asked, for the table that maps errors to answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request was wrong (HTTP 400).
    Invalid,
    /// Later it may succeed (HTTP 503).
    Unavailable,
    /// No space (HTTP 507).
    Full,
    /// Someone has to repair something (HTTP 500).
    Broken,
}

impl CatalogError {
    /// What it means to the one who asked.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Busy { .. } | Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Full { .. } | Self::TooManyTokens(_) | Self::TooManyKeys(_) | Self::TooManyRevoked(_) => {
                ErrorKind::Full
            }
            Self::Url { .. } | Self::Damaged { .. } | Self::Newer { .. } | Self::Internal { .. } => {
                ErrorKind::Broken
            }
        }
    }
}
