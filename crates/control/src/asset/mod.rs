//! What the library holds: one [`Asset`] per recording, clip, upload, rendition or result. Plain data
//! and its checks; how it is stored is `catalog`'s business, how it is written as JSON is the server's.
//!
//! An asset has two halves with two owners. [`Facts`] come from the tape and can be computed again from
//! it, so a rebuild may overwrite them. [`Labels`] come from people and are kept nowhere else, so nothing
//! but a person's request ever changes them.

mod facts;
mod id;
mod labels;
mod words;

pub use facts::{AssetEpoch, AssetGap, DETAIL_BYTES_MAX, Facts, TEXT_BYTES_MAX};
pub use id::{AssetId, AssetIdError, ID_BYTES_MAX};
pub use labels::{LABEL_BYTES_MAX, Labels, TAG_BYTES_MAX, TAGS_MAX, TITLE_BYTES_MAX};
use media::WallTime;
use thiserror::Error;
pub use words::{Accuracy, AssetKind, AssetStatus, GapPolicy, Visibility};

/// One entry of the library.
///
/// All wall times are whole nanoseconds since the Unix epoch ([`WallTime`]), the tape's own unit: a range
/// read from an asset names exactly the frames it was made of. The API's RFC 3339 milliseconds are a
/// rendering of them, never what is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Names the asset for life.
    pub id: AssetId,
    /// What the tape says; a rebuild may replace it.
    pub facts: Facts,
    /// What people said; a rebuild leaves it alone.
    pub labels: Labels,
    /// When the asset came to be. Never changes: lists are paged by it.
    pub created_at: WallTime,
    /// When the row last changed.
    pub updated_at: WallTime,
}

impl Asset {
    /// An asset as it is first put into the library.
    pub fn new(id: AssetId, facts: Facts, labels: Labels, now: WallTime) -> Self {
        Self { id, facts, labels, created_at: now, updated_at: now }
    }

    /// The asset with its labels in canonical form, or what is wrong with it.
    pub(crate) fn checked(&self) -> Result<Self, Invalid> {
        self.facts.check()?;
        Ok(Self { labels: self.labels.checked()?, ..self.clone() })
    }
}

/// A value that the catalog does not take, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {why}")]
pub struct Invalid {
    /// The field as the API calls it.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub why: String,
}

impl Invalid {
    pub(crate) fn new(field: &'static str, why: impl Into<String>) -> Self {
        Self { field, why: why.into() }
    }
}

/// Refuses what no label, name or reason holds: more than `bytes_max` bytes, or a control character
/// (PostgreSQL cannot store NUL, and the others end up in logs and terminals).
pub(crate) fn check_text(field: &'static str, text: &str, bytes_max: usize) -> Result<(), Invalid> {
    if text.len() > bytes_max {
        return Err(Invalid::new(field, format!("{} bytes long; the limit is {bytes_max}", text.len())));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(Invalid::new(field, format!("contains the control character {c:?}; remove it"))),
        None => Ok(()),
    }
}
