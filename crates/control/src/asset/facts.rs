//! The half of an asset that the tape states and can state again. Nothing here is a person's input.

use std::ops::Range;

use media::{StreamName, WallTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Accuracy, AssetKind, AssetStatus, GapPolicy, Invalid, check_text};

/// Longest stream id, path, codec name and error text.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Most bytes of `gaps`, `epochs` and `spans` together, written as JSON: about three thousand gaps. A page
/// of 500 assets that all reach it is 128 MB, so nothing longer is taken; a clip over more gaps is too
/// broken to be one asset.
pub const DETAIL_BYTES_MAX: usize = 256 * 1024;

/// What the tape knows of an asset. Absent means not known or not yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Where it comes from.
    pub kind: AssetKind,
    /// How far it is.
    pub status: AssetStatus,
    /// Why it failed; only with [`AssetStatus::Failed`].
    pub error: Option<String>,
    /// The stream it shows; uploads have none.
    pub stream: Option<StreamName>,
    /// The tape's own id of that stream, which outlives a stream's name. Opaque here.
    pub stream_id: Option<String>,
    /// The wall range that was asked for.
    pub requested: Option<Range<WallTime>>,
    /// Presentation time of its first frame.
    pub start: Option<WallTime>,
    /// End of its last frame; absent while it records.
    pub end: Option<WallTime>,
    /// How long it plays, in nanoseconds: not `end - start` where gaps are left out.
    pub duration_ns: Option<i64>,
    /// Size of its media.
    pub bytes: Option<u64>,
    /// Where the store keeps its own file; absent while it is a view of the tape.
    pub path: Option<String>,
    /// Of the first picture, in pixels.
    pub width: Option<u32>,
    /// Of the first picture, in pixels.
    pub height: Option<u32>,
    /// Such as `avc1.64001f`.
    pub video_codec: Option<String>,
    /// Such as `mp4a.40.2`.
    pub audio_codec: Option<String>,
    /// How exactly it keeps to `requested`.
    pub accuracy: Option<Accuracy>,
    /// What it does about gaps.
    pub gap_policy: Option<GapPolicy>,
    /// Where its range has no media, in order of time.
    pub gaps: Vec<AssetGap>,
    /// Its codec configurations, in order of time.
    pub epochs: Vec<AssetEpoch>,
    /// The ranges of the tape that it shows, as the tape and the views describe them (run and media time).
    /// Opaque here; JSON null when there are none.
    pub spans: Value,
}

/// A stretch without media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetGap {
    /// First missing instant.
    pub start: WallTime,
    /// First instant with media again.
    pub end: WallTime,
    /// One of the timeline's reasons, such as `offline`.
    pub reason: String,
}

/// From when a codec configuration holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetEpoch {
    /// First instant of the configuration.
    pub start: WallTime,
    /// Its tracks, in the form the API gives them. Opaque here.
    pub tracks: Value,
}

impl Facts {
    /// Facts with nothing known but kind and status.
    pub fn new(kind: AssetKind, status: AssetStatus) -> Self {
        Self {
            kind,
            status,
            error: None,
            stream: None,
            stream_id: None,
            requested: None,
            start: None,
            end: None,
            duration_ns: None,
            bytes: None,
            path: None,
            width: None,
            height: None,
            video_codec: None,
            audio_codec: None,
            accuracy: None,
            gap_policy: None,
            gaps: Vec::new(),
            epochs: Vec::new(),
            spans: Value::Null,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        self.check_texts()?;
        self.check_times()?;
        if self.bytes.is_some_and(|bytes| i64::try_from(bytes).is_err()) {
            return Err(Invalid::new("bytes", "larger than 2^63 - 1"));
        }
        for (field, pixels) in [("width", self.width), ("height", self.height)] {
            if pixels.is_some_and(|pixels| i32::try_from(pixels).is_err()) {
                return Err(Invalid::new(field, "larger than 2^31 - 1"));
            }
        }
        self.check_details()
    }

    fn check_texts(&self) -> Result<(), Invalid> {
        let texts = [
            ("error", &self.error),
            ("stream_id", &self.stream_id),
            ("path", &self.path),
            ("video_codec", &self.video_codec),
            ("audio_codec", &self.audio_codec),
        ];
        for (field, text) in texts {
            check_text(field, text.as_deref().unwrap_or_default(), TEXT_BYTES_MAX)?;
        }
        if self.error.is_some() != (self.status == AssetStatus::Failed) {
            return Err(Invalid::new("error", "is said exactly when the status is failed"));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), Invalid> {
        let upside_down = |start, end| matches!((start, end), (Some(start), Some(end)) if start > end);
        if upside_down(self.start, self.end) {
            return Err(Invalid::new("end", "lies before start"));
        }
        if self.requested.as_ref().is_some_and(|asked| upside_down(Some(asked.start), Some(asked.end))) {
            return Err(Invalid::new("requested", "its end lies before its start"));
        }
        if self.duration_ns.is_some_and(|ns| ns < 0) {
            return Err(Invalid::new("duration", "is negative"));
        }
        Ok(())
    }

    fn check_details(&self) -> Result<(), Invalid> {
        let bytes = json_bytes(&self.gaps) + json_bytes(&self.epochs) + json_bytes(&self.spans);
        if bytes > DETAIL_BYTES_MAX {
            let why = format!("with epochs and spans {bytes} bytes of JSON; the limit is {DETAIL_BYTES_MAX}");
            return Err(Invalid::new("gaps", why));
        }
        Ok(())
    }
}

fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts::new(AssetKind::Clip, AssetStatus::Ready)
    }

    fn refused_field(facts: Facts) -> &'static str {
        facts.check().unwrap_err().field
    }

    #[test]
    fn facts_that_cannot_be_true_are_refused() {
        let at = |ns| Some(WallTime(ns));
        assert_eq!(facts().check(), Ok(()));
        assert_eq!(refused_field(Facts { start: at(2), end: at(1), ..facts() }), "end");
        let asked = Some(Range { start: WallTime(2), end: WallTime(1) });
        assert_eq!(refused_field(Facts { requested: asked, ..facts() }), "requested");
        assert_eq!(refused_field(Facts { duration_ns: Some(-1), ..facts() }), "duration");
        assert_eq!(refused_field(Facts { bytes: Some(u64::MAX), ..facts() }), "bytes");
        assert_eq!(refused_field(Facts { width: Some(u32::MAX), ..facts() }), "width");
        assert_eq!(refused_field(Facts { path: Some("a\0".into()), ..facts() }), "path");
    }

    #[test]
    fn an_error_is_said_exactly_when_the_asset_failed() {
        assert_eq!(refused_field(Facts { error: Some("disk full".into()), ..facts() }), "error");
        assert_eq!(refused_field(Facts { status: AssetStatus::Failed, ..facts() }), "error");
    }

    #[test]
    fn details_are_bounded_together() {
        let gap = AssetGap { start: WallTime(0), end: WallTime(1), reason: "offline".into() };
        assert_eq!(refused_field(Facts { gaps: vec![gap; 10_000], ..facts() }), "gaps");
        assert_eq!(refused_field(Facts { spans: "x".repeat(DETAIL_BYTES_MAX).into(), ..facts() }), "gaps");
    }
}
