//! Table `stream_rule`: what the recordings of one stream may take, where somebody said so for that stream.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stream_rule")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) stream: String,
    pub(crate) max_age_ns: Option<i64>,
    pub(crate) max_bytes: Option<i64>,
    pub(crate) updated_ns: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
