//! Rules of retention that people gave single streams. What the configuration says of all streams, and what follows
//! from a rule, is not decided here.

use media::{StreamName, WallTime};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::entity::stream_rule::{ActiveModel, Column, Entity, Model};
use crate::{Catalog, CatalogError};

/// Most streams with a rule of their own: they are all in memory.
pub const RULES_MAX: u64 = 10_000;

/// What the recordings of one stream may take. What is absent follows the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRule {
    /// The stream; it need not exist yet.
    pub stream: StreamName,
    /// Media older than this goes, in nanoseconds.
    pub max_age_ns: Option<i64>,
    /// The oldest media goes while there are more bytes than this.
    pub max_bytes: Option<u64>,
}

/// Whether a rule was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Made,
    /// It took the place of another.
    Replaced,
}

impl Catalog {
    /// All rules.
    pub async fn stream_rules(&self) -> Result<Vec<StreamRule>, CatalogError> {
        let db = self.db();
        let rows = Entity::find().all(db.read()).await.map_err(|e| db.fault(e))?;
        rows.into_iter().map(|row| rule(row).map_err(|cause| db.damaged(cause))).collect()
    }

    /// Gives a stream a rule.
    pub async fn put_stream_rule(&self, rule: &StreamRule, now: WallTime) -> Result<Put, CatalogError> {
        let db = self.db();
        let write = db.begin().await?;
        let fault = |e| db.fault(e);
        let known = Entity::find_by_id(rule.stream.as_str()).one(&write).await.map_err(fault)?;
        if known.is_none() && Entity::find().count(&write).await.map_err(fault)? >= RULES_MAX {
            return Err(db.busy(format!("{RULES_MAX} streams have rules of their own; remove some")));
        }
        let row = ActiveModel {
            stream: Set(rule.stream.as_str().to_owned()),
            max_age_ns: Set(rule.max_age_ns),
            max_bytes: Set(rule.max_bytes.map(|b| i64::try_from(b).unwrap_or(i64::MAX))),
            updated_ns: Set(now.0),
        };
        let replace = OnConflict::column(Column::Stream)
            .update_columns([Column::MaxAgeNs, Column::MaxBytes, Column::UpdatedNs])
            .to_owned();
        Entity::insert(row).on_conflict(replace).exec_without_returning(&write).await.map_err(fault)?;
        db.commit(write).await?;
        Ok(if known.is_some() { Put::Replaced } else { Put::Made })
    }

    /// Lets a stream follow the configuration again. Gives whether it had a rule.
    pub async fn delete_stream_rule(&self, stream: &StreamName) -> Result<bool, CatalogError> {
        let db = self.db();
        let write = db.begin().await?;
        let gone = Entity::delete_by_id(stream.as_str()).exec(&write).await.map_err(|e| db.fault(e))?;
        db.commit(write).await?;
        Ok(gone.rows_affected > 0)
    }
}

fn rule(row: Model) -> Result<StreamRule, String> {
    let stream = StreamName::parse(&row.stream).map_err(|e| format!("stream_rule.stream: {e}"))?;
    let max_bytes = row.max_bytes.map(|b| u64::try_from(b).unwrap_or(0));
    Ok(StreamRule { stream, max_age_ns: row.max_age_ns, max_bytes })
}
