//! The tables, as steps that are only ever added: a database of any earlier version is brought up to date
//! on opening. Steps use the schema builder only, so one step serves both databases.

mod m0001_first;
mod m0002_stream_rule;
mod m0003_signing_keys;

use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait};

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Step),
            Box::new(m0002_stream_rule::Step),
            Box::new(m0003_signing_keys::Step),
        ]
    }
}
