//! Table `access_token`: what each token allows, under the hash of its secret. The secret itself is
//! nowhere.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "access_token")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) name: String,
    pub(crate) acts: String,
    pub(crate) streams: String,
    pub(crate) created_ns: i64,
    pub(crate) expires_ns: Option<i64>,
    pub(crate) revoked_ns: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
