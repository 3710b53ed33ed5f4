//! Table `secret`: keys that the servers of one database share and that never leave them.

use sea_orm::entity::prelude::*;

/// The row with the key that signs grants in media paths.
pub(crate) const PATH_GRANTS: &str = "path_grants";

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "secret")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
