//! Many at once: opens, writers, changes of one asset, and callers who go away in the middle.

use std::sync::Arc;
use std::time::Duration;

use control::Catalog;
use control::asset::{Asset, Labels};
use control::catalog::{AssetPatch, AssetQuery, Inserted};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::samples::{NOW, clip, id};

fn tagged(name: &str) -> Asset {
    let labels = Labels { tags: vec!["common".into(), format!("only-{name}")], ..clip(name).labels };
    Asset { labels, ..clip(name) }
}

async fn all_ids(catalog: &Catalog, tag: Option<&str>) -> Vec<String> {
    let query = AssetQuery { limit: Some(500), tag: tag.map(str::to_owned), ..AssetQuery::default() };
    let page = catalog.list(&query).await.unwrap();
    assert_eq!(page.next, None);
    let mut ids: Vec<_> = page.items.iter().map(|asset| asset.id.to_string()).collect();
    ids.sort();
    ids
}

pub(crate) async fn many_opens_of_a_new_database_all_succeed(url: &str) {
    const OPENERS: usize = 8;
    let start = Arc::new(Barrier::new(OPENERS));
    let mut openers = JoinSet::new();
    for n in 0..OPENERS {
        let (start, url) = (start.clone(), url.to_owned());
        openers.spawn(async move {
            start.wait().await;
            let catalog = Catalog::open(&url).await.unwrap();
            catalog.insert(&clip(&format!("n{n}"))).await.unwrap();
            // Closing beside the opening of others is part of the crowd.
            catalog.close().await.unwrap();
        });
    }
    openers.join_all().await;
    assert_eq!(all_ids(&Catalog::open(url).await.unwrap(), None).await.len(), OPENERS);
}

pub(crate) async fn a_burst_of_writers_is_never_told_busy(url: &str) {
    const WRITERS: usize = 200;
    // Two openings have no queue in common: they meet at the database's own lock, as two processes do.
    let catalogs = [Catalog::open(url).await.unwrap(), Catalog::open(url).await.unwrap()];
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let catalog = catalogs[n % 2].clone();
        writers.spawn(async move {
            let asset = tagged(&format!("n{n}"));
            assert_eq!(catalog.insert(&asset).await.unwrap(), Inserted::New);
            // Reads in between, as of the pages that people look at.
            assert_eq!(catalog.get(&asset.id).await.unwrap(), Some(asset));
        });
    }
    writers.join_all().await;
    assert_eq!(all_ids(&catalogs[0], Some("common")).await.len(), WRITERS);
}

pub(crate) async fn changes_of_one_asset_do_not_overwrite_each_other(url: &str) {
    let catalogs = [Catalog::open(url).await.unwrap(), Catalog::open(url).await.unwrap()];
    catalogs[0].insert(&clip("a")).await.unwrap();
    let mut writers = JoinSet::new();
    for round in 0..20 {
        let (people, tape, store) = (catalogs[0].clone(), catalogs[1].clone(), catalogs[1].clone());
        let tags = vec![format!("tag-{round}")];
        writers.spawn(async move {
            let patch = AssetPatch { tags: Some(tags), ..AssetPatch::default() };
            people.patch(&id("a"), &patch, NOW).await.unwrap().unwrap();
        });
        writers.spawn(async move {
            let mut asset = clip("a");
            asset.facts.bytes = Some(round);
            tape.upsert_from_tape(&[asset]).await.unwrap();
        });
        writers.spawn(async move {
            store.set_path(&id("a"), Some("kept.mp4"), NOW).await.unwrap().unwrap();
        });
    }
    writers.join_all().await;
    let asset = catalogs[0].get(&id("a")).await.unwrap().unwrap();
    assert_eq!(asset.facts.path.as_deref(), Some("kept.mp4"));
    assert_eq!(asset.labels.tags.len(), 1);
    // What people see and what the filter finds are one.
    assert_eq!(all_ids(&catalogs[1], Some(&asset.labels.tags[0])).await, ["a"]);
    let mut others = 0;
    for round in 0..20 {
        others += all_ids(&catalogs[1], Some(&format!("tag-{round}"))).await.len();
    }
    assert_eq!(others, 1);
}

pub(crate) async fn changes_of_two_fields_at_once_both_stay(url: &str) {
    let catalogs = [Catalog::open(url).await.unwrap(), Catalog::open(url).await.unwrap()];
    catalogs[0].insert(&clip("a")).await.unwrap();
    for round in 0..60 {
        let said = format!("round {round}");
        let title = AssetPatch { title: Some(said.clone()), ..AssetPatch::default() };
        let owner = AssetPatch { owner: Some(Some(said.clone())), ..AssetPatch::default() };
        let a = id("a");
        let both = (catalogs[0].patch(&a, &title, NOW), catalogs[1].patch(&a, &owner, NOW));
        let (first, second) = tokio::join!(both.0, both.1);
        assert!(first.unwrap().is_some() && second.unwrap().is_some());
        let labels = catalogs[0].get(&a).await.unwrap().unwrap().labels;
        assert_eq!((labels.title.as_str(), labels.owner.as_deref()), (said.as_str(), Some(said.as_str())));
    }
}

pub(crate) async fn abandoned_calls_leave_whole_assets_or_none(url: &str) {
    const ROUNDS: usize = 120;
    let catalog = Catalog::open(url).await.unwrap();
    for n in 0..ROUNDS {
        let asset = tagged(&format!("n{n}"));
        // Cut off at a point that moves through the call, as by a client that hangs up.
        let patience = Duration::from_micros(n as u64 * 40);
        let _ = tokio::time::timeout(patience, catalog.insert(&asset)).await;
    }
    assert_eq!(catalog.insert(&tagged("last")).await.unwrap(), Inserted::New);
    let ids = all_ids(&catalog, None).await;
    assert_eq!(all_ids(&catalog, Some("common")).await, ids);
    for name in &ids {
        assert_eq!(catalog.get(&id(name)).await.unwrap(), Some(tagged(name)));
    }
}
