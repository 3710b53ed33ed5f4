//! What an asset shows of a tape: the spans behind it, the facts that follow from them, and how a plan becomes
//! facts. The catalog keeps assets; the tape keeps media; this is the translation between the two, and nothing
//! is stored or sent here.

use std::ops::Range;

use control::asset::{
    Accuracy, Asset, AssetEpoch, AssetGap, AssetId, AssetKind, AssetStatus, Facts, GapPolicy, Labels,
};
use media::{MediaTime, TrackConfig, WallTime};
use serde_json::{Value, json};
use tape::{AskedClip, RecordingSpan, SpanRecord, Stream};
use uuid::Uuid;
use view::clip::{self, ClipOptions, ClipPlan, ClipSpan, ClipSpans};
use view::query;

use crate::api::json::track;
use crate::http::problem::{Kind, Problem};

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
    pub(crate) options: ClipOptions,
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
            options: ClipOptions::default(),
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
    Ok(Shown { spans, options, settled: true })
}

/// One recording as spans; its end is open while it records.
pub(crate) fn spans_of_recording(span: &RecordingSpan) -> ClipSpans {
    ClipSpans {
        spans: vec![ClipSpan { run: span.run, start: span.start, end: span.end.unwrap_or(MediaTime::MAX) }],
    }
}

/// The options of a clip from the words of a URL or a body; what is understood and not built is said.
pub(crate) fn options(
    accuracy: Option<query::Accuracy>,
    gaps: Option<query::GapPolicy>,
) -> Result<ClipOptions, Problem> {
    let accuracy = match accuracy.unwrap_or_default() {
        query::Accuracy::EditList => clip::Accuracy::EditList,
        query::Accuracy::Gop => clip::Accuracy::Gop,
        query::Accuracy::Reencode => {
            return Err(Problem::new(
                Kind::NotBuilt,
                "accuracy=reencode is not there in this version; editlist is exact to the frame",
            ));
        }
    };
    let gaps = match gaps.unwrap_or_default() {
        query::GapPolicy::Collapse => clip::GapPolicy::Collapse,
        query::GapPolicy::Hold => clip::GapPolicy::Hold,
        query::GapPolicy::Fail => clip::GapPolicy::Fail,
    };
    Ok(ClipOptions { accuracy, gaps })
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
            of_tracks(&mut facts, &tracks);
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
pub(crate) fn clip_facts(stream: &Stream, plan: &ClipPlan) -> Facts {
    let mut facts = Facts::new(AssetKind::Clip, AssetStatus::Ready);
    of_stream(&mut facts, stream);
    of_options(&mut facts, plan.options);
    facts.requested = Some(plan.requested.clone());
    facts.start = Some(plan.start);
    facts.end = Some(plan.end);
    facts.duration_ns = Some(plan.duration_ns);
    facts.bytes = Some(plan.bytes());
    let tracks: Vec<TrackConfig> = plan.tracks.iter().map(|t| t.config.clone()).collect();
    of_tracks(&mut facts, &tracks);
    let gap = |g: &clip::ClipGap| AssetGap { start: g.start, end: g.end, reason: g.reason.to_string() };
    facts.gaps = plan.gaps.iter().map(gap).collect();
    let told: Value = tracks.iter().map(track).collect();
    facts.epochs =
        plan.epochs.iter().map(|start| AssetEpoch { start: *start, tracks: told.clone() }).collect();
    facts.spans = json!(plan.spans);
    facts
}

/// A clip whose last part is still open: its spans are fixed, the rest is found once it has closed.
pub(crate) fn pending_clip(
    stream: &Stream,
    requested: &Range<WallTime>,
    spans: &ClipSpans,
    options: ClipOptions,
) -> Facts {
    let mut facts = Facts::new(AssetKind::Clip, AssetStatus::Pending);
    of_stream(&mut facts, stream);
    of_options(&mut facts, options);
    facts.requested = Some(requested.clone());
    let wall = wall_of(stream, spans);
    facts.start = wall.as_ref().map(|w| w.start);
    facts.end = wall.map(|w| w.end);
    facts.duration_ns = Some(spans.spans.iter().map(|s| s.end.since_ns(s.start)).sum());
    of_tracks(&mut facts, &stream.stats(std::time::Duration::ZERO).tracks);
    facts.spans = json!(spans);
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
        made: asset.created_at,
    })
}

/// The options of a clip that the journal tells of; one of a newer program is cut as by default.
pub(crate) fn options_of(asked: &AskedClip) -> ClipOptions {
    ClipOptions {
        accuracy: match asked.accuracy.parse() {
            Ok(Accuracy::Gop) => clip::Accuracy::Gop,
            _ => clip::Accuracy::EditList,
        },
        gaps: match asked.gaps.parse() {
            Ok(GapPolicy::Hold) => clip::GapPolicy::Hold,
            Ok(GapPolicy::Fail) => clip::GapPolicy::Fail,
            _ => clip::GapPolicy::Collapse,
        },
    }
}

/// A clip that only the journal knows, its facts still to be found. `None` where the tape has nothing of it.
pub(crate) fn clip_of_pin(stream: &Stream, id: Uuid, pin: &[SpanRecord]) -> Option<Asset> {
    let spans = spans_of_pin(pin);
    let on_tape = wall_of(stream, &spans);
    let (requested, options, made) = match stream.clip(id) {
        Some((_, asked)) => (asked.start..asked.end, options_of(&asked), asked.made),
        None => {
            let requested = on_tape?;
            let made = requested.end;
            (requested, ClipOptions::default(), made)
        }
    };
    let facts = pending_clip(stream, &requested, &spans, options);
    Some(Asset::new(asset_id(id), facts, Labels::default(), made))
}

/// A clip as spans again, from the pin that the journal kept when the catalog did not.
pub(crate) fn spans_of_pin(pin: &[SpanRecord]) -> ClipSpans {
    ClipSpans { spans: pin.iter().map(|s| ClipSpan { run: s.run, start: s.start, end: s.end }).collect() }
}

/// The wall time from the first instant of the spans to the last, as far as the tape still has them.
pub(crate) fn wall_of(stream: &Stream, spans: &ClipSpans) -> Option<Range<WallTime>> {
    let (first, last) = (spans.spans.first()?, spans.spans.last()?);
    let run = |s: &ClipSpan| stream.run(s.run, s.start..s.start);
    let (from, to) = (run(first)?, run(last)?);
    let (start, end) = (from.clock.wall(first.start.max(from.start)), to.clock.wall(last.end.min(to.end)));
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

fn of_tracks(facts: &mut Facts, tracks: &[TrackConfig]) {
    for config in TrackConfig::main_ones(tracks) {
        if let Some(picture) = config.codec.picture() {
            facts.video_codec = Some(config.codec.name().to_owned());
            (facts.width, facts.height) = (Some(u32::from(picture.width)), Some(u32::from(picture.height)));
        }
        if config.codec.sound().is_some() {
            facts.audio_codec = Some(config.codec.name().to_owned());
        }
    }
}
