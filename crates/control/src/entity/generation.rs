//! Table `generation`: a number per cached set of rows, raised in the transaction that changes the set, so
//! that every process sees by one small read whether its copy is old.

use sea_orm::entity::prelude::*;

/// The row that counts changes of the access tokens.
pub(crate) const TOKENS: &str = "tokens";

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "generation")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    pub(crate) value: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
