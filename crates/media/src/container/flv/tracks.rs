//! From tags to tracks and samples: which configuration each track has, and what of the tags is media.
//! Times stay the source's raw milliseconds; the clocks come after.

use bytes::Bytes;
use thiserror::Error;

use super::error::TagError;
use super::tag::{AvcUnit, Body, Script, TagKind};
use crate::codec::aac::{AdtsHeader, Asc};
use crate::codec::h264::{Absorbed, AccessUnitError, Header, LengthSize, ParameterSets, access_unit};
use crate::packet::Rap;
use crate::time::Timescale;
use crate::track::{CodecConfig, TrackConfig, TrackId};

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
    video: Video,
    audio: Option<CodecConfig>,
}

impl TrackReader {
    /// A reader that knows no track.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one tag. After an error the reader is as it was before.
    pub fn input(&mut self, kind: TagKind, payload: Bytes) -> Result<Read, TagError> {
        let track = match kind {
            TagKind::Video => TrackId::VIDEO,
            TagKind::Audio => TrackId::AUDIO,
            TagKind::Script => TrackId::DATA,
        };
        let dropped = |reason| Read { track: None, item: Some(Item::Dropped { track, reason }) };
        match Body::parse(kind, payload)? {
            Body::AvcHeader(record) if record.is_empty() => Ok(dropped(DropReason::Empty)),
            Body::AvcHeader(record) => self.video.header(&record),
            Body::AvcUnit(unit) => Ok(self.video.unit(&unit).unwrap_or_else(dropped)),
            Body::AvcEnd | Body::VideoCommand => Ok(Read::default()),
            Body::AacHeader(asc) if asc.is_empty() => Ok(dropped(DropReason::Empty)),
            Body::AacHeader(asc) => self.aac_header(&asc),
            Body::AacFrame(frame) => Ok(self.aac_frame(frame).unwrap_or_else(dropped)),
            Body::Script(script) if script.data.len() > SCRIPT_BYTES_MAX => {
                let reason = DropReason::TooLarge { bytes: script.data.len(), max: SCRIPT_BYTES_MAX };
                Ok(dropped(reason))
            }
            Body::Script(script) => Ok(Read { track: None, item: Some(Item::Data(script)) }),
            Body::NamelessScript => Ok(dropped(DropReason::Nameless)),
            Body::Empty => Ok(dropped(DropReason::Empty)),
        }
    }

    fn aac_header(&mut self, asc: &[u8]) -> Result<Read, TagError> {
        let asc = Asc::parse(asc)?;
        let codec = asc.codec();
        if self.audio.as_ref() == Some(&codec) {
            return Ok(Read::default());
        }
        self.audio = Some(codec.clone());
        let timescale = Timescale::new(asc.sample_rate()).expect("AAC's sample rates are above zero");
        Ok(Read { track: Some(TrackConfig { id: TrackId::AUDIO, timescale, codec }), item: None })
    }

    fn aac_frame(&self, frame: Bytes) -> Result<Read, DropReason> {
        if self.audio.is_none() {
            return Err(DropReason::BeforeHeader);
        }
        if frame.len() > AAC_BYTES_MAX {
            return Err(DropReason::TooLarge { bytes: frame.len(), max: AAC_BYTES_MAX });
        }
        let data = without_adts(frame);
        if data.is_empty() {
            return Err(DropReason::Empty);
        }
        Ok(sample(Sample { track: TrackId::AUDIO, cts_ms: 0, rap: Rap::Closed, data }))
    }
}

fn sample(sample: Sample) -> Read {
    Read { track: None, item: Some(Item::Sample(sample)) }
}

/// Some encoders put ADTS frames where raw access units belong. A raw one cannot begin with the sync
/// word: it would be the end element, with nothing before it.
fn without_adts(frame: Bytes) -> Bytes {
    match AdtsHeader::parse(&frame) {
        Some(header) if header.blocks == 1 && header.frame_bytes == frame.len() => {
            frame.slice(header.header_bytes..)
        }
        _ => frame,
    }
}

/// The state of the H.264 track.
#[derive(Debug, Default)]
struct Video {
    /// The last header tag, to know a repeat by.
    header: Option<Header>,
    /// The sets in force: the header's and those in band since.
    sets: ParameterSets,
    /// Whether sets came in band since a configuration was last made of them.
    unsettled: bool,
    /// What was told last.
    told: Option<CodecConfig>,
}

impl Video {
    fn header(&mut self, record: &[u8]) -> Result<Read, TagError> {
        let header = Header::parse(record)?;
        if self.header.as_ref() == Some(&header) {
            return Ok(Read::default());
        }
        // A header without sets announces sets in band; they are told when they come.
        let codec = if header.sets.is_empty() { None } else { Some(header.sets.codec()?) };
        self.sets = header.sets.clone();
        self.header = Some(header);
        self.unsettled = false;
        Ok(Read { track: codec.and_then(|codec| self.tell(codec)), item: None })
    }

    fn unit(&mut self, unit: &AvcUnit) -> Result<Read, DropReason> {
        if !(CTS_MS_MIN..=CTS_MS_MAX).contains(&unit.cts_ms) {
            return Err(DropReason::Composition(unit.cts_ms));
        }
        let lengths = self.header.as_ref().map_or(LengthSize::FOUR, |header| header.length_size);
        let read = access_unit(&unit.payload, lengths, unit.flag)?;
        for set in &read.sets {
            // A set too damaged to read stays in the payload, for the decoder to judge.
            self.unsettled |= self.sets.absorb(set) == Ok(Absorbed::Change);
        }
        // Only where decoding can begin may a change matter to who joins there: a new SPS is legal
        // nowhere else (ITU-T H.264 §7.4.1.2.1), and pictures in between find their PPS in band.
        let mut track = None;
        if read.rap.is_rap() && self.unsettled {
            self.unsettled = false;
            track = self.sets.codec().ok().and_then(|codec| self.tell(codec));
        }
        if self.told.is_none() {
            return Err(DropReason::BeforeHeader);
        }
        let Read { item, .. } =
            sample(Sample { track: TrackId::VIDEO, cts_ms: unit.cts_ms, rap: read.rap, data: read.data });
        Ok(Read { track, item })
    }

    fn tell(&mut self, codec: CodecConfig) -> Option<TrackConfig> {
        if self.told.as_ref() == Some(&codec) {
            return None;
        }
        self.told = Some(codec.clone());
        Some(TrackConfig { id: TrackId::VIDEO, timescale: Timescale::VIDEO, codec })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::H264Error;
    use crate::codec::h264::samples::{pps, record, slice, sps, with_codes, with_lengths};
    use TagKind::{Audio, Script as Data, Video as Picture};

    const HEADER: [u8; 5] = [0x17, 0, 0, 0, 0];
    const KEY: [u8; 5] = [0x17, 1, 0, 0, 40];
    const DELTA: [u8; 5] = [0x27, 1, 0xff, 0xff, 0xd8];

    fn tag(reader: &mut TrackReader, kind: TagKind, head: &[u8], body: &[u8]) -> Read {
        reader.input(kind, [head, body].concat().into()).unwrap()
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
        let sample = Sample { track: TrackId::VIDEO, cts_ms: 40, rap: Rap::Closed, data: Bytes::from(idr()) };
        assert_eq!(key.item, Some(Item::Sample(sample)));
        let p = with_lengths(4, &[slice(0x41, 0)]);
        let delta = tag(&mut reader, Picture, &DELTA, &p);
        let sample = Sample { track: TrackId::VIDEO, cts_ms: -40, rap: Rap::None, data: Bytes::from(p) };
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
        let sample = Sample { track: TrackId::VIDEO, cts_ms: 40, rap: Rap::None, data: Bytes::from(sei) };
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
}
