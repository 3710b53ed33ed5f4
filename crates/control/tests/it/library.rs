//! What is put into the library, changed there and taken out.

use control::asset::{Asset, AssetStatus, DETAIL_BYTES_MAX, Facts, Labels, Visibility};
use control::catalog::{AssetPatch, AssetQuery, Closing, Inserted, UPSERT_BATCH};
use control::{Catalog, CatalogError, ErrorKind};
use media::WallTime;

use crate::samples::{NOW, clip, full, id, recording, stream};

async fn with_tag(catalog: &Catalog, tag: &str) -> Vec<String> {
    let query = AssetQuery { tag: Some(tag.into()), ..AssetQuery::default() };
    let page = catalog.list(&query).await.unwrap();
    page.items.iter().map(|asset| asset.id.to_string()).collect()
}

pub(crate) async fn an_asset_comes_back_as_it_went_in(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    catalog.ping().await.unwrap();
    for asset in [full("full"), clip("clip"), recording("recording")] {
        assert_eq!(catalog.insert(&asset).await.unwrap(), Inserted::New);
        assert_eq!(catalog.get(&asset.id).await.unwrap().as_ref(), Some(&asset));
    }
    let newest = catalog.list(&AssetQuery { limit: Some(3), ..AssetQuery::default() }).await.unwrap();
    assert!(newest.items.contains(&full("full")) && newest.next.is_none());
    // And again after everything was closed.
    catalog.close().await.unwrap();
    let catalog = Catalog::open(url).await.unwrap();
    assert_eq!(catalog.get(&id("full")).await.unwrap(), Some(full("full")));
}

pub(crate) async fn inserting_again_changes_nothing(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let first = full("a");
    catalog.insert(&first).await.unwrap();
    let second = Asset { labels: Labels { tags: vec!["new".into()], ..Labels::default() }, ..clip("a") };
    assert_eq!(catalog.insert(&second).await.unwrap(), Inserted::Existing(Box::new(first.clone())));
    assert_eq!(catalog.get(&first.id).await.unwrap(), Some(first));
    assert!(with_tag(&catalog, "new").await.is_empty());
}

pub(crate) async fn the_tape_overwrites_facts_and_never_labels(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let first = full("a");
    catalog.insert(&first).await.unwrap();
    let facts = Facts { stream: Some(stream("vod/other")), path: None, ..recording("a").facts };
    let later = NOW.plus_ns(5);
    let restated =
        Asset { facts, labels: Labels::default(), created_at: later, updated_at: later, id: id("a") };
    let new = clip("b");
    catalog.upsert_from_tape(&[restated.clone(), new.clone()]).await.unwrap();
    let expected = Asset {
        // A rebuild that knows of no file leaves the one that is known.
        facts: Facts { path: first.facts.path.clone(), ..restated.facts },
        updated_at: later,
        ..first.clone()
    };
    assert_eq!(catalog.get(&first.id).await.unwrap(), Some(expected));
    assert_eq!(catalog.get(&new.id).await.unwrap(), Some(new));
    let by_stream = AssetQuery { q: Some("VOD/oth".into()), ..AssetQuery::default() };
    assert_eq!(catalog.list(&by_stream).await.unwrap().items.len(), 1);
    assert_eq!(with_tag(&catalog, "zebra").await, ["a"]);
}

pub(crate) async fn a_rebuild_of_many_assets_goes_in_batches(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let count = 2 * UPSERT_BATCH + 1;
    let assets: Vec<_> = (0..count).rev().map(|n| Asset { ..clip(&format!("n{n}")) }).collect();
    catalog.upsert_from_tape(&assets).await.unwrap();
    catalog.upsert_from_tape(&assets).await.unwrap();
    let page = catalog.list(&AssetQuery { limit: Some(500), ..AssetQuery::default() }).await.unwrap();
    assert_eq!(page.items.len(), count);
    // One that is refused keeps all out: they are checked before the first is written.
    let bad = Asset { facts: Facts { duration_ns: Some(-1), ..clip("bad").facts }, ..clip("bad") };
    let error = catalog.upsert_from_tape(&[clip("good"), bad]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(catalog.get(&id("good")).await.unwrap(), None);
}

pub(crate) async fn people_change_labels(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let asset = full("a");
    catalog.insert(&asset).await.unwrap();
    let later = NOW.plus_ns(9);
    let patch = AssetPatch {
        title: Some(" New title ".into()),
        tags: Some(vec!["Ärger".into(), "ärger".into(), "b".into()]),
        category: Some(None),
        visibility: Some(Visibility::Private),
        owner: None,
    };
    let labels = Labels {
        title: "New title".into(),
        tags: vec!["Ärger".into(), "b".into()],
        category: None,
        visibility: Visibility::Private,
        owner: asset.labels.owner.clone(),
    };
    let expected = Asset { labels, updated_at: later, ..asset.clone() };
    assert_eq!(catalog.patch(&asset.id, &patch, later).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(catalog.get(&asset.id).await.unwrap(), Some(expected));
    assert_eq!(with_tag(&catalog, "ÄRGER").await, ["a"]);
    assert!(with_tag(&catalog, "zebra").await.is_empty());
    // A patch without tags leaves them.
    let owner = AssetPatch { owner: Some(Some("bob".into())), ..AssetPatch::default() };
    let patched = catalog.patch(&asset.id, &owner, later).await.unwrap().unwrap();
    assert_eq!(patched.labels.tags, ["Ärger", "b"]);
    assert_eq!(with_tag(&catalog, "b").await, ["a"]);
}

pub(crate) async fn a_refused_patch_changes_nothing(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    catalog.insert(&full("a")).await.unwrap();
    let nul = AssetPatch { title: Some("a\0b".into()), ..AssetPatch::default() };
    let empty_tag = AssetPatch { tags: Some(vec!["x".into(), " ".into()]), ..AssetPatch::default() };
    for (patch, field) in [(nul, "title"), (empty_tag, "tags")] {
        match catalog.patch(&id("a"), &patch, NOW).await {
            Err(CatalogError::Invalid(invalid)) => assert_eq!(invalid.field, field),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(catalog.get(&id("a")).await.unwrap(), Some(full("a")));
}

pub(crate) async fn recordings_are_closed_and_failures_cleared(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let asset = recording("a");
    catalog.insert(&asset).await.unwrap();
    let failed = catalog.fail(&asset.id, "disk full", NOW.plus_ns(1)).await.unwrap().unwrap();
    assert_eq!(
        (failed.facts.status, failed.facts.error.as_deref()),
        (AssetStatus::Failed, Some("disk full"))
    );
    let closing = Closing { end: NOW.plus_ns(700), duration_ns: 600, bytes: 9, status: AssetStatus::Ready };
    let closed = catalog.close_recording(&asset.id, &closing, NOW.plus_ns(2)).await.unwrap();
    let facts = Facts {
        status: AssetStatus::Ready,
        end: Some(closing.end),
        duration_ns: Some(600),
        bytes: Some(9),
        ..asset.facts.clone()
    };
    assert_eq!(closed, Some(Asset { facts, updated_at: NOW.plus_ns(2), ..asset.clone() }));
    assert_eq!(catalog.get(&asset.id).await.unwrap(), closed);
    let early = Closing { end: WallTime(0), ..closing };
    let error = catalog.close_recording(&asset.id, &early, NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "end: lies before start");
}

pub(crate) async fn files_are_named_and_forgotten(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let asset = clip("a");
    catalog.insert(&asset).await.unwrap();
    let named = catalog.set_path(&asset.id, Some("assets/a.mp4"), NOW).await.unwrap().unwrap();
    assert_eq!(named.facts.path.as_deref(), Some("assets/a.mp4"));
    catalog.upsert_from_tape(std::slice::from_ref(&asset)).await.unwrap();
    assert_eq!(catalog.get(&asset.id).await.unwrap(), Some(named));
    assert_eq!(catalog.set_path(&asset.id, None, NOW).await.unwrap().as_ref(), Some(&asset));
    assert_eq!(catalog.get(&asset.id).await.unwrap(), Some(asset));
}

pub(crate) async fn a_deleted_asset_is_returned_and_gone(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    catalog.insert(&full("a")).await.unwrap();
    assert_eq!(catalog.delete(&id("a")).await.unwrap(), Some(full("a")));
    assert_eq!(catalog.get(&id("a")).await.unwrap(), None);
    assert!(with_tag(&catalog, "Zebra").await.is_empty());
    // Its tags went with it, so that the id can be used again by a replay.
    let bare = Asset { labels: Labels::default(), ..full("a") };
    assert_eq!(catalog.insert(&bare).await.unwrap(), Inserted::New);
    assert!(with_tag(&catalog, "Zebra").await.is_empty());
}

pub(crate) async fn calls_about_what_is_not_there_say_so(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let id = id("nothing");
    let closing = Closing { end: NOW, duration_ns: 0, bytes: 0, status: AssetStatus::Ready };
    assert_eq!(catalog.get(&id).await.unwrap(), None);
    assert_eq!(catalog.patch(&id, &AssetPatch::default(), NOW).await.unwrap(), None);
    assert_eq!(catalog.close_recording(&id, &closing, NOW).await.unwrap(), None);
    assert_eq!(catalog.fail(&id, "x", NOW).await.unwrap(), None);
    assert_eq!(catalog.set_path(&id, None, NOW).await.unwrap(), None);
    assert_eq!(catalog.delete(&id).await.unwrap(), None);
}

pub(crate) async fn what_is_not_acceptable_is_refused(url: &str) {
    let catalog = Catalog::open(url).await.unwrap();
    let huge = Facts { spans: "x".repeat(DETAIL_BYTES_MAX).into(), ..clip("a").facts };
    let nul = Facts { path: Some("\0".into()), ..clip("a").facts };
    for facts in [huge, nul] {
        let error = catalog.insert(&Asset { facts, ..clip("a") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert_eq!(catalog.get(&id("a")).await.unwrap(), None);
}
