//! Pages of lists that are whole in memory.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::problem::{Kind, Problem};

/// Items of a page when none is asked for, and the most: as the library's.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 500;

/// The query of a list that has no filters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    pub(super) limit: Option<usize>,
    pub(super) cursor: Option<String>,
    #[serde(rename = "token")]
    _token: Option<String>,
}

/// How many items a page has.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(PAGE_DEFAULT);
    match (1..=PAGE_MAX).contains(&limit) {
        true => Ok(limit),
        false => Err(Problem::new(Kind::BadQuery, format!("limit is {limit}; it takes 1 to {PAGE_MAX}"))),
    }
}

/// A page of items that have ids; the cursor is the last id of the page before.
pub(super) fn page(items: Vec<(String, Value)>, query: &PageQuery) -> Result<Value, Problem> {
    let limit = limit(query.limit)?;
    let from = match &query.cursor {
        None => 0,
        Some(cursor) => items.iter().position(|(id, _)| id == cursor).map(|at| at + 1).ok_or_else(|| {
            Problem::new(
                Kind::BadQuery,
                "cursor: what the page before ended with is gone; begin again without it",
            )
        })?,
    };
    let more = items.len() > from + limit;
    let shown: Vec<_> = items.into_iter().skip(from).take(limit).collect();
    let next = shown.last().filter(|_| more).map(|(id, _)| id.clone());
    let items: Vec<Value> = shown.into_iter().map(|(_, item)| item).collect();
    Ok(json!({"items": items, "next": next}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_the_list_once() {
        let all = || (0..5).map(|n| (n.to_string(), json!(n))).collect::<Vec<_>>();
        let ask = |limit, cursor: Option<&str>| {
            let query = PageQuery { limit, cursor: cursor.map(str::to_owned), _token: None };
            page(all(), &query).map_err(|p| p.status().as_u16())
        };
        assert_eq!(ask(Some(2), None), Ok(json!({"items": [0, 1], "next": "1"})));
        assert_eq!(ask(Some(3), Some("1")), Ok(json!({"items": [2, 3, 4], "next": null})));
        assert_eq!(ask(None, Some("4")), Ok(json!({"items": [], "next": null})));
        for (limit, cursor) in [(Some(0), None), (Some(501), None), (None, Some("x"))] {
            assert_eq!(ask(limit, cursor), Err(400));
        }
    }
}
