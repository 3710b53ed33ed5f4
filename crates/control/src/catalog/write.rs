//! Changes to the library. Each is one transaction; those that depend on what a row holds lock it first.

use media::WallTime;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect, TryInsertResult,
};

use super::{AssetPatch, Catalog, row};
use crate::CatalogError;
use crate::asset::{Asset, AssetId, AssetStatus};
use crate::entity::{asset, asset_tag};
use crate::fold::fold;

/// Assets that [`Catalog::upsert_from_tape`] writes in one transaction: enough that the sync at its end is
/// not what a rebuild waits for, few enough that a live write behind it waits some tens of milliseconds.
pub const UPSERT_BATCH: usize = 200;

/// What [`Catalog::insert`] found.
#[derive(Debug, Clone, PartialEq)]
pub enum Inserted {
    /// The asset was not there and is now.
    New,
    /// An asset of this id was there already and is left as it is.
    Existing(Box<Asset>),
}

/// How a recording ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// End of its last frame.
    pub end: WallTime,
    /// How long it plays, in nanoseconds.
    pub duration_ns: i64,
    /// Size of its media.
    pub bytes: u64,
    /// [`AssetStatus::Ready`], or [`AssetStatus::Pending`] while something is still to be done.
    pub status: AssetStatus,
}

impl Catalog {
    /// Adds an asset. Idempotent by id: an asset that is there already stays as it is, so that a journal
    /// can be replayed.
    pub async fn insert(&self, asset: &Asset) -> Result<Inserted, CatalogError> {
        let asset = asset.checked()?;
        let write = self.db.begin().await?;
        if self.insert_row(&write, &asset).await? {
            self.db.commit(write).await?;
            return Ok(Inserted::New);
        }
        match self.locked(&write, &asset.id).await? {
            Some(existing) => Ok(Inserted::Existing(Box::new(existing))),
            None => Err(self.db.busy(format!("asset {} was deleted meanwhile", asset.id))),
        }
    }

    /// Brings assets to what the tape says: missing ones are added whole; of those that are there `facts`
    /// and `updated_at` are overwritten, while labels and `created_at` survive. An absent `path` leaves
    /// the stored one, as a rebuild may not know of a file that was materialised; [`Catalog::set_path`]
    /// clears it.
    ///
    /// Written in transactions of [`UPSERT_BATCH`]: after an error the assets of earlier ones are in.
    pub async fn upsert_from_tape(&self, assets: &[Asset]) -> Result<(), CatalogError> {
        let mut assets = assets.iter().map(Asset::checked).collect::<Result<Vec<_>, _>>()?;
        // Two servers that lock rows in one order cannot lock each other out.
        assets.sort_by(|a, b| a.id.cmp(&b.id));
        for batch in assets.chunks(UPSERT_BATCH) {
            let write = self.db.begin().await?;
            for asset in batch {
                if !self.insert_row(&write, asset).await? {
                    self.update_row(&write, &asset.id, row::facts_only(asset)).await?;
                }
            }
            self.db.commit(write).await?;
        }
        Ok(())
    }

    /// A person's change. `None` when there is no such asset.
    pub async fn patch(
        &self,
        id: &AssetId,
        patch: &AssetPatch,
        now: WallTime,
    ) -> Result<Option<Asset>, CatalogError> {
        let write = self.db.begin().await?;
        let Some(mut asset) = self.locked(&write, id).await? else { return Ok(None) };
        patch.apply(&mut asset, now);
        asset.labels = asset.labels.checked()?;
        self.update_row(&write, id, row::labels_only(&asset)).await?;
        if patch.tags.is_some() {
            let old = asset_tag::Entity::delete_many().filter(asset_tag::Column::AssetId.eq(id.as_str()));
            old.exec(&write).await.map_err(|e| self.db.fault(e))?;
            self.insert_tags(&write, &asset).await?;
        }
        self.db.commit(write).await?;
        Ok(Some(asset))
    }

    /// Ends a recording. `None` when there is no such asset.
    pub async fn close_recording(
        &self,
        id: &AssetId,
        closing: &Closing,
        now: WallTime,
    ) -> Result<Option<Asset>, CatalogError> {
        self.restate(id, now, |asset| {
            asset.facts.end = Some(closing.end);
            asset.facts.duration_ns = Some(closing.duration_ns);
            asset.facts.bytes = Some(closing.bytes);
            asset.facts.status = closing.status;
        })
        .await
    }

    /// Says that an asset will not become ready, and why. `None` when there is no such asset.
    pub async fn fail(
        &self,
        id: &AssetId,
        error: &str,
        now: WallTime,
    ) -> Result<Option<Asset>, CatalogError> {
        self.restate(id, now, |asset| {
            asset.facts.status = AssetStatus::Failed;
            asset.facts.error = Some(error.to_owned());
        })
        .await
    }

    /// Says where the store keeps the asset's own file, or that it keeps none. `None` when there is no
    /// such asset.
    pub async fn set_path(
        &self,
        id: &AssetId,
        path: Option<&str>,
        now: WallTime,
    ) -> Result<Option<Asset>, CatalogError> {
        self.restate(id, now, |asset| asset.facts.path = path.map(str::to_owned)).await
    }

    /// Takes an asset out and returns it, so that the caller can let go of what it held on the tape.
    pub async fn delete(&self, id: &AssetId) -> Result<Option<Asset>, CatalogError> {
        let write = self.db.begin().await?;
        let Some(asset) = self.locked(&write, id).await? else { return Ok(None) };
        let rows = asset::Entity::delete_by_id(id.as_str());
        rows.exec(&write).await.map_err(|e| self.db.fault(e))?;
        self.db.commit(write).await?;
        Ok(Some(asset))
    }

    /// Changes facts that depend on those stored.
    async fn restate(
        &self,
        id: &AssetId,
        now: WallTime,
        change: impl FnOnce(&mut Asset),
    ) -> Result<Option<Asset>, CatalogError> {
        let write = self.db.begin().await?;
        let Some(mut asset) = self.locked(&write, id).await? else { return Ok(None) };
        change(&mut asset);
        if asset.facts.status != AssetStatus::Failed {
            asset.facts.error = None;
        }
        asset.updated_at = now;
        asset.facts.check()?;
        let mut changed = row::facts_only(&asset);
        changed.path = Set(asset.facts.path.clone());
        self.update_row(&write, id, changed).await?;
        self.db.commit(write).await?;
        Ok(Some(asset))
    }

    /// Whether the row was added; one of the same id stays.
    async fn insert_row(&self, write: &DatabaseTransaction, asset: &Asset) -> Result<bool, CatalogError> {
        let insert = asset::Entity::insert(row::whole(asset))
            .on_conflict(OnConflict::column(asset::Column::Id).do_nothing().to_owned())
            .try_insert();
        match insert.exec_without_returning(write).await.map_err(|e| self.db.fault(e))? {
            TryInsertResult::Inserted(1..) => self.insert_tags(write, asset).await.map(|()| true),
            _ => Ok(false),
        }
    }

    async fn insert_tags(&self, write: &DatabaseTransaction, asset: &Asset) -> Result<(), CatalogError> {
        if asset.labels.tags.is_empty() {
            return Ok(());
        }
        let rows = asset.labels.tags.iter().map(|tag| {
            let row = asset_tag::Model {
                asset_id: asset.id.as_str().to_owned(),
                tag_key: fold(tag),
                created_ns: asset.created_at.0,
            };
            row.into_active_model()
        });
        let insert = asset_tag::Entity::insert_many(rows);
        insert.exec_without_returning(write).await.map_err(|e| self.db.fault(e))?;
        Ok(())
    }

    async fn update_row(
        &self,
        write: &DatabaseTransaction,
        id: &AssetId,
        columns: asset::ActiveModel,
    ) -> Result<(), CatalogError> {
        let update = asset::Entity::update_many().set(columns).filter(asset::Column::Id.eq(id.as_str()));
        update.exec(write).await.map_err(|e| self.db.fault(e))?;
        Ok(())
    }

    /// The asset, held against other writers until the transaction ends.
    async fn locked(
        &self,
        write: &impl ConnectionTrait,
        id: &AssetId,
    ) -> Result<Option<Asset>, CatalogError> {
        let query = asset::Entity::find_by_id(id.as_str()).lock_exclusive();
        let row = query.one(write).await.map_err(|e| self.db.fault(e))?;
        row.map(|row| row::asset(row).map_err(|cause| self.db.damaged(cause))).transpose()
    }
}
