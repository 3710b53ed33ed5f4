//! Where samples lie in time: decode times, composition offsets and the edit of one track, from the decode
//! and presentation times of its stretches. Pure arithmetic in ticks of the track.
//!
//! Presentation time in the file is `pts + base + media_time` for a frame that is shown, where `base` moves
//! its run to its place in the clip. Decode time is `dts + base` moved by a constant so that the first
//! sample after the pre-roll follows it, delayed where a joint would make it fall, and early enough that no
//! composition offset is negative.

/// One run's stretch of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Clip time minus run time.
    pub(super) base: i64,
    /// Decode time of the first sample that keeps its time; the end of the last one where none does.
    pub(super) first_dts: i64,
    /// Decode time of the last sample; just before `first_dts` where all are pre-roll.
    pub(super) last_dts: i64,
    /// Least composition offset of the samples that keep their time.
    pub(super) least_cts: Option<i64>,
}

/// The samples before the cut.
#[derive(Debug, Clone, Copy)]
pub(super) enum Head<'a> {
    /// Video: presentation times up to the last sample that is hidden before `shown`. One tick each.
    Video {
        /// In decode order.
        pts: &'a [i64],
        /// Pts of the first shown frame.
        shown: i64,
        /// Ticks kept free between the last hidden frame and the edit.
        guard: i64,
    },
    /// Audio: frames that prime the decoder, of the codec's own length, so that players skip exactly them.
    Audio {
        /// How many.
        count: u32,
        /// Ticks of each.
        frame: i64,
    },
}

/// A track's times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timing {
    /// Presentation time in the file of clip time zero.
    pub(super) media_time: i64,
    /// Composition offsets of the squeezed samples.
    pub(super) head: Vec<i64>,
    /// Per stretch: what is added to decode times and to composition offsets.
    pub(super) shifts: Vec<(i64, i64)>,
}

/// Lays a track out. `parts` is not empty.
pub(super) fn lay_out(parts: &[Part], head: Head<'_>) -> Timing {
    let delays = joint_delays(parts);
    // Decode times move down by `early` against presentation times.
    let mut early = parts
        .iter()
        .zip(&delays)
        .filter_map(|(part, delay)| part.least_cts.map(|cts| delay - cts))
        .fold(0, i64::max);
    let base = parts.first().map_or(0, |p| p.base);
    let head_end = parts.first().map_or(0, |p| p.first_dts + base);
    let head_len = match head {
        Head::Video { pts, .. } => i64::try_from(pts.len()).unwrap_or(i64::MAX),
        Head::Audio { count, frame } => i64::from(count) * frame,
    };
    let mut media_time = head_len - head_end + early;
    let mut offsets = Vec::new();
    if let Head::Video { pts, shown, guard } = head {
        let places = head_places(pts, shown, (base, guard));
        // Ranks count back from the edit: a sample is early enough once its offset is not negative.
        let needed = (0i64..).zip(&places).map(|(dts, place)| dts - place).fold(media_time, i64::max);
        early += needed - media_time;
        media_time = needed;
        offsets = (0i64..).zip(&places).map(|(dts, place)| media_time + place - dts).collect();
    }
    let shifts = parts
        .iter()
        .zip(&delays)
        .map(|(part, delay)| (part.base + delay + media_time - early, early - delay))
        .collect();
    Timing { media_time, head: offsets, shifts }
}

/// How much later than its own decode times each stretch must be decoded so that decode times rise.
fn joint_delays(parts: &[Part]) -> Vec<i64> {
    let mut end: Option<i64> = None;
    let delay = |part: &Part| {
        let first = part.first_dts + part.base;
        let delay = end.map_or(0, |end| (end - first).max(0));
        end = Some(part.last_dts + part.base + delay + 1);
        delay
    };
    parts.iter().map(delay).collect()
}

/// Presentation times of the squeezed samples relative to the edit's start: true ones for frames that are
/// shown, and for the hidden ones the ticks just before it, in order.
fn head_places(pts: &[i64], shown: i64, (base, guard): (i64, i64)) -> Vec<i64> {
    let mut hidden: Vec<i64> = pts.iter().copied().filter(|p| *p < shown).collect();
    hidden.sort_unstable();
    let rank = |p: i64| hidden.partition_point(|h| *h < p);
    let place = |p: &i64| {
        if *p >= shown {
            *p + base
        } else {
            -i64::try_from(hidden.len() - rank(*p)).unwrap_or(i64::MAX) - guard
        }
    };
    pts.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_at_a_key_frame_needs_no_preroll() {
        let parts = [Part { base: -9000, first_dts: 9000, last_dts: 90_000, least_cts: Some(0) }];
        let timing = lay_out(&parts, Head::Video { pts: &[], shown: 9000, guard: 0 });
        assert_eq!(timing, Timing { media_time: 0, head: vec![], shifts: vec![(-9000, 0)] });
    }

    #[test]
    fn squeezed_frames_lie_below_the_edit_in_order_and_shown_ones_at_their_time() {
        // Decode I0 P4 B2 B1 B3, then P8 at its own time; the cut is at 2. One frame is 10 ticks, and the
        // source delays presentation by two frames.
        let pts = [20, 60, 40, 30];
        let parts = [Part { base: -40, first_dts: 40, last_dts: 90, least_cts: Some(10) }];
        let timing = lay_out(&parts, Head::Video { pts: &pts, shown: 40, guard: 0 });
        let dts = 0..4;
        let at: Vec<i64> = dts.zip(&timing.head).map(|(d, c)| d + c - timing.media_time).collect();
        assert_eq!(at, [-2, 20, 0, -1]);
        assert!(timing.head.iter().all(|c| *c >= 0));
        let (dts_shift, cts_shift) = timing.shifts[0];
        assert_eq!(40 + dts_shift, 4, "the first free sample follows the squeezed ones");
        // A frame of dts 40 and cts 10 is shown at 50, ten ticks into the clip.
        assert_eq!(40 + dts_shift + 10 + cts_shift - timing.media_time, 10);
    }

    #[test]
    fn a_deeper_reorder_after_a_joint_delays_decoding_and_keeps_offsets_positive() {
        // Run 0 without B-frames up to 100; run 1 shows its key frame 30 after decoding it.
        let parts = [
            Part { base: 0, first_dts: 0, last_dts: 90, least_cts: Some(0) },
            Part { base: 70, first_dts: 0, last_dts: 100, least_cts: Some(0) },
        ];
        let timing = lay_out(&parts, Head::Video { pts: &[], shown: 0, guard: 0 });
        let [(d0, c0), (d1, c1)] = timing.shifts[..] else { panic!("two stretches") };
        assert!(90 + d0 < d1, "decode times rise over the joint");
        assert!(c0 >= 0 && c1 >= 0);
        assert_eq!(d0 + c0, timing.media_time);
        assert_eq!(30 + d1 + c1 - timing.media_time, 100, "the key frame is shown where run 0 ends");
    }
}
