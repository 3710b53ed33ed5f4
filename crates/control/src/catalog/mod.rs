//! The library in its database: put in, look up, list, change, take out. Media stays outside: a row says
//! where media is, and pins, files and journals belong to the tape.
//!
//! No call reads a clock; `now` and `created_at` come from the caller, so a replay gives the same rows.
//! Every write is one transaction, and what a call returned is durable.

mod cursor;
mod list;
mod row;
mod write;

use media::WallTime;
use serde::{Deserialize, Deserializer};

pub use list::{AssetPage, AssetQuery, PAGE_DEFAULT, PAGE_MAX, QUERY_BYTES_MAX};
pub use write::{Closing, Inserted, UPSERT_BATCH};

use crate::asset::{Asset, AssetId, Visibility};
use crate::db::Db;
use crate::{CatalogError, entity};

/// An open catalog. Clones share it.
#[derive(Debug, Clone)]
pub struct Catalog {
    db: Db,
}

impl Catalog {
    /// Opens `sqlite:PATH` (and makes the file) or `postgres://…`, and brings its tables up to date.
    ///
    /// SQLite runs with a write-ahead log and `synchronous=FULL`: what a call returned survives a power
    /// cut.
    ///
    /// # Errors
    /// One line that says what to do, for a URL that is not understood and a database that is unreachable,
    /// unwritable, damaged or newer than this program.
    pub async fn open(url: &str) -> Result<Self, CatalogError> {
        Ok(Self { db: Db::open(url).await? })
    }

    /// Succeeds when the database answers.
    pub async fn ping(&self) -> Result<(), CatalogError> {
        use sea_orm::EntityTrait;
        let query = entity::generation::Entity::find_by_id(entity::generation::TOKENS);
        query.one(self.db.read()).await.map_err(|e| self.db.fault(e))?;
        Ok(())
    }

    /// Closes the connections of this catalog and its clones, after the calls that run.
    pub async fn close(self) -> Result<(), CatalogError> {
        self.db.close().await
    }

    /// The asset, if there is one.
    pub async fn get(&self, id: &AssetId) -> Result<Option<Asset>, CatalogError> {
        use sea_orm::EntityTrait;
        let query = entity::asset::Entity::find_by_id(id.as_str());
        let row = query.one(self.db.read()).await.map_err(|e| self.db.fault(e))?;
        row.map(|row| row::asset(row).map_err(|cause| self.db.damaged(cause))).transpose()
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }
}

/// A person's change to an asset's labels. Absent fields stay; in JSON, `null` clears category and owner.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssetPatch {
    /// The new title.
    pub title: Option<String>,
    /// All tags from now on.
    pub tags: Option<Vec<String>>,
    /// `Some(None)` clears.
    #[serde(deserialize_with = "present")]
    pub category: Option<Option<String>>,
    /// `Some(None)` clears.
    #[serde(deserialize_with = "present")]
    pub owner: Option<Option<String>>,
    /// Who may fetch its media.
    pub visibility: Option<Visibility>,
}

impl AssetPatch {
    fn apply(&self, asset: &mut Asset, now: WallTime) {
        let labels = &mut asset.labels;
        if let Some(title) = &self.title {
            labels.title.clone_from(title);
        }
        if let Some(tags) = &self.tags {
            labels.tags.clone_from(tags);
        }
        if let Some(category) = &self.category {
            labels.category.clone_from(category);
        }
        if let Some(owner) = &self.owner {
            labels.owner.clone_from(owner);
        }
        if let Some(visibility) = self.visibility {
            labels.visibility = visibility;
        }
        asset.updated_at = now;
    }
}

/// Tells a field that is `null` from one that is absent.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_tells_null_from_absent_and_refuses_what_it_does_not_know() {
        let patch: AssetPatch = serde_json::from_str(r#"{"category": null, "tags": ["a"]}"#).unwrap();
        assert_eq!((patch.category, patch.owner), (Some(None), None));
        assert_eq!(patch.tags, Some(vec!["a".to_owned()]));
        assert!(serde_json::from_str::<AssetPatch>(r#"{"status": "ready"}"#).is_err());
        assert!(serde_json::from_str::<AssetPatch>(r#"{"visibility": "secret"}"#).is_err());
    }
}
