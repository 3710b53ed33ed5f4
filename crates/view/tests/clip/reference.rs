//! What was published, decoded once by FFmpeg from the published files, and when the tape says each frame was.
//! Clips are compared with it.

use std::collections::HashMap;
use std::ops::Range;

use media::{MediaTime, TrackId, WallTime};
use tape::{RunId, RunInfo, Stream};

use crate::peers::{Picture, Shown, Sound, ffmpeg_pictures, ffmpeg_plays, ffmpeg_sound};
use crate::published::{RATE, Sent};

/// FLV tells times in milliseconds, and a run's clock is steered by arrivals that do.
const ROUNDING_NS: i64 = 2_000_000;

/// A published frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) run: RunId,
    pub(crate) wall: WallTime,
    /// When it is shown, on the run's timeline.
    pub(crate) media: MediaTime,
    pub(crate) picture: Picture,
}

/// The sound of a run.
struct RunSound {
    clock: tape::WallMap,
    /// Media time of the first sample.
    begins: MediaTime,
    samples: Vec<i16>,
}

/// All that was published.
pub(crate) struct Reference {
    /// In the order they are shown. A frame's index is its number.
    pub(crate) frames: Vec<Frame>,
    /// Extents of each run.
    pub(crate) extents: Vec<usize>,
    numbers: HashMap<Picture, usize>,
    sounds: HashMap<RunId, RunSound>,
}

impl Reference {
    /// Decodes the files of each run one after the other, and asks the tape when their frames were recorded.
    pub(crate) fn new(stream: &Stream, runs: &[&[Sent<'_>]]) -> Self {
        let infos = stream.runs(WallTime::MIN..WallTime::MAX);
        assert_eq!(infos.len(), runs.len(), "one run each");
        let mut reference =
            Self { frames: vec![], extents: vec![], numbers: HashMap::new(), sounds: HashMap::new() };
        for (info, sent) in infos.iter().zip(runs) {
            reference.add(stream, info, sent);
        }
        let numbered = reference.frames.iter().enumerate().map(|(number, f)| (f.picture, number));
        reference.numbers = numbered.collect();
        assert_eq!(reference.numbers.len(), reference.frames.len(), "no two pictures are alike");
        reference
    }

    fn add(&mut self, stream: &Stream, info: &RunInfo, sent: &[Sent<'_>]) {
        let (recorded, begins) = recorded(stream, info);
        let mut recorded = recorded.into_iter();
        let mut samples = Vec::new();
        for sent in sent {
            let (shown, heard) = match (sent.file.carries(TrackId::VIDEO), sent.file.carries(TrackId::AUDIO))
            {
                (true, true) => ffmpeg_plays(&sent.file.path),
                (true, false) => (ffmpeg_pictures(&sent.file.path), Sound::default()),
                (false, _) => (vec![], ffmpeg_sound(&sent.file.path)),
            };
            let frames = recorded.by_ref().take(shown.len());
            self.frames.extend(frames.zip(&shown).map(|(media, shown)| Frame {
                run: info.id,
                wall: info.clock.wall(media),
                media,
                picture: shown.picture,
            }));
            let added = &self.frames[self.frames.len() - shown.len()..];
            assert_times(sent, added, &shown);
            samples.extend(heard.samples);
        }
        assert_eq!(recorded.len(), 0, "the tape holds no frame that was not published");
        self.extents.push(info.extents.len());
        self.sounds.insert(info.id, RunSound { clock: info.clock.clone(), begins, samples });
    }

    /// Numbers of the frames in a range.
    pub(crate) fn in_range(&self, range: &Range<WallTime>) -> Vec<Option<usize>> {
        let frames = self.frames.iter().enumerate();
        frames.filter(|(_, frame)| range.contains(&frame.wall)).map(|(number, _)| Some(number)).collect()
    }

    /// The number of a picture; `None` for one that was never published.
    pub(crate) fn number(&self, picture: Picture) -> Option<usize> {
        self.numbers.get(&picture).copied()
    }

    /// The wall time of an instant of a run.
    pub(crate) fn wall(&self, run: RunId, at: MediaTime) -> WallTime {
        self.sounds[&run].clock.wall(at)
    }

    /// The sound of a run from an instant on. An instant that lies between two samples begins with either.
    pub(crate) fn sound_from(&self, run: RunId, at: MediaTime) -> [&[i16]; 2] {
        let RunSound { begins, samples, .. } = &self.sounds[&run];
        let position = i128::from(at.since_ns(*begins)) * i128::from(RATE);
        // Media times are whole nanoseconds: one that means a sample may lie just below it.
        let floor = (position + i128::from(RATE)).div_euclid(1_000_000_000);
        let from = |at: i128| samples.get(usize::try_from(at.max(0)).unwrap()..).unwrap_or_default();
        [from(floor), from(floor + 1)]
    }
}

/// The tape's frames of a run in the order they are shown, and when its sound begins.
fn recorded(stream: &Stream, info: &RunInfo) -> (Vec<MediaTime>, MediaTime) {
    let (mut shown, mut sound_begins) = (Vec::new(), MediaTime::MAX);
    for extent in &info.extents {
        let index = stream.index(extent.no).unwrap();
        for (track, s) in index.tracks.iter().flat_map(|t| t.samples.iter().map(move |s| (t, s))) {
            match track.id {
                TrackId::VIDEO => shown.push(track.timescale.media(s.pts())),
                TrackId::AUDIO => sound_begins = sound_begins.min(track.timescale.media(s.dts)),
                _ => {}
            }
        }
    }
    shown.sort();
    (shown, sound_begins)
}

/// The tape keeps the file's times, and tells the wall time at which they were sent.
fn assert_times(sent: &Sent<'_>, frames: &[Frame], shown: &[Shown]) {
    assert_eq!(frames.len(), shown.len(), "the tape holds every frame of the file");
    for (frame, shown) in frames.iter().zip(shown) {
        let apart = frame.wall.since_ns(sent.begins().plus_ns(shown.at_ns));
        assert!(apart.abs() <= ROUNDING_NS, "{apart} ns apart at {} ns", shown.at_ns);
    }
}
