//! What an asset shows of a tape: the spans behind it, the facts that follow from them, and how a plan becomes
//! facts. The catalog keeps assets; the tape keeps media; this is the translation between the two, and nothing
//! is stored or sent here.

use std::ops::Range;

use control::asset::{
    Accuracy, Asset, AssetEpoch, AssetGap, AssetId, AssetKind, AssetStatus, Facts, GapPolicy, Labels,
};
use media::{MediaTime, TrackConfig, TrackKind, WallTime};
use serde_json::{Value, json};
use tape::{AskedClip, RecordingSpan, SpanRecord, Stream};
use uuid::Uuid;
use view::clip::{self, ClipEpoch, ClipOptions, ClipSpan, ClipSpans};
use view::query::{self, MediaQuery};

use crate::api::json::track;
use crate::http::problem::{Kind, Problem};
use crate::making::{Layout, Made, Making};

/// The catalog's id of an identity that the tape knows.
pub(crate) fn asset_id(id: Uuid) -> AssetId {
    AssetId::parse(&id.simple().to_string()).expect("32 hexadecimal digits are an asset id")
}

/// The tape's identity of an asset; `None` for assets that the tape never heard of.
pub(crate) fn tape_id(id: &AssetId) -> Option<Uuid> {
    Uuid::try_parse(id.as_str()).ok()
}

/// What of the tape an asset shows.
pub(crate) struct Shown {
    pub(crate) spans: ClipSpans,
    pub(crate) making: Making,
    /// It will not change any more.
    pub(crate) settled: bool,
}

/// The spans behind an asset: those of a recording from the tape itself, as it grows; those of a clip as they
/// were stored.
pub(crate) fn shown(stream: &Stream, asset: &Asset) -> Result<Shown, Problem> {
    let not_ready = |why: &str| Problem::new(Kind::NotReady, format!("asset {}: {why}", asset.id));
    if asset.facts.status == AssetStatus::Failed {
        return Err(not_ready(asset.facts.error.as_deref().unwrap_or("it failed")));
    }
    if asset.facts.kind == AssetKind::Recording {
        let own = tape_id(&asset.id);
        let recordings = stream.recordings();
        let span = recordings.iter().find(|r| Some(r.asset) == own);
        let span = span.ok_or_else(|| not_ready("its recording is not on the tape any more"))?;
        return Ok(Shown {
            spans: spans_of_recording(span),
            making: Making::default(),
            settled: span.end.is_some(),
        });
    }
    let spans: ClipSpans = serde_json::from_value(asset.facts.spans.clone())
        .map_err(|_| not_ready("it is no view of a tape and has no file"))?;
    let options = ClipOptions {
        accuracy: match asset.facts.accuracy {
            Some(Accuracy::Gop) => clip::Accuracy::Gop,
            _ => clip::Accuracy::EditList,
        },
        // Gaps were accepted when the clip was made.
        gaps: match asset.facts.gap_policy {
            Some(GapPolicy::Hold) => clip::GapPolicy::Hold,
            _ => clip::GapPolicy::Collapse,
        },
    };
    let making = Making { options, layout: layout_of(&asset.facts.spans) };
    Ok(Shown { spans, making, settled: true })
}

/// Under this key of a clip's spans stands what becomes of changes of the codecs, where that is not the usual.
const LAYOUT: &str = "epochs";

/// How a clip with these spans is laid out.
pub(crate) fn layout_of(spans: &Value) -> Layout {
    if spans[LAYOUT] == Layout::Split.as_str() { Layout::Split } else { Layout::InBand }
}

fn stored(spans: &ClipSpans, layout: Layout) -> Value {
    let mut stored = json!(spans);
    if layout != Layout::InBand {
        stored[LAYOUT] = json!(layout.as_str());
    }
    stored
}

/// The tracks of an epoch as the API tells them.
pub(crate) fn tracks_of(epoch: &ClipEpoch) -> Value {
    epoch.tracks.iter().map(track).collect()
}

/// One recording as spans; its end is open while it records.
pub(crate) fn spans_of_recording(span: &RecordingSpan) -> ClipSpans {
    ClipSpans {
        spans: vec![ClipSpan { run: span.run, start: span.start, end: span.end.unwrap_or(MediaTime::MAX) }],
        ..ClipSpans::default()
    }
}

/// How a clip is to be made, from the words of a URL or a body; what takes a worker is said.
pub(crate) fn making(query: &MediaQuery) -> Result<Making, Problem> {
    let accuracy = match query.accuracy.unwrap_or_default() {
        query::Accuracy::EditList => clip::Accuracy::EditList,
        query::Accuracy::Gop => clip::Accuracy::Gop,
        query::Accuracy::Reencode => {
            return Err(Problem::new(
                Kind::NoWorker,
                "accuracy=reencode takes a worker that encodes, and there is none; editlist is exact to the frame",
            ));
        }
    };
    let layout = match query.epochs.unwrap_or_default() {
        query::Epochs::InBand => Layout::InBand,
        query::Epochs::Split => Layout::Split,
        query::Epochs::Reencode => {
            return Err(Problem::new(
                Kind::NoWorker,
                "epochs=reencode takes a worker that encodes, and there is none; inband gives one file as it was \
                 recorded, split one for each configuration",
            ));
        }
    };
    let gaps = match query.gaps.unwrap_or_default() {
        query::GapPolicy::Collapse => clip::GapPolicy::Collapse,
        query::GapPolicy::Hold => clip::GapPolicy::Hold,
        query::GapPolicy::Fail => clip::GapPolicy::Fail,
    };
    Ok(Making { options: ClipOptions { accuracy, gaps }, layout })
}

/// A recording as an asset.
pub(crate) fn recording(stream: &Stream, span: &RecordingSpan) -> Asset {
    let status = if span.end.is_some() { AssetStatus::Ready } else { AssetStatus::Recording };
    let mut facts = Facts::new(AssetKind::Recording, status);
    of_stream(&mut facts, stream);
    facts.start = Some(span.wall_start);
    facts.end = span.end.map(|_| span.wall_end);
    facts.duration_ns = span.end.map(|end| end.since_ns(span.start));
    let end = span.end.unwrap_or(MediaTime::MAX);
    let run = stream.run(span.run, span.start..end);
    let epochs = run.iter().flat_map(|r| {
        r.extents
            .iter()
            .filter(|e| e.end > span.start && e.start < end)
            .map(|e| (r.clock.wall(e.start.max(span.start)), e.init))
    });
    let mut last = None;
    for (start, init) in epochs {
        if last.replace(init) == Some(init) {
            continue;
        }
        let tracks = stream.tracks(&init).unwrap_or_else(|| [].into());
        if facts.epochs.is_empty() {
            of_tracks(&mut facts, tracks.iter());
        }
        if facts.epochs.len() < EPOCHS_MAX {
            facts.epochs.push(AssetEpoch { start, tracks: tracks.iter().map(track).collect() });
        }
    }
    facts.bytes = span.end.and(run).map(|r| bytes_between(&r, span.start..end));
    Asset::new(asset_id(span.asset), facts, Labels::default(), span.wall_start)
}

/// Epochs told of one recording; a source that changes its encoder more often is told from the timeline.
const EPOCHS_MAX: usize = 100;

/// Bytes of the extents in a range; of one that is cut, its share by time.
fn bytes_between(run: &tape::RunInfo, range: Range<MediaTime>) -> u64 {
    let share = |e: &tape::ExtentInfo| {
        let inside = e.end.min(range.end).since_ns(e.start.max(range.start));
        let whole = e.end.since_ns(e.start);
        match u64::try_from(inside) {
            Ok(inside) if whole > 0 => (u128::from(e.bytes) * u128::from(inside) / whole as u128) as u64,
            _ => 0,
        }
    };
    run.extents.iter().map(share).sum()
}

/// A clip that was planned: everything is known.
pub(crate) fn clip_facts(stream: &Stream, plan: &Made) -> Facts {
    let mut facts = Facts::new(AssetKind::Clip, AssetStatus::Ready);
    of_stream(&mut facts, stream);
    let (range, making) = (plan.range(), plan.making());
    of_options(&mut facts, making.options);
    facts.requested = Some(plan.requested().clone());
    facts.start = Some(range.start);
    facts.end = Some(range.end);
    facts.duration_ns = Some(plan.duration_ns());
    facts.bytes = Some(plan.bytes());
    let epochs = plan.epochs();
    let tracks = epochs.iter().flat_map(|epoch| &epoch.tracks);
    of_tracks(&mut facts, tracks);
    let gap = |g: &clip::ClipGap| AssetGap { start: g.start, end: g.end, reason: g.reason.to_string() };
    facts.gaps = plan.gaps().iter().map(gap).collect();
    let epoch = |e: &&ClipEpoch| AssetEpoch { start: e.start, tracks: tracks_of(e) };
    facts.epochs = epochs.iter().take(EPOCHS_MAX).map(epoch).collect();
    facts.spans = stored(plan.spans(), making.layout);
    facts
}

/// Notes what was asked for in facts that were found from stored spans: those begin where the tape did, and what was
/// missing before them is told all the same.
pub(crate) fn ask_for(facts: &mut Facts, stream: &Stream, requested: Option<Range<WallTime>>) {
    let Some(requested) = requested else { return };
    facts.requested = Some(requested.clone());
    let Some(start) = facts.start.filter(|start| requested.start < *start) else { return };
    let recorded = stream.gaps(requested.start..start);
    let overlap = |gap: &&tape::Gap| gap.end.min(start).since_ns(gap.start.max(requested.start));
    let before_tape = stream.window().is_none_or(|window| requested.start < window.start);
    let reason = match recorded.iter().max_by_key(overlap) {
        Some(gap) => gap.reason.to_string(),
        None if before_tape => clip::ClipGapReason::BeforeTape.to_string(),
        None => return,
    };
    facts.gaps.retain(|gap| gap.end > start);
    facts.gaps.insert(0, AssetGap { start: requested.start, end: start, reason });
}

/// A clip whose last part is still open: its spans are fixed, the rest is found once it has closed.
pub(crate) fn pending_clip(
    stream: &Stream,
    requested: &Range<WallTime>,
    spans: &ClipSpans,
    making: Making,
) -> Facts {
    let mut facts = Facts::new(AssetKind::Clip, AssetStatus::Pending);
    of_stream(&mut facts, stream);
    of_options(&mut facts, making.options);
    facts.requested = Some(requested.clone());
    let wall = wall_of(stream, spans);
    facts.start = wall.as_ref().map(|w| w.start);
    facts.end = wall.as_ref().map(|w| w.end);
    facts.duration_ns = match making.options.gaps {
        clip::GapPolicy::Hold => wall.map(|w| w.end.since_ns(w.start)),
        _ => Some(spans.spans.iter().map(|s| s.end.since_ns(s.start)).sum()),
    };
    of_tracks(&mut facts, stream.stats(std::time::Duration::ZERO).tracks.iter());
    facts.spans = stored(spans, making.layout);
    facts
}

/// What a pin of the tape holds for a clip.
pub(crate) fn pin_of(spans: &ClipSpans) -> Vec<SpanRecord> {
    spans.spans.iter().map(|s| SpanRecord { run: s.run, start: s.start, end: s.end }).collect()
}

/// How a clip was asked for, for the journal.
pub(crate) fn asked_of(asset: &Asset) -> Option<AskedClip> {
    let requested = asset.facts.requested.as_ref()?;
    Some(AskedClip {
        start: requested.start,
        end: requested.end,
        accuracy: asset.facts.accuracy?.to_string(),
        gaps: asset.facts.gap_policy?.to_string(),
        epochs: match layout_of(&asset.facts.spans) {
            Layout::InBand => String::new(),
            Layout::Split => Layout::Split.as_str().to_owned(),
        },
        made: asset.created_at,
    })
}

/// How a clip is made that the journal tells of; one of a newer program is cut as by default.
fn making_of(asked: &AskedClip) -> Making {
    let layout = if asked.epochs == Layout::Split.as_str() { Layout::Split } else { Layout::InBand };
    let options = ClipOptions {
        accuracy: match asked.accuracy.parse() {
            Ok(Accuracy::Gop) => clip::Accuracy::Gop,
            _ => clip::Accuracy::EditList,
        },
        gaps: match asked.gaps.parse() {
            Ok(GapPolicy::Hold) => clip::GapPolicy::Hold,
            Ok(GapPolicy::Fail) => clip::GapPolicy::Fail,
            _ => clip::GapPolicy::Collapse,
        },
    };
    Making { options, layout }
}

/// A clip that only the journal knows, its facts still to be found. `None` where the tape has nothing of it.
pub(crate) fn clip_of_pin(stream: &Stream, id: Uuid, pin: &[SpanRecord]) -> Option<Asset> {
    let mut spans = spans_of_pin(pin);
    let on_tape = wall_of(stream, &spans);
    let (requested, making, made) = match stream.clip(id) {
        Some((_, asked)) => (asked.start..asked.end, making_of(&asked), asked.made),
        None => {
            let requested = on_tape.clone()?;
            let made = requested.end;
            (requested, Making::default(), made)
        }
    };
    if let (clip::GapPolicy::Hold, Some(on_tape)) = (making.options.gaps, on_tape) {
        spans.start = (requested.start < on_tape.start).then_some(requested.start);
        spans.end = (requested.end > on_tape.end).then_some(requested.end);
    }
    let facts = pending_clip(stream, &requested, &spans, making);
    Some(Asset::new(asset_id(id), facts, Labels::default(), made))
}

/// A clip as spans again, from the pin that the journal kept when the catalog did not.
pub(crate) fn spans_of_pin(pin: &[SpanRecord]) -> ClipSpans {
    let span = |s: &SpanRecord| ClipSpan { run: s.run, start: s.start, end: s.end };
    ClipSpans { spans: pin.iter().map(span).collect(), ..ClipSpans::default() }
}

/// The wall time from the first instant of the spans to the last, as far as the tape still has them.
pub(crate) fn wall_of(stream: &Stream, spans: &ClipSpans) -> Option<Range<WallTime>> {
    let (first, last) = (spans.spans.first()?, spans.spans.last()?);
    let run = |s: &ClipSpan| stream.run(s.run, s.start..s.start);
    let (from, to) = (run(first)?, run(last)?);
    let (start, end) = (from.clock.wall(first.start.max(from.start)), to.clock.wall(last.end.min(to.end)));
    let (start, end) = (spans.start.unwrap_or(start), spans.end.unwrap_or(end));
    (start < end).then_some(start..end)
}

fn of_stream(facts: &mut Facts, stream: &Stream) {
    facts.stream = Some(stream.name().clone());
    facts.stream_id = Some(stream.id().to_string());
}

fn of_options(facts: &mut Facts, options: ClipOptions) {
    facts.accuracy = Some(match options.accuracy {
        clip::Accuracy::EditList => Accuracy::Editlist,
        clip::Accuracy::Gop => Accuracy::Gop,
    });
    facts.gap_policy = Some(match options.gaps {
        clip::GapPolicy::Collapse => GapPolicy::Collapse,
        clip::GapPolicy::Hold => GapPolicy::Hold,
        clip::GapPolicy::Fail => GapPolicy::Fail,
    });
}

/// The first picture's codec and size, and the first sound's codec.
fn of_tracks<'a>(facts: &mut Facts, tracks: impl Iterator<Item = &'a TrackConfig>) {
    for config in tracks {
        match config.kind() {
            TrackKind::Video if facts.video_codec.is_none() => {
                facts.video_codec = Some(config.codec.name().to_owned());
                if let Some(picture) = config.codec.picture() {
                    (facts.width, facts.height) =
                        (Some(u32::from(picture.width)), Some(u32::from(picture.height)));
                }
            }
            TrackKind::Audio if facts.audio_codec.is_none() => {
                facts.audio_codec = Some(config.codec.name().to_owned());
            }
            _ => {}
        }
    }
}
