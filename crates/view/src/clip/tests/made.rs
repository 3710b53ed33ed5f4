//! A tape made up of samples for the purpose: any order, any border of parts and extents, and bytes that
//! tell which sample they are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use media::{CodecConfig, MediaTime, Rap, Timescale, TrackConfig, TrackId, TrackKind, WallTime};
use tape::{
    Anchor, ExtentIndex, ExtentInfo, ExtentNo, Gap, GapReason, InitId, PartEntry, PartNo, Piece, ReadError,
    RunId, RunInfo, Sample, SegmentMark, StreamId, TrackIndex, TrackPart, WallMap,
};

use crate::clip::Source;

pub(super) const VIDEO: TrackKind = TrackKind::Video;
pub(super) const AUDIO: TrackKind = TrackKind::Audio;
pub(super) const RATE: u32 = 48_000;
pub(super) const FRAME: i64 = 1024;
/// Where every made-up run begins on its own timeline.
pub(super) const RUN_START_NS: i64 = 10_000_000_000;

/// One sample to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) kind: TrackKind,
    pub(super) dts: i64,
    pub(super) cts: i32,
    pub(super) rap: Rap,
    pub(super) size: u32,
}

impl Made {
    pub(super) fn pts(&self) -> i64 {
        self.dts + i64::from(self.cts)
    }
}

pub(super) fn scale(kind: TrackKind) -> Timescale {
    match kind {
        TrackKind::Audio => Timescale::new(RATE).unwrap(),
        _ => Timescale::VIDEO,
    }
}

/// A video configuration; `variant` goes into its parameter sets.
pub(super) fn video_config(variant: u8) -> TrackConfig {
    let sps = [0x67, 0x4d, 0, 0x1f, variant];
    let pps = [0x68, 0xee, variant];
    let mut avcc = vec![1, 0x4d, 0, 0x1f, 0xff, 0xe1, 0, 5];
    avcc.extend(sps);
    avcc.extend([1, 0, 3]);
    avcc.extend(pps);
    let codec = CodecConfig::H264 { avcc: avcc.into(), width: 640, height: 360, sar: (1, 1) };
    TrackConfig { id: TrackId::VIDEO, timescale: Timescale::VIDEO, codec }
}

pub(super) fn audio_config(object_type: u8) -> TrackConfig {
    let codec = CodecConfig::Aac {
        asc: Bytes::from_static(&[0x11, 0x88]),
        object_type,
        sample_rate: RATE,
        channels: 1,
        frame_samples: 1024,
    };
    TrackConfig { id: TrackId::AUDIO, timescale: Timescale::new(RATE).unwrap(), codec }
}

/// One run to record.
#[derive(Debug, Clone)]
pub(super) struct MadeRun {
    pub(super) wall: WallTime,
    pub(super) samples: Vec<Made>,
    pub(super) part_ns: i64,
    pub(super) extent_ns: i64,
    /// Tracks from the n-th extent on; the first entry is for extent 0.
    pub(super) tracks: Vec<(usize, Vec<TrackConfig>)>,
    /// The run goes on, and this is what can be read.
    pub(super) live: Option<MediaTime>,
}

/// A recorded stream.
#[derive(Default)]
pub(super) struct MadeTape {
    pub(super) runs: Vec<RunInfo>,
    pub(super) sources: Vec<MadeRun>,
    extents: BTreeMap<ExtentNo, (Arc<ExtentIndex>, Bytes)>,
    inits: Vec<(InitId, Arc<[TrackConfig]>)>,
    next_part: u64,
    /// How often an index was asked for.
    pub(super) loads: AtomicUsize,
}

/// What a sample's bytes are: its run, kind and decode time over and over, cut to its size.
pub(super) fn bytes_of(run: u64, sample: &Made) -> Bytes {
    let mut word = BytesMut::new();
    word.put_u8(if sample.kind == VIDEO { b'v' } else { b'a' });
    word.put_u8(u8::try_from(run).unwrap());
    word.put_i64(sample.dts);
    let size = usize::try_from(sample.size).unwrap();
    word.iter().copied().cycle().take(size.max(10)).collect::<Vec<u8>>().into()
}

/// Run, kind and decode time of a sample's bytes.
pub(super) fn identify(bytes: &[u8]) -> (u64, TrackKind, i64) {
    let kind = if bytes[0] == b'v' { VIDEO } else { AUDIO };
    (u64::from(bytes[1]), kind, i64::from_be_bytes(bytes[2..10].try_into().unwrap()))
}

impl MadeTape {
    pub(super) fn record(&mut self, mut run: MadeRun) {
        run.samples.iter_mut().for_each(|s| s.size = s.size.max(10));
        run.samples.sort_by_key(|s| (scale(s.kind).media(s.dts), s.kind == AUDIO));
        let id = RunId(self.runs.len() as u64);
        let media = |s: &Made| scale(s.kind).media(s.dts);
        let start = media(&run.samples[0]);
        let clock = WallMap::new(Anchor { media: start, wall: run.wall, ppb: 0 });
        let durations = durations(&run);
        let mut extents = Vec::new();
        let mut rest = &run.samples[..];
        while !rest.is_empty() {
            let until = media(&rest[0]).plus_ns(run.extent_ns);
            let len = rest.partition_point(|s| media(s) < until);
            let tracks = run.tracks.iter().rev().find(|(from, _)| *from <= extents.len()).unwrap();
            extents.push(self.record_extent(id, (run.part_ns, &durations), &rest[..len], &tracks.1));
            rest = &rest[len..];
        }
        let end = extents.iter().map(|e| e.end).max().unwrap();
        self.runs.push(RunInfo {
            id,
            clock,
            start,
            end: run.live.unwrap_or(end),
            closed_end: run.live.unwrap_or(end),
            durable_end: start,
            live: run.live.is_some(),
            ended: run.live.is_none().then_some(tape::EndReason::Unpublished),
            segment_ended: run.live.is_none(),
            target_duration_s: None,
            extents,
        });
        self.sources.push(run);
    }

    fn record_extent(
        &mut self,
        run: RunId,
        (part_ns, durations): (i64, &Durations),
        samples: &[Made],
        tracks: &[TrackConfig],
    ) -> ExtentInfo {
        let no = ExtentNo(self.extents.len() as u64);
        let init = InitId::of(format!("{tracks:?}").as_bytes());
        self.inits.push((init, tracks.into()));
        let mut file = BytesMut::from(&[0xee; 100][..]);
        let track = |t: &TrackConfig| TrackIndex {
            id: t.id,
            timescale: t.timescale,
            kind: t.kind(),
            parts: Vec::new(),
            samples: Vec::new(),
        };
        let mut index =
            ExtentIndex { no, init_len: 100, parts: Vec::new(), tracks: tracks.iter().map(track).collect() };
        let mut rest = samples;
        while !rest.is_empty() {
            let media = |s: &Made| scale(s.kind).media(s.dts);
            let until = media(&rest[0]).plus_ns(part_ns);
            let len = rest.partition_point(|s| media(s) < until);
            self.record_part(run, durations, &rest[..len], (&mut index, &mut file));
            rest = &rest[len..];
        }
        let (start, end) = index.span().unwrap();
        let (first_part, last_part) = (index.parts[0].no, index.parts[index.parts.len() - 1].no);
        let (bytes, sealed, entry) = (file.len() as u64, true, true);
        let info = ExtentInfo { no, init, epoch: 0, first_part, last_part, start, end, bytes, sealed, entry };
        self.extents.insert(no, (Arc::new(index), file.freeze()));
        info
    }

    fn record_part(
        &mut self,
        run: RunId,
        durations: &Durations,
        samples: &[Made],
        (index, file): (&mut ExtentIndex, &mut BytesMut),
    ) {
        let offset = file.len() as u64;
        for track in &mut index.tracks {
            let first_sample = u32::try_from(track.samples.len()).unwrap();
            let moof = file.len() as u64;
            file.put_bytes(0xee, 24);
            let data = file.len() as u64;
            for s in samples.iter().filter(|s| s.kind == track.kind) {
                file.put(bytes_of(run.0, s));
                let duration = durations[&(s.kind == VIDEO, s.dts)];
                track.samples.push(Sample { dts: s.dts, duration, size: s.size, cts: s.cts, rap: s.rap });
            }
            let count = u32::try_from(track.samples.len()).unwrap() - first_sample;
            let moof_len = u32::try_from(file.len() as u64 - moof).unwrap();
            track.parts.push(TrackPart { first_sample, count, moof, moof_len, data });
        }
        let no = PartNo(self.next_part);
        self.next_part += 1;
        let len = u32::try_from(file.len() as u64 - offset).unwrap();
        let segment = SegmentMark { starts: false, independent: false, msn: 0, dsn: 0 };
        let crc = u32::try_from(no.0).unwrap() ^ len;
        index.parts.push(PartEntry { no, offset, len, segment, received: WallTime(0), crc });
    }
}

/// By whether it is video, and decode time.
type Durations = BTreeMap<(bool, i64), u32>;

/// Ticks from each sample to the next of its track; the last one lasts as long as the one before.
fn durations(run: &MadeRun) -> Durations {
    let mut out = BTreeMap::new();
    for kind in [VIDEO, AUDIO] {
        let mut dts: Vec<i64> = run.samples.iter().filter(|s| s.kind == kind).map(|s| s.dts).collect();
        dts.sort_unstable();
        let mut before = FRAME;
        for (at, this) in dts.iter().enumerate() {
            before = dts.get(at + 1).map_or(before, |next| next - this);
            out.insert((kind == VIDEO, *this), u32::try_from(before).unwrap());
        }
    }
    out
}

impl MadeTape {
    /// Changes the index of an extent behind everybody's back.
    pub(super) fn rig(&mut self, no: u64, change: impl FnOnce(&mut ExtentIndex)) {
        change(Arc::make_mut(&mut self.extents.get_mut(&ExtentNo(no)).unwrap().0));
    }

    fn cut(run: &RunInfo, range: Range<MediaTime>) -> RunInfo {
        let from = run.extents.partition_point(|e| e.end <= range.start).saturating_sub(1);
        let to = run.extents.partition_point(|e| e.start < range.end);
        RunInfo { extents: run.extents[from.min(to)..to].to_vec(), ..run.clone() }
    }
}

impl Source for MadeTape {
    fn id(&self) -> StreamId {
        StreamId(uuid::Uuid::from_u128(7))
    }
    fn window(&self) -> Option<Range<WallTime>> {
        Some(self.runs.first()?.wall_start()..self.runs.last()?.wall_end())
    }
    fn edge(&self) -> Option<(RunId, MediaTime, WallTime)> {
        let run = self.runs.last()?;
        Some((run.id, run.end, run.clock.wall(run.end)))
    }
    fn runs(&self, range: Range<WallTime>) -> Vec<RunInfo> {
        let overlapping = self.runs.iter().filter(|r| {
            r.clock.wall(r.end.max(r.closed_end)) > range.start && r.clock.wall(r.start) < range.end
        });
        overlapping.map(|r| Self::cut(r, r.clock.media(range.start)..r.clock.media(range.end))).collect()
    }
    fn run(&self, id: RunId, range: Range<MediaTime>) -> Option<RunInfo> {
        Some(Self::cut(self.runs.iter().find(|r| r.id == id)?, range))
    }
    fn gaps(&self, range: Range<WallTime>) -> Vec<Gap> {
        let between = self.runs.windows(2).map(|w| Gap {
            start: w[0].wall_end(),
            end: w[1].wall_start(),
            reason: GapReason::SourceStalled,
        });
        between.filter(|g| g.start < range.end && g.end > range.start).collect()
    }
    fn tracks(&self, init: &InitId) -> Option<Arc<[TrackConfig]>> {
        self.inits.iter().find(|(id, _)| id == init).map(|(_, tracks)| tracks.clone())
    }
    fn index(&self, no: ExtentNo) -> Result<Arc<ExtentIndex>, ReadError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.extents.get(&no).map(|e| e.0.clone()).ok_or(ReadError::Gone(no))
    }
    fn read(&self, no: ExtentNo, range: Range<u64>) -> Result<Vec<Piece>, ReadError> {
        let file = &self.extents.get(&no).ok_or(ReadError::Gone(no))?.1;
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
        Ok(vec![Piece::Mem(file.slice(at(range.start)..at(range.end)))])
    }
}
