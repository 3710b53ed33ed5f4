//! Lists: the filters against plain Rust over the same assets, and pages against assets that come and go.

use std::collections::{BTreeMap, BTreeSet};

use control::asset::{Asset, AssetKind, AssetStatus, Facts, Labels};
use control::catalog::{AssetPatch, AssetQuery, PAGE_MAX, QUERY_BYTES_MAX};
use control::{Catalog, ErrorKind};
use media::WallTime;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::samples::{NOW, id, stream};

/// Cases per property: a case is some twenty transactions, and both databases run all.
const CASES: u32 = 40;

/// Runs a property whose cases talk to the database.
fn property<S: Strategy, F: Future<Output = Result<(), TestCaseError>>>(
    strategy: S,
    test: impl Fn(S::Value) -> F,
) {
    block_in_place(|| {
        let mut runner =
            TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        runner.run(&strategy, |case| Handle::current().block_on(test(case))).unwrap();
    });
}

/// Text of the characters that SQL, LIKE and case mappings trip over.
fn tricky_text() -> impl Strategy<Value = String> {
    "[%_!\\\\'\"aAbB摄σΣς]{0,4}"
}

fn tricky_tag() -> impl Strategy<Value = String> {
    "[%_!\\\\'aA摄]{1,2}"
}

prop_compose! {
    fn some_asset()(
        title in tricky_text(),
        tags in prop::collection::vec(tricky_tag(), 0..3),
        category in prop::option::of(select(vec!["goals", "Goals"])),
        kind in select(AssetKind::ALL),
        status in select(vec![AssetStatus::Recording, AssetStatus::Ready]),
        name in prop::option::of(select(vec!["live/a!", "live/b", "vod/A_"])),
        start in prop::option::of(0i64..6),
        length in prop::option::of(0i64..6),
        created in 0i64..4,
    ) -> Asset {
        let facts = Facts {
            stream: name.map(stream),
            start: start.map(WallTime),
            end: start.and_then(|start| Some(WallTime(start + length?))),
            ..Facts::new(kind, status)
        };
        let labels = Labels { title, tags, category: category.map(str::to_owned), ..Labels::default() };
        Asset::new(id("unnamed"), facts, labels, WallTime(created))
    }
}

prop_compose! {
    fn some_query()(
        q in prop::option::of(tricky_text()),
        tag in prop::option::of(tricky_tag()),
        category in prop::option::of(select(vec!["goals", "Goals"])),
        kind in prop::option::weighted(0.2, select(AssetKind::ALL)),
        status in prop::option::weighted(0.2, select(AssetStatus::ALL)),
        name in prop::option::weighted(0.2, select(vec!["live/a!", "live/b"])),
        from in prop::option::of(0i64..6),
        length in prop::option::of(1i64..6),
        one_filter in prop::option::of(0usize..7),
        limit in 1u32..5,
    ) -> AssetQuery {
        // Mostly one filter alone: all together match hardly anything.
        let used = |n: usize| one_filter.is_none_or(|one| one == n);
        AssetQuery {
            q: q.filter(|_| used(0)),
            tag: tag.filter(|_| used(1)),
            category: category.filter(|_| used(2)).map(str::to_owned),
            kind: kind.filter(|_| used(3)),
            status: status.filter(|_| used(4)),
            stream: name.filter(|_| used(5)).map(stream),
            from: from.filter(|_| used(6)).map(WallTime),
            to: length.filter(|_| used(6)).map(|length| WallTime(from.unwrap_or(0) + length)),
            limit: Some(limit),
            cursor: None,
        }
    }
}

/// The small alphabet's own folding.
fn folded(text: &str) -> String {
    text.to_lowercase().replace('ς', "σ")
}

/// What a query means, said without SQL.
fn matches(query: &AssetQuery, asset: &Asset) -> bool {
    let (facts, labels) = (&asset.facts, &asset.labels);
    let contains = |q: &String| {
        let name = facts.stream.iter().map(|name| name.as_str());
        let mut texts = name.chain([labels.title.as_str()]).chain(labels.tags.iter().map(String::as_str));
        texts.any(|text| folded(text).contains(&folded(q)))
    };
    query.q.as_ref().is_none_or(contains)
        && query.tag.as_ref().is_none_or(|tag| labels.tags.iter().any(|t| folded(t) == folded(tag)))
        && (query.category.is_none() || query.category == labels.category)
        && query.kind.is_none_or(|kind| kind == facts.kind)
        && query.status.is_none_or(|status| status == facts.status)
        && (query.stream.is_none() || query.stream == facts.stream)
        && query.from.is_none_or(|from| facts.start.is_some() && facts.end.is_none_or(|end| end > from))
        && query.to.is_none_or(|to| facts.start.is_some_and(|start| start < to))
}

fn named(n: usize, asset: Asset) -> Asset {
    // Mixed case and punctuation: databases order these in different ways.
    let prefix = ["a", "B", "-", "_", "9"][n % 5];
    Asset { id: id(&format!("{prefix}{n}")), ..asset }
}

async fn emptied(catalog: &Catalog) {
    let all = AssetQuery { limit: Some(PAGE_MAX), ..AssetQuery::default() };
    for asset in catalog.list(&all).await.unwrap().items {
        catalog.delete(&asset.id).await.unwrap();
    }
}

pub(crate) async fn filters_agree_with_plain_rust(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let case = (prop::collection::vec(some_asset(), 1..25), prop::collection::vec(some_query(), 8));
    property(case, async |(assets, queries)| {
        emptied(&catalog).await;
        let assets: Vec<_> = assets.into_iter().enumerate().map(|(n, asset)| named(n, asset)).collect();
        catalog.upsert_from_tape(&assets).await.unwrap();
        for mut query in queries {
            let mut expected: Vec<_> =
                assets.iter().filter(|a| matches(&query, a)).map(|a| a.id.clone()).collect();
            let mut found = Vec::new();
            loop {
                let page = catalog.list(&query).await.unwrap();
                prop_assert!(page.items.len() <= query.limit.unwrap() as usize);
                found.extend(page.items);
                prop_assert!(found.len() <= assets.len(), "pages without end");
                match page.next {
                    Some(next) => query.cursor = Some(next),
                    None => break,
                }
            }
            prop_assert!(found.is_sorted_by(|a, b| a.created_at >= b.created_at));
            let mut found: Vec<_> = found.into_iter().map(|asset| asset.id).collect();
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected, "{:?}", query);
        }
        Ok(())
    });
}

/// Something that happens between two pages.
#[derive(Debug, Clone)]
enum Event {
    Insert(Box<Asset>),
    Delete(Index),
    Patch(Index),
    Restate(Index),
}

fn some_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        some_asset().prop_map(|asset| Event::Insert(Box::new(asset))),
        any::<Index>().prop_map(Event::Delete),
        any::<Index>().prop_map(Event::Patch),
        any::<Index>().prop_map(Event::Restate),
    ]
}

/// The assets there are, and those of the beginning that are still there.
struct Shelf<'a> {
    catalog: &'a Catalog,
    assets: BTreeMap<String, Asset>,
    lasting: BTreeSet<String>,
    named: usize,
}

impl Shelf<'_> {
    async fn happen(&mut self, event: Event) {
        let nth = |index: Index| {
            let at = index.index(self.assets.len().max(1));
            self.assets.values().nth(at).cloned()
        };
        match event {
            Event::Insert(asset) => {
                let asset = named(self.named, *asset);
                self.named += 1;
                self.catalog.insert(&asset).await.unwrap();
                self.assets.insert(asset.id.to_string(), asset);
            }
            Event::Delete(index) => {
                let Some(asset) = nth(index) else { return };
                self.catalog.delete(&asset.id).await.unwrap();
                self.assets.remove(asset.id.as_str());
                self.lasting.remove(asset.id.as_str());
            }
            Event::Patch(index) => {
                let Some(asset) = nth(index) else { return };
                let patch = AssetPatch { title: Some("patched".into()), ..AssetPatch::default() };
                self.catalog.patch(&asset.id, &patch, NOW).await.unwrap();
            }
            Event::Restate(index) => {
                let Some(asset) = nth(index) else { return };
                let restated = Asset { created_at: NOW, updated_at: NOW, ..asset };
                self.catalog.upsert_from_tape(&[restated]).await.unwrap();
            }
        }
    }
}

pub(crate) async fn pages_lose_and_repeat_nothing_while_assets_come_and_go(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let case = (
        prop::collection::vec(some_asset(), 0..20),
        prop::collection::vec(some_event(), 0..40),
        1u32..6,
        0usize..4,
    );
    property(case, async |(assets, events, limit, events_per_page)| {
        emptied(&catalog).await;
        let mut shelf =
            Shelf { catalog: &catalog, assets: BTreeMap::new(), lasting: BTreeSet::new(), named: 0 };
        for asset in assets {
            shelf.happen(Event::Insert(Box::new(asset))).await;
        }
        shelf.lasting = shelf.assets.keys().cloned().collect();
        let mut events = events.into_iter();
        let mut query = AssetQuery { limit: Some(limit), ..AssetQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = catalog.list(&query).await.unwrap();
            seen.extend(page.items.iter().map(|asset| asset.id.to_string()));
            prop_assert!(seen.len() <= shelf.named, "pages without end");
            let Some(next) = page.next else { break };
            query.cursor = Some(next);
            for event in events.by_ref().take(events_per_page) {
                shelf.happen(event).await;
            }
        }
        let once: BTreeSet<_> = seen.iter().cloned().collect();
        prop_assert_eq!(once.len(), seen.len(), "an asset came twice: {:?}", seen);
        prop_assert!(once.is_superset(&shelf.lasting), "lost: {:?}", &shelf.lasting - &once);
        Ok(())
    });
}

pub(crate) async fn strange_queries_are_refused(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let empty = AssetQuery::default;
    let text = |text: &str| Some(text.to_owned());
    for query in [
        AssetQuery { limit: Some(0), ..empty() },
        AssetQuery { limit: Some(PAGE_MAX + 1), ..empty() },
        AssetQuery { cursor: text("AAAA"), ..empty() },
        AssetQuery { cursor: text("'; DROP TABLE asset; --"), ..empty() },
        AssetQuery { from: Some(NOW), to: Some(NOW), ..empty() },
        AssetQuery { q: text("a\0b"), ..empty() },
        AssetQuery { q: text(&"x".repeat(QUERY_BYTES_MAX + 1)), ..empty() },
        AssetQuery { tag: text("a\0b"), ..empty() },
        AssetQuery { category: text("a\0b"), ..empty() },
    ] {
        let error = catalog.list(&query).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{query:?}: {error}");
    }
    // The longest search of nothing but wildcards is an ordinary one.
    let query = AssetQuery { q: text(&"%".repeat(QUERY_BYTES_MAX)), ..empty() };
    assert!(catalog.list(&query).await.unwrap().items.is_empty());
}
