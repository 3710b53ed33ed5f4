//! The control plane: what there is to see ([`catalog`]), who may do what ([`access`]), and by which
//! secret ([`keys`]). One database, SQLite or PostgreSQL, behind one set of queries.
//!
//! What is **not** here, and where it is:
//! - **Media bytes.** A row names a range of a tape or a file; reading, pinning, deleting and writing media
//!   is `tape`'s, turning it into something playable `view`'s. This crate could not open an extent.
//! - **Truth about media.** The tape's extents and journals are ground; [`asset::Facts`] are a cache of
//!   them, and a lost database is rebuilt from them. Only [`asset::Labels`] and tokens live here alone.
//!   There is no table of streams: the tape lists them.
//! - **HTTP, JSON bodies, configuration, command lines.** The server's; the types here have what it needs
//!   to be thin: [`CatalogError::kind`], [`access::Refusal::status`], words that parse and print.
//! - **A clock.** Every instant comes in as an argument.
//! - **Full-text search.** [`catalog::AssetQuery::q`] is "contains, whatever the case"; it scans.
//!
//! **Architecture Invariant:** `entity`, `migration` and `db` are private and the only modules that name
//! the database library in what they offer; [`access`] touches no database at all.
#![warn(missing_docs)]

pub mod access;
pub mod asset;
pub mod catalog;
mod db;
mod entity;
mod error;
mod fold;
pub mod keys;
mod migration;
pub mod rules;
mod word;

pub use catalog::Catalog;
pub use error::{CatalogError, ErrorKind};
pub use keys::Keys;
pub use word::UnknownWord;

/// `N` bytes from the operating system's random source.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}
