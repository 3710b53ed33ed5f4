//! Table `asset_tag`: which assets carry a tag, for the tag filter. What people see, spelling and order,
//! is in `asset.tags`; both are written in one transaction.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "asset_tag")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) asset_id: String,
    /// The tag, folded.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tag_key: String,
    /// The asset's, which never changes: with it a page of a tag is read in place.
    pub(crate) created_ns: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
