//! Keys that signed tokens (JWT) are checked with, and the signed tokens that were revoked before their time.

use sea_orm_migration::prelude::*;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0003_signing_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(key_table()).await?;
        manager.create_table(revoked_table()).await
    }
}

fn key_table() -> TableCreateStatement {
    let mut table = Table::create();
    table.table("signing_key").col(ColumnDef::new("id").text().not_null().primary_key());
    for text in ["name", "algorithm", "material"] {
        table.col(ColumnDef::new(text).text().not_null());
    }
    for text in ["issuer", "audience"] {
        table.col(ColumnDef::new(text).text().null());
    }
    table.col(ColumnDef::new("created_ns").big_integer().not_null());
    table.col(ColumnDef::new("revoked_ns").big_integer().null());
    table
}

fn revoked_table() -> TableCreateStatement {
    Table::create()
        .table("revoked_jwt")
        .col(ColumnDef::new("key_id").text().not_null())
        .col(ColumnDef::new("jti").text().not_null())
        .col(ColumnDef::new("revoked_ns").big_integer().not_null())
        .col(ColumnDef::new("until_ns").big_integer().null())
        .primary_key(Index::create().col("key_id").col("jti"))
        .to_owned()
}
