//! Assets to put in: a plain one, and one with every field at an edge.

use control::asset::{
    Accuracy, Asset, AssetEpoch, AssetGap, AssetId, AssetKind, AssetStatus, Facts, GapPolicy, Labels,
    Visibility,
};
use media::{StreamName, WallTime};
use serde_json::json;

/// An instant of the year 2026, in nanoseconds that are not whole milliseconds.
pub(crate) const NOW: WallTime = WallTime(1_767_225_600_123_456_789);

pub(crate) fn id(text: &str) -> AssetId {
    AssetId::parse(text).unwrap()
}

pub(crate) fn stream(text: &str) -> StreamName {
    StreamName::parse(text).unwrap()
}

/// A ready clip of ten seconds of `live/cam1`.
pub(crate) fn clip(name: &str) -> Asset {
    let facts = Facts {
        stream: Some(stream("live/cam1")),
        start: Some(NOW),
        end: Some(NOW.plus_ns(10_000_000_000)),
        duration_ns: Some(10_000_000_000),
        bytes: Some(5_000_000),
        ..Facts::new(AssetKind::Clip, AssetStatus::Ready)
    };
    let labels = Labels { title: format!("Clip {name}"), ..Labels::default() };
    Asset::new(id(name), facts, labels, NOW)
}

/// A recording that goes on.
pub(crate) fn recording(name: &str) -> Asset {
    let facts = Facts { end: None, duration_ns: None, bytes: None, ..clip(name).facts };
    let facts = Facts { kind: AssetKind::Recording, status: AssetStatus::Recording, ..facts };
    Asset { facts, ..clip(name) }
}

/// An asset with every field set, to values that databases, encodings and JSON like to lose.
pub(crate) fn full(name: &str) -> Asset {
    let facts = Facts {
        kind: AssetKind::Regen,
        status: AssetStatus::Failed,
        error: Some("it's \"broken\" 📷".into()),
        stream: Some(stream("live/摄像头/1")),
        stream_id: Some("0f".into()),
        requested: Some(WallTime::MIN..WallTime::MAX),
        start: Some(WallTime(-1)),
        end: Some(WallTime(i64::MAX)),
        duration_ns: Some(i64::MAX),
        bytes: Some(i64::MAX as u64),
        path: Some("a/b.mp4".into()),
        width: Some(i32::MAX as u32),
        height: Some(0),
        video_codec: Some("avc1.64001f".into()),
        audio_codec: Some("mp4a.40.2".into()),
        accuracy: Some(Accuracy::Editlist),
        gap_policy: Some(GapPolicy::Hold),
        gaps: vec![AssetGap { start: NOW, end: NOW.plus_ns(1), reason: "disk_full".into() }],
        epochs: vec![AssetEpoch { start: NOW, tracks: json!([{"id": 1, "fps": 23.976, "nul": "\0"}]) }],
        spans: json!({"run": "7f", "ranges": [[i64::MIN, i64::MAX]], "none": null, "text": "é\u{2028}"}),
    };
    let labels = Labels {
        title: "50% of \"it\"_\\ '; DROP TABLE asset; --".into(),
        tags: vec!["Zebra".into(), "äpfel".into(), "a'b".into()],
        category: Some("goals".into()),
        owner: Some("ann".into()),
        visibility: Visibility::Public,
    };
    Asset { updated_at: NOW.plus_ns(1), ..Asset::new(id(name), facts, labels, NOW) }
}
