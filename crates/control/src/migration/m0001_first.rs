//! Assets with their tags, access tokens, generations and secrets. Times are nanoseconds since the Unix
//! epoch in 64-bit integers, ids and words are text, details are JSON in text.
//!
//! Names are spelled out here instead of taken from the entities: a step stays as it was when the entities
//! move on.

use sea_orm_migration::prelude::*;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [asset_table(), asset_tag_table(), token_table(), generation_table(), secret_table()] {
            manager.create_table(table).await?;
        }
        for index in asset_indexes() {
            manager.create_index(index).await?;
        }
        let generations = Query::insert()
            .into_table("generation")
            .columns(["name", "value"])
            .values_panic(["tokens".into(), 0i64.into()])
            .to_owned();
        manager.get_connection().execute(&generations).await?;
        Ok(())
    }
}

fn asset_table() -> TableCreateStatement {
    let mut table = Table::create();
    table.table("asset").col(ColumnDef::new("id").text().not_null().primary_key());
    let words = ["kind", "status", "title", "visibility", "search"];
    for text in words.into_iter().chain(["tags", "gaps", "epochs", "spans"]) {
        table.col(ColumnDef::new(text).text().not_null());
    }
    let texts = ["error", "category", "owner", "stream", "stream_search", "stream_id", "path"];
    for text in texts.into_iter().chain(["video_codec", "audio_codec", "accuracy", "gap_policy"]) {
        table.col(ColumnDef::new(text).text().null());
    }
    for number in ["requested_start_ns", "requested_end_ns", "start_ns", "end_ns", "duration_ns", "bytes"] {
        table.col(ColumnDef::new(number).big_integer().null());
    }
    for pixels in ["width", "height"] {
        table.col(ColumnDef::new(pixels).integer().null());
    }
    for time in ["created_ns", "updated_ns"] {
        table.col(ColumnDef::new(time).big_integer().not_null());
    }
    table
}

/// One index per filter, each ended by the order of lists, so that a page of any filter is read in place.
fn asset_indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create();
        index.name(name).table(table);
        for column in columns {
            index.col(*column);
        }
        index
    };
    vec![
        index("asset_by_time", "asset", &["created_ns", "id"]),
        index("asset_by_kind", "asset", &["kind", "created_ns", "id"]),
        index("asset_by_status", "asset", &["status", "created_ns", "id"]),
        index("asset_by_category", "asset", &["category", "created_ns", "id"]),
        index("asset_by_stream", "asset", &["stream", "created_ns", "id"]),
        index("asset_tag_by_tag", "asset_tag", &["tag_key", "created_ns", "asset_id"]),
    ]
}

fn asset_tag_table() -> TableCreateStatement {
    Table::create()
        .table("asset_tag")
        .col(ColumnDef::new("asset_id").text().not_null())
        .col(ColumnDef::new("tag_key").text().not_null())
        .col(ColumnDef::new("created_ns").big_integer().not_null())
        .primary_key(Index::create().col("asset_id").col("tag_key"))
        .foreign_key(
            ForeignKey::create()
                .name("asset_tag_of_asset")
                .from("asset_tag", "asset_id")
                .to("asset", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn token_table() -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table("access_token")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("secret_hash").var_binary(32).not_null().unique_key());
    for text in ["name", "acts", "streams"] {
        table.col(ColumnDef::new(text).text().not_null());
    }
    table.col(ColumnDef::new("created_ns").big_integer().not_null());
    for time in ["expires_ns", "revoked_ns"] {
        table.col(ColumnDef::new(time).big_integer().null());
    }
    table
}

fn generation_table() -> TableCreateStatement {
    Table::create()
        .table("generation")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(ColumnDef::new("value").big_integer().not_null())
        .to_owned()
}

fn secret_table() -> TableCreateStatement {
    Table::create()
        .table("secret")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(ColumnDef::new("value").var_binary(32).not_null())
        .to_owned()
}
