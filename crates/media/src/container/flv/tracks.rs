//! From tags to tracks and samples: which configuration each track has, and what of the tags is media.
//! Times stay the source's raw milliseconds; the clocks come after.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use super::codecs::{Made, State};
use super::error::TagError;
use super::tag::{Body, Codec, Content, Frame, Script, TagKind, Unit};
use crate::codec::av1::Av1Error;
use crate::codec::h264::AccessUnitError;
use crate::codec::mp3::Mp3Error;
use crate::codec::opus::OpusError;
use crate::codec::vp9::Vp9Error;
use crate::packet::Rap;
use crate::time::Timescale;
use crate::track::{CodecConfig, FURTHER_TRACKS_MAX, TrackConfig, TrackId, TrackKind};

/// Largest AAC access unit: 6144 bits a channel (ISO/IEC 14496-3 §4.5.3.2) of 48 channels.
pub const AAC_BYTES_MAX: usize = 6144 / 8 * 48;

/// Largest script message. A file's `onMetaData` with a list of its key frames takes some 100 KiB an
/// hour of two-second GOPs.
pub const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// Milliseconds a picture may be shown after it is decoded: 16 reordered pictures (ITU-T H.264 Annex A)
/// at one in four seconds.
pub const CTS_MS_MAX: i32 = 64_000;

/// Milliseconds a picture may be shown before it is decoded, by the source's clock. Some encoders shift
/// decode times so; less than lies below [`crate::time::RUN_ORIGIN`].
pub const CTS_MS_MIN: i32 = -9_000;

/// What one tag gave: first a configuration that is in force from here on, then media.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// A track that is new, or whose configuration changed.
    pub track: Option<TrackConfig>,
    /// What the tag carried, if anything.
    pub item: Option<Item>,
}

/// What a tag carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An access unit of a track whose configuration is known.
    Sample(Sample),
    /// A script message.
    Data(Script),
    /// Something that is not passed on.
    Dropped {
        /// The track it would have belonged to.
        track: TrackId,
        /// Why.
        reason: DropReason,
    },
}

/// An access unit. Its decode time is the tag's timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its track.
    pub track: TrackId,
    /// Presentation minus decode time in milliseconds.
    pub cts_ms: i32,
    /// Ticks of [`Timescale::VIDEO`] that it is shown later by, below the millisecond: what the nanoseconds of
    /// an Enhanced RTMP tag come to, to the nearest.
    pub fine_ticks: i32,
    /// Samples it lasts at its track's timescale, where each access unit says so itself.
    pub lasts: Option<u16>,
    /// Whether decoding can begin here.
    pub rap: Rap,
    /// The access unit as its track's packets carry it.
    pub data: Bytes,
}

/// Why a packet is not passed on. The stream goes on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DropReason {
    /// No configuration has come yet.
    #[error("it came before its track's sequence header")]
    BeforeHeader,
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// H.264 whose NAL units cannot be told apart.
    #[error("{0}")]
    AccessUnit(#[from] AccessUnitError),
    /// AV1 whose OBUs cannot be told apart.
    #[error("{0}")]
    Av1(#[from] Av1Error),
    /// VP9 whose frame header cannot be read.
    #[error("{0}")]
    Vp9(#[from] Vp9Error),
    /// An Opus packet that does not say how long it lasts.
    #[error("{0}")]
    Opus(#[from] OpusError),
    /// What is no frame of MP3.
    #[error("{0}")]
    Mp3(#[from] Mp3Error),
    /// Colour or channel order told beside the media, where the media tells it itself.
    #[error("it describes the media from outside, which is not kept")]
    Metadata,
    /// What is wrong with a track beside the main one, to which it costs nothing.
    #[error("{0}")]
    Further(#[from] TagError),
    /// A track too many.
    #[error("it is {kind} track {number}; tracks up to {FURTHER_TRACKS_MAX} are recorded")]
    FurtherTrack {
        /// Video or audio.
        kind: TagKind,
        /// The source's number of the track.
        number: u8,
    },
    /// More than such a packet can have.
    #[error("it has {bytes} bytes; at most {max} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit it broke.
        max: usize,
    },
    /// A composition time outside [`CTS_MS_MIN`] to [`CTS_MS_MAX`].
    #[error("its composition time of {0} ms is not believed")]
    Composition(i32),
    /// A script message that is not AMF0 with a name in front.
    #[error("it does not begin with a name")]
    Nameless,
    /// Timed data beyond what is held until media comes.
    #[error("too much timed data came before any media")]
    DataBeforeMedia,
}

/// Follows the tracks of one source. A repeated header is no change; a changed one is one change,
/// whether it comes as a tag or in band.
#[derive(Debug, Default)]
pub struct TrackReader {
    tracks: BTreeMap<TrackId, Track>,
}

impl TrackReader {
    /// A reader that knows no track.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one tag; several results only of a tag with several tracks. After an error the reader is as it
    /// was before.
    pub fn input(&mut self, kind: TagKind, payload: Bytes) -> Result<Vec<Read>, TagError> {
        let id = main_track(kind);
        let dropped = |reason| Ok(vec![Read::dropped(id, reason)]);
        match Body::parse(kind, payload)? {
            Body::Media(unit) => Ok(vec![self.unit(id, unit)?]),
            Body::Tracks(units) => self.units(kind, units),
            Body::VideoCommand => Ok(Vec::new()),
            Body::Script(script) if script.data.len() > SCRIPT_BYTES_MAX => {
                dropped(DropReason::TooLarge { bytes: script.data.len(), max: SCRIPT_BYTES_MAX })
            }
            Body::Script(script) => Ok(vec![Read { track: None, item: Some(Item::Data(script)) }]),
            Body::NamelessScript => dropped(DropReason::Nameless),
            Body::Empty => dropped(DropReason::Empty),
        }
    }

    /// The main track first: what is wrong with it is an error, before anything has changed.
    fn units(
        &mut self,
        kind: TagKind,
        units: Vec<(u8, Result<Unit, TagError>)>,
    ) -> Result<Vec<Read>, TagError> {
        let mut reads = Vec::with_capacity(units.len());
        let (main, further): (Vec<_>, Vec<_>) = units.into_iter().partition(|(number, _)| *number == 0);
        for (_, unit) in main {
            let id = main_track(kind);
            reads.push(match unit.and_then(|unit| self.unit(id, unit)) {
                Ok(read) => read,
                Err(error) if reads.is_empty() => return Err(error),
                // The main track twice in one message, and the first has taken effect.
                Err(error) => Read::dropped(id, error.into()),
            });
        }
        for (number, unit) in further {
            let of = if kind == TagKind::Video { TrackKind::Video } else { TrackKind::Audio };
            reads.push(match TrackId::numbered(of, number) {
                Some(id) => unit
                    .and_then(|unit| self.unit(id, unit))
                    .unwrap_or_else(|error| Read::dropped(id, error.into())),
                None => Read::dropped(main_track(kind), DropReason::FurtherTrack { kind, number }),
            });
        }
        Ok(reads)
    }

    fn unit(&mut self, id: TrackId, unit: Unit) -> Result<Read, TagError> {
        self.tracks.entry(id).or_default().unit(id, unit)
    }
}

fn main_track(kind: TagKind) -> TrackId {
    match kind {
        TagKind::Video => TrackId::VIDEO,
        TagKind::Audio => TrackId::AUDIO,
        TagKind::Script => TrackId::DATA,
    }
}

impl Read {
    fn dropped(track: TrackId, reason: DropReason) -> Self {
        Self { track: None, item: Some(Item::Dropped { track, reason }) }
    }
}

/// One track: the state of its codec, and the configuration that was told last.
#[derive(Debug, Default)]
struct Track {
    state: Option<State>,
    told: Option<CodecConfig>,
}

impl Track {
    fn unit(&mut self, id: TrackId, unit: Unit) -> Result<Read, TagError> {
        match unit.content {
            Content::Header(record) if record.is_empty() => Ok(Read::dropped(id, DropReason::Empty)),
            Content::Header(record) => {
                let config = self.header(unit.codec, &record)?;
                Ok(Read { track: config.and_then(|codec| self.tell(id, codec)), item: None })
            }
            Content::Frame(frame) => {
                Ok(self.frame(id, unit.codec, frame).unwrap_or_else(|reason| Read::dropped(id, reason)))
            }
            Content::Metadata => Ok(Read::dropped(id, DropReason::Metadata)),
            Content::End => Ok(Read::default()),
        }
    }

    fn header(&mut self, codec: Codec, record: &[u8]) -> Result<Option<CodecConfig>, TagError> {
        if let Some(state) = self.state.as_mut().filter(|state| state.codec() == codec) {
            return state.header(record);
        }
        let mut state = State::new(codec);
        let config = state.header(record)?;
        (self.state, self.told) = (Some(state), None);
        Ok(config)
    }

    fn frame(&mut self, id: TrackId, codec: Codec, frame: Frame) -> Result<Read, DropReason> {
        let (cts_ms, fine_ns) = (frame.cts_ms, frame.fine_ns);
        if !(CTS_MS_MIN..=CTS_MS_MAX).contains(&cts_ms) {
            return Err(DropReason::Composition(cts_ms));
        }
        if frame.payload.is_empty() {
            return Err(DropReason::Empty);
        }
        let state = match &mut self.state {
            Some(state) if state.codec() == codec => state,
            state => {
                self.told = None;
                state.insert(State::new(codec))
            }
        };
        let Made { config, rap, data, lasts } = state.frame(frame)?;
        let track = config.and_then(|codec| self.tell(id, codec));
        if self.told.is_none() {
            return Err(DropReason::BeforeHeader);
        }
        let fine_ticks = fine_ticks(fine_ns);
        let sample = Sample { track: id, cts_ms, fine_ticks, lasts, rap, data };
        Ok(Read { track, item: Some(Item::Sample(sample)) })
    }

    fn tell(&mut self, id: TrackId, codec: CodecConfig) -> Option<TrackConfig> {
        if self.told.as_ref() == Some(&codec) {
            return None;
        }
        self.told = Some(codec.clone());
        let hz = codec.sound().map(|sound| sound.sample_rate);
        let timescale = hz.and_then(Timescale::new).unwrap_or(Timescale::VIDEO);
        Some(TrackConfig { id, timescale, codec })
    }
}

/// Nanoseconds below a millisecond in ticks of 90 kHz, to the nearest: 0 to 90.
fn fine_ticks(ns: u32) -> i32 {
    let ticks = (u64::from(ns) * u64::from(Timescale::VIDEO.hz()) + 500_000_000) / 1_000_000_000;
    i32::try_from(ticks).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::H264Error;
    use crate::codec::h264::samples::hex;
    use crate::codec::h264::samples::{pps, record, slice, sps, with_codes, with_lengths};
    use TagKind::{Audio, Script as Data, Video as Picture};

    const HEADER: [u8; 5] = [0x17, 0, 0, 0, 0];
    const KEY: [u8; 5] = [0x17, 1, 0, 0, 40];
    const DELTA: [u8; 5] = [0x27, 1, 0xff, 0xff, 0xd8];

    fn tag(reader: &mut TrackReader, kind: TagKind, head: &[u8], body: &[u8]) -> Read {
        one(reader.input(kind, [head, body].concat().into()).unwrap())
    }

    fn one(reads: Vec<Read>) -> Read {
        <[Read; 1]>::try_from(reads).map(|[read]| read).unwrap()
    }

    fn small() -> Vec<u8> {
        record(4, &[sps(0, 4, 3)], &[pps(0, 0)])
    }

    fn large() -> Vec<u8> {
        record(4, &[sps(0, 40, 30)], &[pps(0, 0)])
    }

    fn width(read: &Read) -> Option<u16> {
        read.track.as_ref().map(|track| match track.codec {
            CodecConfig::H264 { width, .. } => width,
            ref other => panic!("{other:?}"),
        })
    }

    fn dropped(read: &Read) -> Option<(TrackId, DropReason)> {
        match &read.item {
            Some(Item::Dropped { track, reason }) => Some((*track, reason.clone())),
            _ => None,
        }
    }

    fn video_sample(rap: Rap, data: Vec<u8>) -> Sample {
        Sample { track: TrackId::VIDEO, cts_ms: 0, fine_ticks: 0, lasts: None, rap, data: data.into() }
    }

    fn idr() -> Vec<u8> {
        with_lengths(4, &[slice(0x65, 7)])
    }

    #[test]
    fn a_header_is_told_once_and_again_when_it_changes() {
        let mut reader = TrackReader::new();
        let headers = [small(), small(), large(), large(), small()];
        let widths = headers.map(|header| width(&tag(&mut reader, Picture, &HEADER, &header)));
        assert_eq!(widths, [Some(64), None, Some(640), None, Some(64)]);
        let asc = [&[0x12, 0x10][..], &[0x12, 0x10, 0, 0], &[0x11, 0x90]];
        let rates = asc.map(|asc| tag(&mut reader, Audio, &[0xaf, 0], asc).track.map(|t| t.timescale.hz()));
        assert_eq!(rates, [Some(44_100), None, Some(48_000)]);
    }

    #[test]
    fn samples_carry_times_and_random_access() {
        let mut reader = TrackReader::new();
        tag(&mut reader, Picture, &HEADER, &small());
        let key = tag(&mut reader, Picture, &KEY, &idr());
        let sample = Sample { cts_ms: 40, ..video_sample(Rap::Closed, idr()) };
        assert_eq!(key.item, Some(Item::Sample(sample)));
        let p = with_lengths(4, &[slice(0x41, 0)]);
        let delta = tag(&mut reader, Picture, &DELTA, &p);
        let sample = Sample { cts_ms: -40, ..video_sample(Rap::None, p) };
        assert_eq!(delta.item, Some(Item::Sample(sample)));
    }

    #[test]
    fn packets_before_their_header_and_empty_ones_are_dropped_with_a_reason() {
        let mut reader = TrackReader::new();
        let before = DropReason::BeforeHeader;
        let cases = [
            (Picture, &KEY[..], idr(), TrackId::VIDEO, before.clone()),
            (Audio, &[0xaf, 1], vec![1], TrackId::AUDIO, before),
            (Picture, &[], vec![], TrackId::VIDEO, DropReason::Empty),
            (Audio, &[0xaf, 0], vec![], TrackId::AUDIO, DropReason::Empty),
            (Data, &[5], vec![], TrackId::DATA, DropReason::Nameless),
        ];
        for (kind, head, body, track, reason) in cases {
            assert_eq!(dropped(&tag(&mut reader, kind, head, &body)), Some((track, reason)));
        }
        tag(&mut reader, Audio, &[0xaf, 0], &[0x12, 0x10]);
        let empty = tag(&mut reader, Audio, &[0xaf, 1], &[]);
        assert_eq!(dropped(&empty), Some((TrackId::AUDIO, DropReason::Empty)));
        tag(&mut reader, Picture, &HEADER, &small());
        let damaged = tag(&mut reader, Picture, &DELTA, &[0, 0, 0, 9, 1]);
        let length = AccessUnitError::Length { offset: 0, length: 9, left: 1 };
        assert_eq!(dropped(&damaged), Some((TrackId::VIDEO, DropReason::AccessUnit(length))));
        let far = tag(&mut reader, Picture, &[0x17, 1, 0x7f, 0, 0], &idr());
        assert_eq!(dropped(&far), Some((TrackId::VIDEO, DropReason::Composition(0x7f_0000))));
        let bytes = AAC_BYTES_MAX + 1;
        let huge = tag(&mut reader, Audio, &[0xaf, 1], &vec![1; bytes]);
        let reason = DropReason::TooLarge { bytes, max: AAC_BYTES_MAX };
        assert_eq!(dropped(&huge), Some((TrackId::AUDIO, reason)));
    }

    #[test]
    fn a_change_in_band_is_told_where_decoding_can_begin() {
        let mut reader = TrackReader::new();
        tag(&mut reader, Picture, &HEADER, &small());
        let (new_sps, new_pps) = (sps(0, 40, 30), pps(0, 0));
        // The same sets in band change nothing.
        let same = with_lengths(4, &[sps(0, 4, 3), pps(0, 0), slice(0x65, 7)]);
        assert_eq!(width(&tag(&mut reader, Picture, &KEY, &same)), None);
        // New ones do, with the IDR picture that follows them.
        let sets = tag(&mut reader, Picture, &DELTA, &with_lengths(4, &[new_sps.clone(), new_pps.clone()]));
        assert!(width(&sets).is_none() && matches!(sets.item, Some(Item::Sample(_))));
        assert_eq!(width(&tag(&mut reader, Picture, &KEY, &idr())), Some(640));
        // The stale header, sent again with every key frame, changes nothing back.
        assert_eq!(width(&tag(&mut reader, Picture, &HEADER, &small())), None);
        let again = with_lengths(4, &[new_sps, new_pps, slice(0x65, 7)]);
        assert_eq!(width(&tag(&mut reader, Picture, &KEY, &again)), None);
    }

    #[test]
    fn sets_that_come_in_band_only_begin_the_track() {
        let unit = [sps(0, 4, 3), pps(0, 0), slice(0x65, 7)];
        for header in [Some(record(4, &[], &[])), None] {
            let mut reader = TrackReader::new();
            if let Some(header) = header {
                assert_eq!(tag(&mut reader, Picture, &HEADER, &header), Read::default());
            }
            let before = tag(&mut reader, Picture, &DELTA, &with_lengths(4, &[slice(0x41, 0)]));
            assert_eq!(dropped(&before), Some((TrackId::VIDEO, DropReason::BeforeHeader)));
            let first = tag(&mut reader, Picture, &KEY, &with_codes(&unit));
            assert_eq!(width(&first), Some(64));
            let Some(Item::Sample(sample)) = first.item else { panic!("{first:?}") };
            assert_eq!(sample.data[..], with_lengths(4, &unit));
        }
    }

    #[test]
    fn short_lengths_of_the_header_are_obeyed() {
        let mut reader = TrackReader::new();
        tag(&mut reader, Picture, &HEADER, &record(2, &[sps(0, 4, 3)], &[pps(0, 0)]));
        let read = tag(&mut reader, Picture, &KEY, &with_lengths(2, &[slice(0x65, 7)]));
        let Some(Item::Sample(sample)) = read.item else { panic!("{read:?}") };
        assert_eq!((sample.rap, &sample.data[..]), (Rap::Closed, &idr()[..]));
    }

    #[test]
    fn units_without_pictures_are_kept() {
        let mut reader = TrackReader::new();
        tag(&mut reader, Picture, &HEADER, &small());
        let sei = with_lengths(4, &[vec![6, 5, 1, 0, 0x80]]);
        let read = tag(&mut reader, Picture, &KEY, &sei);
        let sample = Sample { cts_ms: 40, ..video_sample(Rap::None, sei) };
        assert_eq!(read.item, Some(Item::Sample(sample)));
    }

    #[test]
    fn adts_frames_are_brought_to_raw_ones() {
        let mut reader = TrackReader::new();
        tag(&mut reader, Audio, &[0xaf, 0], &[0x12, 0x10]);
        // LC, 44.1 kHz, stereo, 9 bytes in all; then with a length that is not the packet's.
        for (length, data) in
            [(0x3f, &[0x21, 0x10][..]), (0x5f, &[0xff, 0xf1, 0x50, 0x80, 1, 0x5f, 0xfc, 0x21, 0x10])]
        {
            let frame = [0xff, 0xf1, 0x50, 0x80, 1, length, 0xfc, 0x21, 0x10];
            let read = tag(&mut reader, Audio, &[0xaf, 1], &frame);
            let Some(Item::Sample(sample)) = read.item else { panic!("{read:?}") };
            assert_eq!(sample.data[..], *data);
        }
    }

    #[test]
    fn an_unusable_header_is_an_error_and_leaves_the_track_as_it_was() {
        let mut reader = TrackReader::new();
        tag(&mut reader, Picture, &HEADER, &small());
        let bad = [&HEADER[..], &[2, 0, 0]].concat();
        assert_eq!(reader.input(Picture, bad.into()), Err(TagError::H264(H264Error::Version(2))));
        let no_pps = [&HEADER[..], &record(4, &[sps(0, 40, 30)], &[])].concat();
        assert_eq!(reader.input(Picture, no_pps.into()), Err(TagError::H264(H264Error::Missing("PPS"))));
        assert!(matches!(
            tag(&mut reader, Picture, &KEY, &idr()),
            Read { track: None, item: Some(Item::Sample(_)) }
        ));
        assert!(matches!(reader.input(Audio, Bytes::from_static(&[0xaf, 0, 0xf8])), Err(TagError::Aac(_))));
    }
    const HEVC: &str = crate::codec::h265::samples::RECORDS[0].0;
    const AV1: &str = "81000c000a0b0200000521e7f66017c002";
    const AV1_KEY: &str = "0a0b0200000521e7f66017c00232031000ff";
    const VP9_KEY: &str = "824983420013f00b360638241c184a000b4050661f";
    const OPUS: &str = "4f707573486561640101380180bb0000000000";

    fn name(read: &Read) -> Option<&'static str> {
        read.track.as_ref().map(|track| track.codec.name())
    }

    fn sampled(read: &Read) -> &Sample {
        match &read.item {
            Some(Item::Sample(sample)) => sample,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_codec_of_video_is_configured_in_its_way() {
        let mut reader = TrackReader::new();
        // H.265, by its old codec number and by its FourCC: one track.
        let old = tag(&mut reader, Picture, &[0x1c, 0, 0, 0, 0], &hex(HEVC));
        assert_eq!((name(&old), width_of(&old)), (Some("h265"), Some(1920)));
        let new = tag(&mut reader, Picture, b"\x90hvc1", &hex(HEVC));
        assert_eq!(new, Read::default());
        let cra = crate::codec::h265::samples::slice(21);
        let open = tag(&mut reader, Picture, b"\x91hvc1\0\0\x28", &with_lengths(4, &[cra]));
        assert_eq!((sampled(&open).rap, sampled(&open).cts_ms), (Rap::Open, 40));
        // AV1 by its record, VP9 by its first key frame.
        assert_eq!(name(&tag(&mut reader, Picture, b"\x90av01", &hex(AV1))), Some("av1"));
        let key = tag(&mut reader, Picture, b"\x91av01", &hex(AV1_KEY));
        assert_eq!((name(&key), sampled(&key).rap), (None, Rap::Closed));
        assert_eq!(
            dropped(&tag(&mut reader, Picture, b"\xa1vp09", &hex("86004092"))),
            Some((TrackId::VIDEO, DropReason::BeforeHeader))
        );
        let key = tag(&mut reader, Picture, b"\x91vp09", &hex(VP9_KEY));
        assert_eq!((name(&key), width_of(&key), sampled(&key).rap), (Some("vp9"), Some(320), Rap::Closed));
        // Back to H.264: its old header was forgotten with its track.
        let early = tag(&mut reader, Picture, &KEY, &idr());
        assert_eq!(dropped(&early), Some((TrackId::VIDEO, DropReason::BeforeHeader)));
        assert_eq!(width(&tag(&mut reader, Picture, &HEADER, &small())), Some(64));
    }

    fn width_of(read: &Read) -> Option<u16> {
        read.track.as_ref().and_then(|track| track.codec.picture()).map(|picture| picture.width)
    }

    #[test]
    fn each_codec_of_sound_is_configured_in_its_way() {
        let mut reader = TrackReader::new();
        assert_eq!(tag(&mut reader, Audio, b"\x90Opus", &hex(OPUS)), Read::default());
        // 10 ms first, then 20: the track keeps the first, each packet its own.
        let first = tag(&mut reader, Audio, b"\x91Opus", &[0xf0, 1]);
        let sound = first.track.as_ref().and_then(|track| track.codec.sound());
        let sound = sound.map(|sound| (sound.sample_rate, sound.channels, sound.frame_samples));
        assert_eq!((sound, sampled(&first).lasts), (Some((48_000, 1, 480)), Some(480)));
        let second = tag(&mut reader, Audio, b"\x91Opus", &[0xf8, 1]);
        assert_eq!((second.track.is_none(), sampled(&second).lasts), (true, Some(960)));
        assert!(matches!(
            dropped(&tag(&mut reader, Audio, b"\x91Opus", &[0xfb])),
            Some((_, DropReason::Opus(_)))
        ));
        // MP3, old and new, by its frames.
        let frame = [&[0xff, 0xfb, 0x54, 0xc4][..], &[0x55; 188]].concat();
        let first = tag(&mut reader, Audio, &[0x2e], &frame);
        assert_eq!(
            (name(&first), first.track.map(|track| track.timescale.hz())),
            (Some("mp3"), Some(48_000))
        );
        let second = tag(&mut reader, Audio, b"\x91.mp3", &[&frame[..], &[0; 3]].concat());
        assert_eq!((second.track.is_none(), &sampled(&second).data[..]), (true, &frame[..]));
        assert_eq!(name(&tag(&mut reader, Audio, b"\x90mp4a", &[0x12, 0x10])), Some("aac"));
    }

    #[test]
    fn nanoseconds_are_told_in_ticks() {
        assert_eq!([0, 5_555, 5_556, 500_000, 999_999].map(fine_ticks), [0, 0, 1, 45, 90]);
        let mut reader = TrackReader::new();
        tag(&mut reader, Picture, b"\x90av01", &hex(AV1));
        let key = tag(&mut reader, Picture, b"\x97\x02\x07\xa1\x20\x01av01", &hex(AV1_KEY));
        assert_eq!(sampled(&key).fine_ticks, 45);
    }

    #[test]
    fn each_track_is_its_own_and_the_main_one_decides() {
        let mut reader = TrackReader::new();
        let header = [&b"\x96\x10av01\x01\0\0\x01x\0\0\0\x11"[..], &hex(AV1)].concat();
        let reads = reader.input(Picture, header.into()).unwrap();
        assert_eq!(name(&reads[0]), Some("av1"));
        let broken = dropped(&reads[1]);
        assert!(matches!(broken, Some((TrackId(4), DropReason::Further(TagError::Av1(_))))), "{broken:?}");
        // Repaired, it is a track of its own.
        let header = [&b"\x96\x00av01\x01"[..], &hex(AV1)].concat();
        let track = one(reader.input(Picture, header.into()).unwrap()).track.unwrap();
        assert_eq!((track.id, track.codec.name()), (TrackId(4), "av1"));
        let keys = [b"\x96\x11av01\x01\0\0\x12", &hex(AV1_KEY)[..], b"\0\0\0\x12", &hex(AV1_KEY)].concat();
        let reads = reader.input(Picture, keys.into()).unwrap();
        assert_eq!([&reads[0], &reads[1]].map(|read| sampled(read).track), [TrackId::VIDEO, TrackId(4)]);
        let far = one(reader.input(Picture, Bytes::from_static(b"\x96\x01av01\x08x")).unwrap());
        let told = DropReason::FurtherTrack { kind: Picture, number: 8 };
        assert_eq!(dropped(&far), Some((TrackId::VIDEO, told)));
        // A codec that is not supported matters on the main track alone.
        let further = reader.input(Audio, Bytes::from_static(b"\x95\x00fLaC\x02abc")).unwrap();
        let refused = dropped(&further[0]);
        assert!(matches!(refused, Some((TrackId(7), DropReason::Further(TagError::Unsupported(_))))));
        assert!(reader.input(Audio, Bytes::from_static(b"\x95\x00fLaC\x00abc")).is_err());
        let colour = tag(&mut reader, Picture, b"\xd4av01", b"\x02\0\x09colorInfo");
        assert_eq!(dropped(&colour), Some((TrackId::VIDEO, DropReason::Metadata)));
    }
}
