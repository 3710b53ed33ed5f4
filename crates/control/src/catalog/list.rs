//! Pages of the library, newest first, by any combination of filters.

use media::{StreamName, WallTime};
use sea_orm::sea_query::{Expr, LikeExpr, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, JoinType, Order, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use super::cursor::Cursor;
use super::{Catalog, row};
use crate::CatalogError;
use crate::asset::{Asset, AssetKind, AssetStatus, Invalid, LABEL_BYTES_MAX, TAG_BYTES_MAX, check_text};
use crate::entity::asset::{Column, Entity};
use crate::entity::asset_tag;
use crate::fold::{LIKE_ESCAPE, contains_pattern, fold};

/// Assets of a page when none is asked for.
pub const PAGE_DEFAULT: u32 = 50;
/// Most assets of a page.
pub const PAGE_MAX: u32 = 500;
/// Longest search text. A LIKE pattern costs its length times the text searched.
pub const QUERY_BYTES_MAX: usize = 256;

/// What to list. Absent fields do not filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssetQuery {
    /// Title, a tag or the stream's name contains this, whatever the case. Blanks around it do not count.
    pub q: Option<String>,
    /// Carries this tag, whatever the case.
    pub tag: Option<String>,
    /// Has exactly this category.
    pub category: Option<String>,
    /// Is of this kind.
    pub kind: Option<AssetKind>,
    /// Is this far.
    pub status: Option<AssetStatus>,
    /// Shows this stream.
    pub stream: Option<StreamName>,
    /// Ends after this instant, or is still recording. With `to`: shows something of `[from, to)`.
    /// Assets without a wall time (uploads) are not listed then.
    pub from: Option<WallTime>,
    /// Starts before this instant.
    pub to: Option<WallTime>,
    /// Assets a page, 1 to [`PAGE_MAX`]; [`PAGE_DEFAULT`] when absent.
    pub limit: Option<u32>,
    /// [`AssetPage::next`] of the page before.
    pub cursor: Option<String>,
}

/// A page of assets, the newest `created_at` first.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetPage {
    /// At most the limit.
    pub items: Vec<Asset>,
    /// Where the next page begins; absent when this is the last.
    pub next: Option<String>,
}

impl Catalog {
    /// One page. Reading all pages gives every asset that matched all the while exactly once, whatever is
    /// added and deleted meanwhile.
    pub async fn list(&self, query: &AssetQuery) -> Result<AssetPage, CatalogError> {
        let limit = page_limit(query.limit)?;
        // One more than asked tells whether another page follows.
        let select = select(query)?.limit(u64::from(limit) + 1);
        let mut rows = select.all(self.db.read()).await.map_err(|e| self.db.fault(e))?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let items = rows.into_iter().map(row::asset).collect::<Result<Vec<_>, _>>();
        let items = items.map_err(|cause| self.db.damaged(cause))?;
        let next = items.last().filter(|_| more).map(|last| {
            let cursor = Cursor { created_at: last.created_at, id: last.id.clone() };
            cursor.encode()
        });
        Ok(AssetPage { items, next })
    }
}

/// The assets of a query in the order of lists, from its cursor on. The cursor is a comparison of rows,
/// which both databases answer by walking an index from that place.
fn select(query: &AssetQuery) -> Result<Select<Entity>, Invalid> {
    let mut select = Entity::find().filter(condition(query)?);
    let place = match &query.tag {
        Some(tag) => {
            select = tagged(select, tag)?;
            [asset_tag::Column::CreatedNs.into_expr(), asset_tag::Column::AssetId.into_expr()]
        }
        None => [Column::CreatedNs.into_expr(), Column::Id.into_expr()],
    };
    if let Some(cursor) = &query.cursor {
        let Cursor { created_at, id } = Cursor::decode(cursor)?;
        let last = Expr::tuple([Expr::value(created_at.0), Expr::value(id.as_str())]);
        select = select.filter(Expr::tuple(place.clone()).lt(last));
    }
    Ok(place.into_iter().fold(select, |select, column| select.order_by(column, Order::Desc)))
}

fn page_limit(limit: Option<u32>) -> Result<u32, Invalid> {
    match limit.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        limit => Err(Invalid::new("limit", format!("is {limit}; use 1 to {PAGE_MAX}"))),
    }
}

fn condition(query: &AssetQuery) -> Result<Condition, Invalid> {
    Ok(Condition::all()
        .add_option(query.q.as_deref().map(contains).transpose()?.flatten())
        .add_option(query.category.as_deref().map(of_category).transpose()?)
        .add_option(query.kind.map(|kind| Column::Kind.eq(kind.as_str())))
        .add_option(query.status.map(|status| Column::Status.eq(status.as_str())))
        .add_option(query.stream.as_ref().map(|stream| Column::Stream.eq(stream.as_str())))
        .add_option(overlapping(query.from, query.to)?))
}

fn contains(q: &str) -> Result<Option<Condition>, Invalid> {
    let q = q.trim();
    check_text("q", q, QUERY_BYTES_MAX)?;
    if q.is_empty() {
        return Ok(None);
    }
    let pattern = || LikeExpr::new(contains_pattern(&fold(q))).escape(LIKE_ESCAPE);
    Ok(Some(Condition::any().add(Column::Search.like(pattern())).add(Column::StreamSearch.like(pattern()))))
}

fn tagged(select: Select<Entity>, tag: &str) -> Result<Select<Entity>, Invalid> {
    let tag = tag.trim();
    check_text("tag", tag, TAG_BYTES_MAX)?;
    let carried = Entity::belongs_to(asset_tag::Entity).from(Column::Id).to(asset_tag::Column::AssetId);
    let select = select.join(JoinType::InnerJoin, carried.into());
    Ok(select.filter(asset_tag::Column::TagKey.eq(fold(tag))))
}

fn of_category(category: &str) -> Result<SimpleExpr, Invalid> {
    let category = category.trim();
    check_text("category", category, LABEL_BYTES_MAX)?;
    Ok(Column::Category.eq(category))
}

fn overlapping(from: Option<WallTime>, to: Option<WallTime>) -> Result<Option<Condition>, Invalid> {
    if matches!((from, to), (Some(from), Some(to)) if from >= to) {
        return Err(Invalid::new("to", "must lie after from"));
    }
    if from.is_none() && to.is_none() {
        return Ok(None);
    }
    let started = Condition::all().add(Column::StartNs.is_not_null());
    let ends_after =
        |from: WallTime| Condition::any().add(Column::EndNs.gt(from.0)).add(Column::EndNs.is_null());
    Ok(Some(started.add_option(from.map(ends_after)).add_option(to.map(|to| Column::StartNs.lt(to.0)))))
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, QueryTrait};

    use super::*;

    #[tokio::test]
    async fn a_page_of_any_filter_is_read_in_place_from_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&format!("sqlite:{}/t.db", folder.path().display())).await.unwrap();
        let id = crate::asset::AssetId::parse("a").unwrap();
        let cursor = Some(Cursor { created_at: WallTime(1), id }.encode());
        let paged = || AssetQuery { cursor: cursor.clone(), ..AssetQuery::default() };
        let text = || Some("x".to_owned());
        for (query, index) in [
            (paged(), "asset_by_time"),
            (AssetQuery { tag: text(), ..paged() }, "asset_tag_by_tag"),
            (AssetQuery { category: text(), ..paged() }, "asset_by_category"),
            (AssetQuery { kind: Some(AssetKind::Clip), ..paged() }, "asset_by_kind"),
            (AssetQuery { status: Some(AssetStatus::Ready), ..paged() }, "asset_by_status"),
            (AssetQuery { stream: StreamName::parse("live/a").ok(), ..paged() }, "asset_by_stream"),
        ] {
            let mut explain = select(&query).unwrap().limit(51).build(DbBackend::Sqlite);
            explain.sql = format!("EXPLAIN QUERY PLAN {}", explain.sql);
            let plan = catalog.db.read().query_all_raw(explain).await.unwrap();
            let plan: Vec<_> = plan.iter().map(|row| row.try_get::<String>("", "detail").unwrap()).collect();
            let plan = plan.join("; ");
            assert!(plan.contains(index) && plan.contains("created_ns"), "{query:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{query:?}: {plan}");
        }
    }
}
