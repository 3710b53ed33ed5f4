//! The recorded grid of one extent: which parts make a segment, when it is shown and how long it is. Text and
//! wall time are made of it elsewhere.

use std::ops::Range;

use media::{MediaTime, Timescale, TrackKind};
use tape::{ExtentIndex, Sample, SegmentMark, TrackIndex};

/// One segment of an extent. Segments never reach over an extent: a new extent begins a new segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Indexes into [`ExtentIndex::parts`].
    pub parts: Range<usize>,
    pub mark: SegmentMark,
    /// Presentation time of its first frame.
    pub start: MediaTime,
    /// End of its last frame.
    pub stop: MediaTime,
    /// EXTINF in microseconds: the sum of the track's sample durations, between its rounded ends, so that the
    /// durations of consecutive segments add up to their distance however many there are.
    pub duration_us: i64,
    pub bytes: u64,
    /// Pictures and the microseconds they last, for FRAME-RATE.
    pub pictures: (u32, i64),
}

/// The segments of the first `bytes` bytes of an extent, the last of which may not be complete.
///
/// `target_s` is the run's target duration, 0 while it has none.
pub(super) fn segments(index: &ExtentIndex, bytes: u64, target_s: u32) -> Vec<Segment> {
    let mut out = Vec::new();
    let mut from = 0;
    let told = index.parts.partition_point(|p| p.offset + u64::from(p.len) <= bytes);
    let parts = &index.parts[..told];
    for at in 1..=parts.len() {
        let ends =
            parts.get(at).is_none_or(|p| p.segment.starts || p.segment.msn != index.parts[from].segment.msn);
        if ends {
            out.extend(segment(index, from..at, target_s));
            from = at;
        }
    }
    out
}

/// The samples of one track in some parts.
#[derive(Clone, Copy)]
struct Span<'a> {
    scale: Timescale,
    samples: &'a [Sample],
}

impl Span<'_> {
    /// First decode time and end of the last sample, in microseconds rounded to nearest.
    fn ends_us(self) -> Option<(i64, i64)> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let end = last.dts.saturating_add(i64::from(last.duration));
        Some((micros(self.scale, first.dts), micros(self.scale, end)))
    }

    fn duration_us(self) -> i64 {
        self.ends_us().map_or(0, |(from, to)| to - from)
    }
}

fn micros(scale: Timescale, ticks: i64) -> i64 {
    let hz = i128::from(scale.hz());
    let us = (i128::from(ticks) * 2_000_000 + hz).div_euclid(2 * hz);
    i64::try_from(us).unwrap_or(i64::MAX)
}

fn span<'a>(track: &'a TrackIndex, parts: &Range<usize>) -> Option<Span<'a>> {
    let entries = track.parts.get(parts.clone())?;
    let filled = || entries.iter().filter(|p| p.count > 0);
    let from = filled().next()?.first_sample as usize;
    let last = filled().next_back()?;
    let to = last.first_sample as usize + last.count as usize;
    Some(Span { scale: track.timescale, samples: track.samples.get(from..to)? })
}

fn segment(index: &ExtentIndex, parts: Range<usize>, target_s: u32) -> Option<Segment> {
    let of = |kind| index.tracks.iter().find(|t| t.kind == kind).and_then(|t| span(t, &parts));
    let (video, audio) = (of(TrackKind::Video), of(TrackKind::Audio));
    let main = main_span(video, audio, target_s).or_else(|| of(TrackKind::Data))?;
    let shown = |s: &Sample| (s.pts(), s.pts().saturating_add(i64::from(s.duration)));
    let start = main.samples.iter().map(|s| shown(s).0).min()?;
    let stop = main.samples.iter().map(|s| shown(s).1).max()?;
    let entries = &index.parts[parts.clone()];
    Some(Segment {
        mark: entries.first()?.segment,
        start: main.scale.media(start),
        stop: main.scale.media(stop),
        duration_us: main.duration_us().max(0),
        bytes: entries.iter().map(|p| u64::from(p.len)).sum(),
        pictures: video
            .map_or((0, 0), |v| (u32::try_from(v.samples.len()).unwrap_or(u32::MAX), v.duration_us())),
        parts,
    })
}

/// The track that times a segment: pictures where there are any, else sound. A slide show's picture may last
/// for minutes while segments are cut under it; sound then tells how long the segment is.
fn main_span<'a>(video: Option<Span<'a>>, audio: Option<Span<'a>>, target_s: u32) -> Option<Span<'a>> {
    match (video, audio) {
        (Some(video), Some(audio)) if target_s > 0 && held_over(video, audio, target_s) => Some(audio),
        (video, audio) => video.or(audio),
    }
}

/// Whether it is only by its last picture, which sound goes on under, that a segment exceeds its target.
fn held_over(video: Span<'_>, audio: Span<'_>, target_s: u32) -> bool {
    let last_us = video.samples.last().map(|s| micros(video.scale, s.dts));
    let audio_end_us = audio.ends_us().map(|e| e.1);
    rounded_s(video.duration_us()) > target_s
        && rounded_s(audio.duration_us()) <= target_s
        && audio_end_us > last_us
}

/// Seconds, rounded to nearest as EXT-X-TARGETDURATION compares them (RFC 8216bis §4.4.3.1).
pub(super) fn rounded_s(us: i64) -> u32 {
    u32::try_from(us.saturating_add(500_000).div_euclid(1_000_000)).unwrap_or(if us < 0 {
        0
    } else {
        u32::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::{Rap, TrackId, WallTime};
    use tape::{ExtentNo, PartEntry, PartNo, TrackPart};

    fn sample(dts: i64, duration: u32, cts: i32) -> Sample {
        Sample { dts, duration, size: 10, cts, rap: Rap::None }
    }

    fn track(id: TrackId, kind: TrackKind, hz: u32, parts: &[&[Sample]]) -> TrackIndex {
        let mut t = TrackIndex {
            id,
            timescale: Timescale::new(hz).unwrap(),
            kind,
            parts: Vec::new(),
            samples: Vec::new(),
        };
        for part in parts {
            let (first_sample, count) = (t.samples.len() as u32, part.len() as u32);
            t.parts.push(TrackPart { first_sample, count, moof: 0, moof_len: 0, data: 0 });
            t.samples.extend_from_slice(part);
        }
        t
    }

    fn index(marks: &[(bool, u64)], tracks: Vec<TrackIndex>) -> ExtentIndex {
        let parts = marks.iter().zip(0u64..).map(|((starts, msn), i)| PartEntry {
            no: PartNo(i),
            offset: 100 * i,
            len: 100,
            segment: SegmentMark { starts: *starts, independent: true, msn: *msn, dsn: 0 },
            received: WallTime(0),
            crc: i as u32,
        });
        ExtentIndex { no: ExtentNo(1), init_len: 0, parts: parts.collect(), tracks }
    }

    #[test]
    fn parts_are_gathered_by_their_marks() {
        let video = track(
            TrackId::VIDEO,
            TrackKind::Video,
            90_000,
            &[&[sample(0, 3000, 6000), sample(3000, 3000, 0)], &[], &[sample(6000, 3003, 3000)]],
        );
        let index = index(&[(true, 4), (false, 4), (true, 5)], vec![video]);
        let told = |bytes| {
            segments(&index, bytes, 0).iter().map(|s| (s.parts.start, s.parts.end)).collect::<Vec<_>>()
        };
        assert_eq!(
            [0, 199, 299].map(told),
            [vec![], vec![(0, 1)], vec![(0, 2)]],
            "what came later is not there"
        );
        let got = segments(&index, u64::MAX, 0);
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].parts.clone(), got[0].mark.msn, got[0].bytes), (0..2, 4, 200));
        assert_eq!((got[0].start, got[0].stop), (MediaTime(33_333_333), MediaTime(100_000_000)));
        assert_eq!((got[0].duration_us, got[0].pictures), (66_667, (2, 66_667)));
        assert_eq!((got[1].parts.clone(), got[1].duration_us), (2..3, 33_366));
    }

    #[test]
    fn durations_add_up_without_drift() {
        let frames: Vec<Sample> = (0..30_000).map(|i| sample(i * 3754, 3754, 0)).collect();
        let parts: Vec<&[Sample]> = frames.chunks(12).collect();
        let marks: Vec<(bool, u64)> = (0..parts.len() as u64).map(|i| (i % 4 == 0, i / 4)).collect();
        let got = segments(
            &index(&marks, vec![track(TrackId::VIDEO, TrackKind::Video, 90_000, &parts)]),
            u64::MAX,
            2,
        );
        let total: i64 = got.iter().map(|s| s.duration_us).sum();
        assert_eq!(total, micros(Timescale::VIDEO, 30_000 * 3754));
    }

    #[test]
    fn sound_times_a_segment_under_a_still_picture() {
        let video = track(TrackId::VIDEO, TrackKind::Video, 90_000, &[&[sample(0, 900_000, 0)], &[]]);
        let audio = track(
            TrackId::AUDIO,
            TrackKind::Audio,
            48_000,
            &[&[sample(0, 96_000, 0)], &[sample(96_000, 96_000, 0)]],
        );
        let got = segments(&index(&[(true, 0), (true, 1)], vec![video.clone(), audio]), u64::MAX, 2);
        assert_eq!(got.iter().map(|s| s.duration_us).collect::<Vec<_>>(), [2_000_000, 2_000_000]);
        let sparse = &[sample(0, 9_000, 0), sample(9_000, 261_000, 0)];
        let video_goes_on = track(TrackId::VIDEO, TrackKind::Video, 90_000, &[sparse]);
        let audio_stops = track(TrackId::AUDIO, TrackKind::Audio, 48_000, &[&[sample(0, 4_000, 0)]]);
        let got = segments(&index(&[(true, 0)], vec![video_goes_on, audio_stops]), u64::MAX, 2);
        assert_eq!(got[0].duration_us, 3_000_000);
        let alone = segments(&index(&[(true, 0), (true, 1)], vec![video]), u64::MAX, 2);
        assert_eq!(alone.iter().map(|s| s.duration_us).collect::<Vec<_>>(), [10_000_000]);
    }

    #[test]
    fn seconds_round_to_nearest() {
        assert_eq!([1_499_999, 1_500_000, 0, -5].map(rounded_s), [1, 2, 0, 0]);
    }
}
