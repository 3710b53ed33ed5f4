//! Rules of retention for single streams.

use sea_orm_migration::prelude::*;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0002_stream_rule"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table("stream_rule").col(ColumnDef::new("stream").text().not_null().primary_key());
        for number in ["max_age_ns", "max_bytes"] {
            table.col(ColumnDef::new(number).big_integer().null());
        }
        table.col(ColumnDef::new("updated_ns").big_integer().not_null());
        manager.create_table(table).await
    }
}
