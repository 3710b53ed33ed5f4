//! From a publisher's messages, or a file's tags, to packets on the timeline of a run: the tracks of
//! [`super::tracks`] under the clocks of [`crate::time`]. What a driver calls, and all it calls.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::enhanced::TRACKS_PER_TAG_MAX;
use super::error::FlvError;
use super::tag::{Script, TagKind};
use super::tracks::{DropReason, Item, Read, Sample, TrackReader};
use crate::packet::{Packet, Rap};
use crate::time::{AudioClock, Placed, RUN_ORIGIN, RisingClock, SourceClock, Timescale, VideoClock};
use crate::track::{CodecConfig, TrackConfig, TrackId};

/// Results that may wait to be polled. One input gives at most five a track of it, and the held timed data.
pub const QUEUED_MAX: usize = 5 * TRACKS_PER_TAG_MAX + DATA_HELD_MAX + 1;

/// Script messages held until the first media says where the run begins. Encoders send one or two.
pub const DATA_HELD_MAX: usize = 16;

/// Bytes of script messages held until the first media.
pub const DATA_HELD_BYTES_MAX: usize = 1 << 20;

/// What came of the input, in the order in which it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ingested {
    /// All tracks as they are from here on, by number: a track is new or its configuration changed.
    Tracks(Vec<TrackConfig>),
    /// A packet on the run's timeline, of a track announced before.
    Packet(Packet),
    /// The source's clock jumped. What follows belongs to a new run, which begins at
    /// [`RUN_ORIGIN`] again; its tracks are announced again before its first packet.
    Jump {
        /// The track that jumped first.
        track: TrackId,
        /// By how far, in milliseconds of the source.
        step_ms: i64,
    },
    /// Sound stepped away from its sample clock: packets were lost, or doubled if negative. For the log;
    /// the packets that follow say where they lie.
    AudioStep {
        /// The audio track.
        track: TrackId,
        /// By how many ticks of its timescale.
        samples: i64,
    },
    /// Something was not passed on.
    Dropped {
        /// The track it would have belonged to.
        track: TrackId,
        /// Why.
        reason: DropReason,
    },
}

/// What happened since the beginning, over all runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets given out.
    pub packets: u64,
    /// Packets not passed on.
    pub dropped: u64,
    /// Packets moved by a tick or more because their decode time did not rise.
    pub lifted: u64,
    /// Steps of sound away from its sample clock.
    pub audio_steps: u64,
    /// Jumps of the source's clock.
    pub jumps: u64,
}

/// Turns the media of one source into packets.
///
/// Video and timed data keep the source's milliseconds exactly (times 90), sound runs on its sample
/// clock. Timed data never moves the clocks: what comes before any media waits for it, and a timestamp
/// that does not fit the run is taken as now.
#[derive(Debug, Default)]
pub struct Ingest {
    reader: TrackReader,
    set: Vec<TrackConfig>,
    clock: SourceClock,
    run: RunClocks,
    held: Vec<(u32, Script)>,
    held_bytes: usize,
    out: VecDeque<Ingested>,
    counters: Counters,
}

/// The tracks' own clocks, which begin anew with each run.
#[derive(Debug, Default)]
struct RunClocks {
    video: BTreeMap<TrackId, VideoClock>,
    audio: BTreeMap<TrackId, AudioClock>,
    data: RisingClock,
}

impl RunClocks {
    fn lifted(&self) -> u64 {
        self.video.values().map(VideoClock::lifted).sum::<u64>() + self.data.lifted()
    }
}

impl Ingest {
    /// An ingest that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one audio, video or data message, or one tag. Poll until `None` afterwards.
    ///
    /// Packets share `payload`, which should therefore be an allocation of its own. An error means that
    /// the source sends what cannot be carried; the state is as before.
    pub fn input(&mut self, kind: TagKind, timestamp_ms: u32, payload: Bytes) -> Result<(), FlvError> {
        if self.out.len() > QUEUED_MAX {
            return Err(FlvError::NotPolled);
        }
        let reads = self.reader.input(kind, payload);
        for read in reads.map_err(|cause| FlvError::Tag { kind, timestamp_ms, cause })? {
            self.read(timestamp_ms, read);
        }
        Ok(())
    }

    fn read(&mut self, timestamp_ms: u32, Read { track, item }: Read) {
        if let Some(track) = track {
            self.announce(track);
        }
        match item {
            Some(Item::Sample(sample)) => self.sample(timestamp_ms, sample),
            Some(Item::Data(script)) => self.data(timestamp_ms, script),
            Some(Item::Dropped { track, reason }) => self.drop_packet(track, reason),
            None => {}
        }
    }

    /// The next result.
    pub fn poll(&mut self) -> Option<Ingested> {
        self.out.pop_front()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        Counters { lifted: self.counters.lifted + self.run.lifted(), ..self.counters }
    }

    fn announce(&mut self, track: TrackConfig) {
        if let Some(sound) = track.codec.sound() {
            let clock = match self.run.audio.get(&track.id) {
                Some(clock) => clock.changed(track.timescale, sound.frame_samples),
                None => AudioClock::new(track.timescale, sound.frame_samples),
            };
            self.run.audio.insert(track.id, clock);
        }
        match self.set.binary_search_by_key(&track.id, |known| known.id) {
            Ok(at) => self.set[at] = track,
            Err(at) => self.set.insert(at, track),
        }
        self.out.push_back(Ingested::Tracks(self.set.clone()));
    }

    fn sample(&mut self, timestamp_ms: u32, sample: Sample) {
        let track = sample.track;
        let run_ms = match self.clock.place(track, timestamp_ms) {
            Placed::At(run_ms) => run_ms,
            Placed::Jump { step_ms } => {
                self.begin_run(track, step_ms);
                RUN_ORIGIN.ms()
            }
        };
        for (timestamp_ms, script) in std::mem::take(&mut self.held) {
            self.data(timestamp_ms, script);
        }
        let (dts, cts) = match self.audio_dts(track, run_ms, sample.lasts) {
            Some(dts) => (dts, 0),
            None => {
                let clock = self.run.video.entry(track).or_default();
                let (dts, cts) = clock.place(run_ms, sample.cts_ms);
                (dts, cts.saturating_add(sample.fine_ticks))
            }
        };
        self.packet(Packet { track, dts, cts, rap: sample.rap, data: sample.data });
    }

    /// `None` for a track that is not sound: those have their clock from their configuration on.
    fn audio_dts(&mut self, track: TrackId, run_ms: i64, lasts: Option<u16>) -> Option<i64> {
        let clock = self.run.audio.get_mut(&track)?;
        let placed = match lasts {
            Some(samples) => clock.place_lasting(run_ms, samples),
            None => clock.place(run_ms),
        };
        if let Some(samples) = placed.step {
            self.counters.audio_steps += 1;
            self.out.push_back(Ingested::AudioStep { track, samples });
        }
        Some(placed.dts)
    }

    fn begin_run(&mut self, track: TrackId, step_ms: i64) {
        self.counters.jumps += 1;
        self.counters.lifted = self.counters().lifted;
        let audio = self.set.iter().filter_map(|track| {
            let sound = track.codec.sound()?;
            Some((track.id, AudioClock::new(track.timescale, sound.frame_samples)))
        });
        self.run = RunClocks { audio: audio.collect(), ..RunClocks::default() };
        self.out.push_back(Ingested::Jump { track, step_ms });
        self.out.push_back(Ingested::Tracks(self.set.clone()));
    }

    fn data(&mut self, timestamp_ms: u32, script: Script) {
        let Some(run_ms) = self.clock.glance(timestamp_ms) else {
            return self.hold(timestamp_ms, script);
        };
        if !self.set.iter().any(|track| track.id == TrackId::DATA) {
            let codec = CodecConfig::Amf0;
            self.announce(TrackConfig { id: TrackId::DATA, timescale: Timescale::VIDEO, codec });
        }
        let dts = self.run.data.place(run_ms);
        self.packet(Packet { track: TrackId::DATA, dts, cts: 0, rap: Rap::Closed, data: script.data });
    }

    fn hold(&mut self, timestamp_ms: u32, script: Script) {
        let bytes = self.held_bytes + script.data.len();
        if self.held.len() == DATA_HELD_MAX || bytes > DATA_HELD_BYTES_MAX {
            return self.drop_packet(TrackId::DATA, DropReason::DataBeforeMedia);
        }
        self.held_bytes = bytes;
        self.held.push((timestamp_ms, script));
    }

    fn packet(&mut self, packet: Packet) {
        self.counters.packets += 1;
        self.out.push_back(Ingested::Packet(packet));
    }

    fn drop_packet(&mut self, track: TrackId, reason: DropReason) {
        self.counters.dropped += 1;
        self.out.push_back(Ingested::Dropped { track, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::samples::{pps, record, slice, sps, with_lengths};
    use proptest::prelude::*;

    const A: TrackId = TrackId::AUDIO;
    const V: TrackId = TrackId::VIDEO;
    const D: TrackId = TrackId::DATA;
    /// [`RUN_ORIGIN`] in video ticks.
    const ORIGIN: i64 = 900_000;

    fn video_header() -> Bytes {
        [&[0x17, 0, 0, 0, 0][..], &record(4, &[sps(0, 4, 3)], &[pps(0, 0)])].concat().into()
    }

    fn audio_header(asc: [u8; 2]) -> Bytes {
        vec![0xaf, 0, asc[0], asc[1]].into()
    }

    fn picture(cts_ms: u8) -> Bytes {
        [&[0x27, 1, 0, 0, cts_ms][..], &with_lengths(4, &[slice(0x41, 0)])].concat().into()
    }

    const SOUND: Bytes = Bytes::from_static(&[0xaf, 1, 0x21, 0x10]);
    const METADATA: Bytes = Bytes::from_static(b"\x02\x00\x0aonMetaData\x05");

    /// What came out, in short: `T` the tracks, `P` a packet with its dts and cts, and so on.
    #[derive(Debug, PartialEq)]
    enum Out {
        T(Vec<TrackId>),
        P(TrackId, i64, i32),
        Jump(TrackId, i64),
        Step(i64),
        Dropped(TrackId),
    }
    use Out::{Dropped, Jump, P, Step, T};

    fn drain(ingest: &mut Ingest) -> Vec<Out> {
        let out = std::iter::from_fn(|| ingest.poll()).map(|ingested| match ingested {
            Ingested::Tracks(set) => T(set.iter().map(|track| track.id).collect()),
            Ingested::Packet(packet) => P(packet.track, packet.dts, packet.cts),
            Ingested::Jump { track, step_ms } => Jump(track, step_ms),
            Ingested::AudioStep { samples, .. } => Step(samples),
            Ingested::Dropped { track, .. } => Dropped(track),
        });
        out.collect()
    }

    fn feed(ingest: &mut Ingest, messages: &[(TagKind, u32, Bytes)]) -> Vec<Out> {
        let mut out = Vec::new();
        for (kind, ms, payload) in messages {
            ingest.input(*kind, *ms, payload.clone()).unwrap();
            out.extend(drain(ingest));
        }
        out
    }

    use TagKind::{Audio, Script as Data, Video};

    #[test]
    fn a_usual_beginning_gives_tracks_then_packets() {
        let messages = [
            (Data, 0, METADATA),
            (Video, 0, video_header()),
            (Audio, 0, audio_header([0x12, 0x10])),
            (Audio, 0, SOUND),
            (Video, 7, picture(80)),
            (Audio, 23, SOUND),
            (Video, 47, picture(0)),
        ];
        let expected = [
            T(vec![V]),
            T(vec![V, A]),
            T(vec![V, A, D]),
            P(D, ORIGIN, 0),
            P(A, 441_000, 0),
            P(V, ORIGIN + 630, 7200),
            P(A, 442_024, 0),
            P(V, ORIGIN + 47 * 90, 0),
        ];
        assert_eq!(feed(&mut Ingest::new(), &messages), expected);
    }

    #[test]
    fn metadata_at_zero_moves_nothing() {
        let far = 1_000_000;
        let messages = [
            (Data, 0, METADATA),
            (Video, far, video_header()),
            (Video, far, picture(0)),
            (Video, far + 40, picture(0)),
            (Data, 0, METADATA),
            (Data, far + 33, METADATA),
        ];
        let expected = [
            T(vec![V]),
            T(vec![V, D]),
            P(D, ORIGIN, 0),
            P(V, ORIGIN, 0),
            P(V, ORIGIN + 3600, 0),
            P(D, ORIGIN + 3600, 0),
            P(D, ORIGIN + 3601, 0),
        ];
        assert_eq!(feed(&mut Ingest::new(), &messages), expected);
    }

    #[test]
    fn a_late_track_joins_and_a_stream_may_have_one() {
        let mut ingest = Ingest::new();
        let mut messages = vec![(Audio, 500, audio_header([0x11, 0x90]))];
        messages.extend((0..3).map(|i| (Audio, 500 + i * 21, SOUND)));
        assert_eq!(
            feed(&mut ingest, &messages),
            [T(vec![A]), P(A, 480_000, 0), P(A, 481_024, 0), P(A, 482_048, 0)]
        );
        let late = [(Video, 600_000, video_header()), (Audio, 563, SOUND), (Video, 570, picture(0))];
        let expected = [T(vec![V, A]), P(A, 483_072, 0), P(V, ORIGIN + 70 * 90, 0)];
        assert_eq!(feed(&mut ingest, &late), expected);
    }

    #[test]
    fn a_jump_begins_a_run_at_the_origin_with_its_tracks() {
        let mut ingest = Ingest::new();
        let messages = [
            (Video, 0, video_header()),
            (Audio, 0, audio_header([0x11, 0x90])),
            (Data, 0, METADATA),
            (Audio, 0, SOUND),
            (Video, 0, picture(0)),
            (Video, 40, picture(0)),
        ];
        feed(&mut ingest, &messages);
        let far = 3_600_000;
        let messages = [
            (Video, far, picture(0)),
            (Audio, 21, SOUND),
            (Audio, far + 3, SOUND),
            (Video, far + 40, picture(0)),
        ];
        let expected = [
            Jump(V, i64::from(far) - 40),
            T(vec![V, A, D]),
            P(V, ORIGIN, 0),
            // The picture was due at 80 ms, so sound of 21 ms lies 59 ms before the origin; that of 3 ms
            // after the jump is three packets late and steered by a sample.
            P(A, 48 * (10_000 - 59), 0),
            P(A, 48 * (10_000 - 59) + 1025, 0),
            P(V, ORIGIN + 3600, 0),
        ];
        assert_eq!(feed(&mut ingest, &messages), expected);
        assert_eq!(ingest.counters().jumps, 1);
    }

    #[test]
    fn sound_that_was_lost_is_a_step() {
        let mut ingest = Ingest::new();
        let messages = [(Audio, 0, audio_header([0x11, 0x90])), (Audio, 0, SOUND), (Audio, 1000, SOUND)];
        assert_eq!(
            feed(&mut ingest, &messages),
            [T(vec![A]), P(A, 480_000, 0), Step(48_000 - 1024), P(A, 528_000, 0)]
        );
        assert_eq!(ingest.counters().audio_steps, 1);
    }

    #[test]
    fn another_audio_configuration_goes_on_without_overlap() {
        let mut ingest = Ingest::new();
        let messages = [
            (Audio, 0, audio_header([0x12, 0x10])),
            (Audio, 0, SOUND),
            (Audio, 23, SOUND),
            (Audio, 46, audio_header([0x11, 0x90])),
            (Audio, 46, SOUND),
        ];
        let out = feed(&mut ingest, &messages);
        // Two frames of 1024 at 44.1 kHz end at 46.44 ms: 2229 samples of 48 kHz.
        assert_eq!(out[3..], [T(vec![A]), P(A, 480_000 + 2229, 0)]);
    }

    #[test]
    fn timestamps_that_do_not_rise_are_lifted_with_their_composition_times() {
        let mut ingest = Ingest::new();
        let mut messages = vec![(Video, 0, video_header())];
        messages.extend([100, 100, 90, 101].map(|ms| (Video, ms, picture(40))));
        let dts = [0, 1, 2, 90].map(|tick| P(V, ORIGIN + tick, 3600));
        assert_eq!(feed(&mut ingest, &messages)[1..], dts);
        assert_eq!(ingest.counters(), Counters { packets: 4, lifted: 2, ..Counters::default() });
    }

    #[test]
    fn timed_data_without_media_is_held_within_bounds() {
        let mut ingest = Ingest::new();
        let messages: Vec<_> = (0..DATA_HELD_MAX as u32 + 2).map(|i| (Data, i, METADATA)).collect();
        assert_eq!(feed(&mut ingest, &messages), [Dropped(D), Dropped(D)]);
        let big = Bytes::from([&METADATA[..], &vec![0; DATA_HELD_BYTES_MAX]].concat());
        assert_eq!(feed(&mut Ingest::new(), &[(Data, 0, big)]), [Dropped(D)]);
        let out = feed(&mut ingest, &[(Video, 0, video_header()), (Video, 0, picture(0))]);
        assert_eq!(out.iter().filter(|out| matches!(out, P(D, ..))).count(), DATA_HELD_MAX);
    }

    #[test]
    fn errors_say_where_and_leave_the_stream_going() {
        let mut ingest = Ingest::new();
        feed(&mut ingest, &[(Video, 0, video_header())]);
        let error = ingest.input(Video, 1234, Bytes::from_static(&[0x12, 0])).unwrap_err().to_string();
        assert_eq!(
            error,
            "video tag at 1234 ms: video codec 2 (Sorenson H.263) is not supported; publish H.264, H.265, AV1 or VP9 \
             video and AAC, Opus or MP3 audio"
        );
        assert_eq!(feed(&mut ingest, &[(Video, 0, picture(0))]), [P(V, ORIGIN, 0)]);
    }

    #[test]
    fn results_that_nobody_polls_are_bounded() {
        let mut ingest = Ingest::new();
        let refused =
            (0..1000).position(|ms| ingest.input(Data, ms, Bytes::new()) == Err(FlvError::NotPolled));
        assert_eq!(refused, Some(QUEUED_MAX + 1));
    }

    proptest! {
        #[test]
        fn packets_rise_whatever_the_timestamps(
            messages in prop::collection::vec((0u8..6, prop_oneof![0u32..3_000, any::<u32>()]), 1..200),
        ) {
            let mut ingest = Ingest::new();
            let (mut known, mut last) = (Vec::<TrackConfig>::new(), BTreeMap::new());
            for (what, ms) in messages {
                let (kind, payload) = match what {
                    0 => (Video, video_header()),
                    1 => (Audio, audio_header([0x12, 0x10])),
                    2 => (Audio, audio_header([0x11, 0x90])),
                    3 => (Data, METADATA),
                    4 => (Audio, SOUND),
                    _ => (Video, picture(40)),
                };
                ingest.input(kind, ms, payload).unwrap();
                while let Some(out) = ingest.poll() {
                    match out {
                        Ingested::Jump { .. } => { known.clear(); last.clear() }
                        Ingested::Tracks(set) => known = set,
                        Ingested::Packet(packet) => {
                            let scale = known.iter().find(|track| track.id == packet.track).map(|t| t.timescale);
                            let scale = scale.expect("announced before, in every run");
                            let before = last.insert(packet.track, (packet.dts, scale));
                            let rises = |(before, its): (i64, Timescale)| its.rescale_ceil(before, scale) <= packet.dts;
                            prop_assert!(packet.dts >= 0 && before.is_none_or(rises));
                            let same = before.filter(|&(_, its)| its == scale);
                            prop_assert!(same.is_none_or(|(before, _)| before < packet.dts));
                        }
                        Ingested::AudioStep { .. } | Ingested::Dropped { .. } => {}
                    }
                }
            }
        }
    }
}
