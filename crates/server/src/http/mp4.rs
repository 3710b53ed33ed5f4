//! What every `.mp4` answer says about itself, whether it comes from a tape or from a file.

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderName, HeaderValue};
use media::WallTime;
use serde_json::Value;
use view::query::{Download, format_wall};

use super::disposition;
use super::media::Asked;
use crate::making::Layout;

/// Gaps and epochs told in a header; more would not fit the header limits of common proxies.
const GAPS_TOLD_MAX: usize = 32;

const START: HeaderName = HeaderName::from_static("tapeline-start");
const END: HeaderName = HeaderName::from_static("tapeline-end");
const GAPS: HeaderName = HeaderName::from_static("tapeline-gaps");
const EPOCHS: HeaderName = HeaderName::from_static("tapeline-epochs");

/// A film that is about to be sent.
pub(super) struct Film {
    /// The actual range.
    pub(super) start: Option<WallTime>,
    pub(super) end: Option<WallTime>,
    /// Stretches of it without media, and why.
    pub(super) gaps: Vec<(WallTime, WallTime, String)>,
    /// Its codec configurations.
    pub(super) epochs: Vec<Told>,
    pub(super) layout: Layout,
    /// What it is called when it is saved under no name of the client's, without its extension.
    pub(super) name: String,
}

/// From when on there are which codecs.
pub(super) struct Told {
    start: WallTime,
    words: String,
}

impl Told {
    /// `tracks` as the API tells them: `h264 1280x720 aac`.
    pub(super) fn new(start: WallTime, tracks: &Value) -> Self {
        let tracks = tracks.as_array().map_or(&[][..], Vec::as_slice).iter();
        let words = tracks.map(|track| {
            let codec = track["codec"].as_str().unwrap_or("unknown");
            match (track["width"].as_u64(), track["height"].as_u64()) {
                (Some(width), Some(height)) => format!("{codec} {width}x{height}"),
                _ => codec.to_owned(),
            }
        });
        Self { start, words: words.collect::<Vec<_>>().join(" ") }
    }
}

/// An answer without its bytes.
pub(super) fn answer(asked: &Asked, film: &Film) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let (kind, extension) = match film.layout {
        Layout::InBand => ("video/mp4", "mp4"),
        Layout::Split => ("application/zip", "zip"),
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // The bytes never change, but what they show may be erased: caches ask each time, by the tag.
    let cache = if asked.is_private() { "private, no-cache" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    let told = [
        (START, film.start.map(told)),
        (END, film.end.map(told)),
        (GAPS, Some(gaps(&film.gaps))),
        (EPOCHS, Some(epochs(film))),
    ];
    for (name, value) in told {
        if let Some(value) = value.and_then(|v| HeaderValue::try_from(v).ok()) {
            headers.insert(name, value);
        }
    }
    let name = match &asked.query.download {
        Some(Download::Named(given)) => Some(given.clone()),
        Some(Download::Unnamed) => Some(format!("{}.{extension}", film.name)),
        // The address says .mp4; a browser would save it so.
        None => (film.layout == Layout::Split).then(|| format!("{}.{extension}", film.name)),
    };
    if let Some(name) = name {
        headers.insert(header::CONTENT_DISPOSITION, disposition::attachment(&name));
    }
    response
}

/// How changes are laid out, then `START;TRACKS` of each epoch, separated by commas.
fn epochs(film: &Film) -> String {
    let shown = film.epochs.iter().take(GAPS_TOLD_MAX);
    let mut text = film.layout.as_str().to_owned();
    shown.for_each(|epoch| text.push_str(&format!(", {};{}", told(epoch.start), epoch.words)));
    if film.epochs.len() > GAPS_TOLD_MAX {
        text.push_str(&format!(", {} more", film.epochs.len() - GAPS_TOLD_MAX));
    }
    text
}

/// `START/END;REASON` of each gap, separated by commas; `none` without one.
fn gaps(gaps: &[(WallTime, WallTime, String)]) -> String {
    if gaps.is_empty() {
        return "none".to_owned();
    }
    let shown = gaps.iter().take(GAPS_TOLD_MAX);
    let shown = shown.map(|(start, end, reason)| format!("{}/{};{reason}", told(*start), told(*end)));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if gaps.len() > GAPS_TOLD_MAX {
        text.push_str(&format!(", {} more", gaps.len() - GAPS_TOLD_MAX));
    }
    text
}

/// A time as it is told: with milliseconds, rounded down. No two frames share one, so it names the same frame.
pub(super) fn told(at: WallTime) -> String {
    format_wall(WallTime::from_ms(at.ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_told_and_many_are_counted() {
        let gap = |s: i64| (WallTime::from_ms(s), WallTime::from_ms(s + 1), "offline".to_owned());
        assert_eq!(gaps(&[]), "none");
        assert_eq!(gaps(&[gap(0)]), "1970-01-01T00:00:00.000Z/1970-01-01T00:00:00.001Z;offline");
        let many: Vec<_> = (0..40).map(gap).collect();
        assert!(gaps(&many).ends_with(", 8 more"));
    }
}
