//! Made-up sources: pictures in GOPs of any shape, sound at its own rhythm.

use media::Rap;

use super::made::{AUDIO, FRAME, Made, RATE, RUN_START_NS, VIDEO};

/// What a video source is like.
#[derive(Debug, Clone)]
pub(super) struct Pictures {
    pub(super) frames: usize,
    /// Frames from key frame to key frame.
    pub(super) gop: usize,
    /// B-frames between anchors.
    pub(super) bframes: usize,
    /// Key frames after the first are open.
    pub(super) open: bool,
    /// Ticks per frame, used in turn.
    pub(super) durations: Vec<i64>,
}

impl Pictures {
    /// A closed GOP without B-frames at 25/s.
    pub(super) fn plain(frames: usize) -> Self {
        Self { frames, gop: 25, bframes: 0, open: false, durations: vec![3600] }
    }

    /// Samples in decode order; the first frame is decoded at the run's start.
    pub(super) fn samples(&self) -> Vec<Made> {
        let start = RUN_START_NS / 1_000_000_000 * 90_000;
        let times: Vec<i64> = self
            .durations
            .iter()
            .cycle()
            .take(self.frames)
            .scan(start, |at, d| {
                *at += d;
                Some(*at - d)
            })
            .collect();
        let order = self.decode_order();
        let delay = order.iter().enumerate().map(|(i, f)| times[i] - times[*f]).max().unwrap_or(0).max(0);
        let sample = |(i, f): (usize, &usize)| Made {
            kind: VIDEO,
            dts: times[i],
            cts: i32::try_from(times[*f] + delay - times[i]).unwrap(),
            rap: self.rap(*f),
            size: u32::try_from(10 + (f * 37) % 190).unwrap(),
        };
        order.iter().enumerate().map(sample).collect()
    }

    fn rap(&self, frame: usize) -> Rap {
        match frame % self.gop {
            0 if frame == 0 || !self.open => Rap::Closed,
            0 => Rap::Open,
            _ => Rap::None,
        }
    }

    /// Numbers of the frames as shown, in the order they are decoded.
    fn decode_order(&self) -> Vec<usize> {
        let is_anchor = |f: usize| {
            let last_of_closed = !self.open && (f + 1).is_multiple_of(self.gop);
            (f % self.gop).is_multiple_of(self.bframes + 1) || last_of_closed || f + 1 == self.frames
        };
        let mut order = Vec::new();
        let mut waiting = Vec::new();
        for f in 0..self.frames {
            if is_anchor(f) {
                order.push(f);
                order.append(&mut waiting);
            } else {
                waiting.push(f);
            }
        }
        order
    }
}

/// Sound that begins `offset` samples after the run's start.
pub(super) fn sound(frames: usize, offset: i64) -> Vec<Made> {
    let start = RUN_START_NS / 1_000_000_000 * i64::from(RATE) + offset;
    let frames = i64::try_from(frames).unwrap();
    let frame = |n| Made {
        kind: AUDIO,
        dts: start + n * FRAME,
        cts: 0,
        rap: Rap::Closed,
        size: u32::try_from(10 + n % 7).unwrap(),
    };
    (0..frames).map(frame).collect()
}
