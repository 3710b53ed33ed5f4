//! The words of the API: how times, gaps, tracks and assets are written, and how times are read. What is
//! written here is a contract; `docs/api.md` tells it.

use std::fmt;
use std::ops::Range;

use control::asset::{Asset, AssetStatus};
use media::{TrackConfig, TrackKind, WallTime};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::{Value, json};
use tape::{Gap, Stream};
use view::clip::ClipGap;
use view::query::{TimeSpec, format_wall};

use crate::http::problem::{Kind, Problem};

/// A time in RFC 3339 with milliseconds, rounded down.
pub(crate) fn time(at: WallTime) -> Value {
    Value::String(format_wall(WallTime::from_ms(at.ms())))
}

/// The same, or null.
pub(crate) fn maybe_time(at: Option<WallTime>) -> Value {
    at.map_or(Value::Null, time)
}

/// `{start, end}` of what a tape holds, or null.
pub(crate) fn tape_range(range: Option<&Range<WallTime>>) -> Value {
    range.map_or(Value::Null, |r| json!({"start": time(r.start), "end": time(r.end)}))
}

/// A stretch without media.
pub(crate) fn gap(gap: &Gap) -> Value {
    json!({"start": time(gap.start), "end": time(gap.end), "reason": gap.reason.to_string()})
}

/// A range as a body tells it; relative times are relative to the edge.
pub(crate) fn range(stream: &Stream, start: &Time, end: &Time) -> Result<Range<WallTime>, Problem> {
    let Some((_, _, edge)) = stream.edge() else {
        let detail = format!("nothing of {} is recorded", stream.name());
        return Err(Problem::new(Kind::OutsideTape, detail));
    };
    let edge = WallTime::from_ms(edge.ms());
    let range = start.0.at(edge)..end.0.at(edge);
    if range.start >= range.end {
        return Err(Problem::new(Kind::BadTime, "start is not before end; a range is [start, end)"));
    }
    Ok(range)
}

/// A stretch of a clip without media.
pub(crate) fn clip_gap(gap: &ClipGap) -> Value {
    json!({"start": time(gap.start), "end": time(gap.end), "reason": gap.reason.to_string()})
}

/// A track: what it is and how it is encoded. `fps` and `bitrate` are measured and added by who knows them.
pub(crate) fn track(config: &TrackConfig) -> Value {
    let kind = match config.kind() {
        TrackKind::Video => "video",
        TrackKind::Audio => "audio",
        TrackKind::Data => "data",
    };
    let mut track = json!({"id": config.id.0, "kind": kind, "codec": config.codec.name()});
    if let Some(picture) = config.codec.picture() {
        track["width"] = json!(picture.width);
        track["height"] = json!(picture.height);
    }
    if let Some(sound) = config.codec.sound() {
        track["sample_rate"] = json!(sound.sample_rate);
        track["channels"] = json!(sound.channels);
    }
    if let Some(codecs) = config.codec.rfc6381() {
        track["codecs"] = json!(codecs);
    }
    track
}

/// An asset.
pub(crate) fn asset(asset: &Asset, durable: bool) -> Value {
    let (facts, labels) = (&asset.facts, &asset.labels);
    let gaps =
        facts.gaps.iter().map(|g| json!({"start": time(g.start), "end": time(g.end), "reason": g.reason}));
    let epochs = facts.epochs.iter().map(|e| json!({"start": time(e.start), "tracks": e.tracks}));
    let mut object = json!({
        "id": asset.id.as_str(),
        "kind": facts.kind.as_str(),
        "status": facts.status.as_str(),
        "title": labels.title,
        "tags": labels.tags,
        "category": labels.category,
        "owner": labels.owner,
        "visibility": labels.visibility.as_str(),
        "stream": facts.stream.as_ref().map(media::StreamName::as_str),
        "requested": tape_range(facts.requested.as_ref()),
        "start": maybe_time(facts.start),
        "end": maybe_time(facts.end),
        "duration": facts.duration_ns.map(seconds),
        "durable": durable,
        "bytes": facts.bytes,
        "path": facts.path,
        "width": facts.width,
        "height": facts.height,
        "video_codec": facts.video_codec,
        "audio_codec": facts.audio_codec,
        "accuracy": facts.accuracy.map(|a| a.as_str()),
        "gaps": gaps.collect::<Vec<_>>(),
        "layout": crate::assets::layout_of(&facts.spans).as_str(),
        "epochs": epochs.collect::<Vec<_>>(),
        "url": format!("/assets/{}.mp4", asset.id),
        "created_at": time(asset.created_at),
        "updated_at": time(asset.updated_at),
    });
    if facts.status == AssetStatus::Failed {
        object["error"] = json!(facts.error);
    }
    object
}

/// Nanoseconds as seconds, to the microsecond: what JSON's doubles hold for any length of media.
pub(crate) fn seconds(ns: i64) -> f64 {
    (ns as f64 / 1e3).round() / 1e6
}

/// A time in a body or a query: a text in any form of the media grammar, or a number of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) TimeSpec);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time: RFC 3339, epoch seconds or milliseconds, -90s or now")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        TimeSpec::parse(text).map(Time).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Time, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Time, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_and_written_with_milliseconds() {
        let read = |text: &str| serde_json::from_str::<Time>(text).map(|t| t.0).map_err(|e| e.to_string());
        let at = TimeSpec::Absolute(WallTime(1_767_323_045_500_000_000));
        for text in ["1767323045.5", "1767323045500", "\"1767323045.5\"", "\"2026-01-02T03:04:05.5Z\""] {
            assert_eq!(read(text), Ok(at), "{text}");
        }
        assert_eq!(read("\"-90s\""), Ok(TimeSpec::Relative { before_ns: 90_000_000_000 }));
        assert!(read("\"soon\"").unwrap_err().contains("\"soon\" is no time"));
        assert!(read("[1]").unwrap_err().contains("a time"));
        assert_eq!(time(WallTime(1_767_323_045_500_999_999)), "2026-01-02T03:04:05.500Z");
    }
}
