//! Table `asset`: an [`Asset`](crate::asset::Asset) and the texts that a search runs over.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "asset")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) error: Option<String>,
    pub(crate) title: String,
    /// JSON, as are `gaps`, `epochs` and `spans`: text, because PostgreSQL's own JSON types refuse NUL and
    /// `jsonb` rewrites what it is given.
    pub(crate) tags: String,
    pub(crate) category: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) visibility: String,
    /// Title and tags, folded, one a line.
    pub(crate) search: String,
    pub(crate) stream: Option<String>,
    /// The stream's name, folded. Apart from `search`, so that a rebuild need not know title and tags.
    pub(crate) stream_search: Option<String>,
    pub(crate) stream_id: Option<String>,
    pub(crate) requested_start_ns: Option<i64>,
    pub(crate) requested_end_ns: Option<i64>,
    pub(crate) start_ns: Option<i64>,
    pub(crate) end_ns: Option<i64>,
    pub(crate) duration_ns: Option<i64>,
    pub(crate) bytes: Option<i64>,
    pub(crate) path: Option<String>,
    pub(crate) width: Option<i32>,
    pub(crate) height: Option<i32>,
    pub(crate) video_codec: Option<String>,
    pub(crate) audio_codec: Option<String>,
    pub(crate) accuracy: Option<String>,
    pub(crate) gap_policy: Option<String>,
    pub(crate) gaps: String,
    pub(crate) epochs: String,
    pub(crate) spans: String,
    pub(crate) created_ns: i64,
    pub(crate) updated_ns: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
