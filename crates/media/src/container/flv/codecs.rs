//! What each codec keeps between the tags of one track, and what it makes of them: configurations and access
//! units as packets carry them. Which track, and at what time, is its callers' knowledge.

use bytes::Bytes;

use super::error::TagError;
use super::tag::{Codec, Frame};
use super::tracks::{AAC_BYTES_MAX, DropReason};
use crate::codec::aac::{AdtsHeader, Asc};
use crate::codec::h264::{AccessUnitError, KeyFlag, LengthSize};
use crate::codec::{av1, h264, h265, mp3, opus, vp9};
use crate::packet::Rap;
use crate::track::CodecConfig;

/// What came of an access unit.
pub(super) struct Made {
    /// The configuration in force from it on, where it may be another.
    pub(super) config: Option<CodecConfig>,
    /// Whether decoding can begin here.
    pub(super) rap: Rap,
    /// The unit as its track's packets carry it.
    pub(super) data: Bytes,
    /// Samples it lasts, where each says so itself.
    pub(super) lasts: Option<u16>,
}

/// The state of a track, by its codec.
#[derive(Debug, Clone)]
pub(super) enum State {
    H264(Parametric<H264>),
    H265(Parametric<H265>),
    Av1(Option<av1::Sequence>),
    Vp9(Option<vp9::Record>),
    Aac,
    Opus { header: Option<opus::Header>, frame_samples: Option<u16> },
    Mp3,
}

impl State {
    pub(super) fn new(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Self::H264(Parametric::default()),
            Codec::H265 => Self::H265(Parametric::default()),
            Codec::Av1 => Self::Av1(None),
            Codec::Vp9 => Self::Vp9(None),
            Codec::Aac => Self::Aac,
            Codec::Opus => Self::Opus { header: None, frame_samples: None },
            Codec::Mp3 => Self::Mp3,
        }
    }

    pub(super) fn codec(&self) -> Codec {
        match self {
            Self::H264(_) => Codec::H264,
            Self::H265(_) => Codec::H265,
            Self::Av1(_) => Codec::Av1,
            Self::Vp9(_) => Codec::Vp9,
            Self::Aac => Codec::Aac,
            Self::Opus { .. } => Codec::Opus,
            Self::Mp3 => Codec::Mp3,
        }
    }

    /// Takes a sequence header; the configuration that it makes, if it makes one by itself. On an error
    /// nothing has changed.
    pub(super) fn header(&mut self, record: &[u8]) -> Result<Option<CodecConfig>, TagError> {
        match self {
            Self::H264(track) => track.header(record),
            Self::H265(track) => track.header(record),
            Self::Av1(known) => {
                // A record without a sequence header changes nothing: the one in band decides.
                let sequence = av1::configuration(record)?;
                let config = sequence.as_ref().map(av1::Sequence::codec);
                *known = sequence.or_else(|| known.take());
                Ok(config)
            }
            Self::Vp9(known) => {
                *known = Some(vp9::Record::parse(record)?);
                Ok(None)
            }
            Self::Aac => Ok(Some(Asc::parse(record)?.codec())),
            Self::Opus { header, frame_samples } => {
                let new = opus::Header::parse(record)?;
                if header.as_ref() != Some(&new) {
                    (*header, *frame_samples) = (Some(new), None);
                }
                Ok(None)
            }
            // Nothing that frames do not say.
            Self::Mp3 => Ok(None),
        }
    }

    /// Takes an access unit.
    pub(super) fn frame(&mut self, frame: Frame) -> Result<Made, DropReason> {
        match self {
            Self::H264(track) => track.frame(&frame),
            Self::H265(track) => track.frame(&frame),
            Self::Av1(known) => av1_unit(known, &frame.payload),
            Self::Vp9(record) => {
                let read = vp9::frame(&frame.payload)?;
                let made =
                    Made { config: read.codec(*record)?, rap: read.rap, data: frame.payload, lasts: None };
                Ok(made)
            }
            Self::Aac => aac_frame(frame.payload).map(sound),
            Self::Opus { header, frame_samples } => {
                let header = header.as_ref().ok_or(DropReason::BeforeHeader)?;
                let lasts = opus::packet_samples(&frame.payload)?;
                let usual = *frame_samples.get_or_insert(lasts);
                let config = Some(header.codec(usual));
                Ok(Made { config, lasts: Some(lasts), ..sound(frame.payload) })
            }
            Self::Mp3 => {
                let read = mp3::Frame::parse(&frame.payload)?;
                let data = frame.payload.slice(..read.length);
                Ok(Made { config: Some(read.codec()), ..sound(data) })
            }
        }
    }
}

/// A packet of sound: decoding can begin at each.
fn sound(data: Bytes) -> Made {
    Made { config: None, rap: Rap::Closed, data, lasts: None }
}

fn av1_unit(known: &mut Option<av1::Sequence>, payload: &Bytes) -> Result<Made, DropReason> {
    let read = av1::temporal_unit(payload, known.as_ref())?;
    let mut config = None;
    if let (true, Some(sequence)) = (read.rap.is_rap(), read.sequence) {
        config = Some(sequence.codec());
        *known = Some(sequence);
    }
    Ok(Made { config, rap: read.rap, data: read.data, lasts: None })
}

fn aac_frame(frame: Bytes) -> Result<Bytes, DropReason> {
    if frame.len() > AAC_BYTES_MAX {
        return Err(DropReason::TooLarge { bytes: frame.len(), max: AAC_BYTES_MAX });
    }
    let data = without_adts(frame);
    if data.is_empty() { Err(DropReason::Empty) } else { Ok(data) }
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

/// A codec whose decoder is configured by parameter sets, in a record or in band.
pub(super) trait NalCodec {
    /// The sets.
    type Sets: std::fmt::Debug + Clone + Default + PartialEq;

    fn record(record: &[u8]) -> Result<(LengthSize, Self::Sets), TagError>;
    fn is_empty(sets: &Self::Sets) -> bool;
    fn codec(sets: &Self::Sets) -> Result<CodecConfig, TagError>;
    /// Whether the set is new. One too damaged to read stays in the payload, for the decoder to judge.
    fn absorb(sets: &mut Self::Sets, set: &[u8]) -> bool;
    /// The unit behind 4-byte lengths, its random access and its sets in band.
    fn unit(
        payload: &Bytes,
        lengths: LengthSize,
        flag: KeyFlag,
    ) -> Result<(Bytes, Rap, Vec<Bytes>), AccessUnitError>;
}

/// See [`crate::codec::h264`].
#[derive(Debug, Clone)]
pub(super) struct H264;

impl NalCodec for H264 {
    type Sets = h264::ParameterSets;

    fn record(record: &[u8]) -> Result<(LengthSize, Self::Sets), TagError> {
        let header = h264::Header::parse(record)?;
        Ok((header.length_size, header.sets))
    }

    fn is_empty(sets: &Self::Sets) -> bool {
        sets.is_empty()
    }

    fn codec(sets: &Self::Sets) -> Result<CodecConfig, TagError> {
        Ok(sets.codec()?)
    }

    fn absorb(sets: &mut Self::Sets, set: &[u8]) -> bool {
        sets.absorb(set) == Ok(h264::Absorbed::Change)
    }

    fn unit(
        payload: &Bytes,
        lengths: LengthSize,
        flag: KeyFlag,
    ) -> Result<(Bytes, Rap, Vec<Bytes>), AccessUnitError> {
        let unit = h264::access_unit(payload, lengths, flag)?;
        Ok((unit.data, unit.rap, unit.sets))
    }
}

/// See [`crate::codec::h265`].
#[derive(Debug, Clone)]
pub(super) struct H265;

impl NalCodec for H265 {
    type Sets = h265::ParameterSets;

    fn record(record: &[u8]) -> Result<(LengthSize, Self::Sets), TagError> {
        let header = h265::Header::parse(record)?;
        Ok((header.length_size, header.sets))
    }

    fn is_empty(sets: &Self::Sets) -> bool {
        sets.is_empty()
    }

    fn codec(sets: &Self::Sets) -> Result<CodecConfig, TagError> {
        Ok(sets.codec()?)
    }

    fn absorb(sets: &mut Self::Sets, set: &[u8]) -> bool {
        sets.absorb(set) == Ok(h265::Absorbed::Change)
    }

    fn unit(
        payload: &Bytes,
        lengths: LengthSize,
        _flag: KeyFlag,
    ) -> Result<(Bytes, Rap, Vec<Bytes>), AccessUnitError> {
        let unit = h265::access_unit(payload, lengths)?;
        Ok((unit.data, unit.rap, unit.sets))
    }
}

/// The state of a track with parameter sets.
#[derive(Debug, Clone)]
pub(super) struct Parametric<C: NalCodec> {
    /// The last header tag, to know a repeat by.
    header: Option<(LengthSize, C::Sets)>,
    /// The sets in force: the header's and those in band since.
    sets: C::Sets,
    /// Whether sets came in band since a configuration was last made of them.
    unsettled: bool,
}

impl<C: NalCodec> Default for Parametric<C> {
    fn default() -> Self {
        Self { header: None, sets: C::Sets::default(), unsettled: false }
    }
}

impl<C: NalCodec> Parametric<C> {
    fn header(&mut self, record: &[u8]) -> Result<Option<CodecConfig>, TagError> {
        let header = C::record(record)?;
        if self.header.as_ref() == Some(&header) {
            return Ok(None);
        }
        // A header without sets announces sets in band; they are told when they come.
        let config = if C::is_empty(&header.1) { None } else { Some(C::codec(&header.1)?) };
        self.sets = header.1.clone();
        self.header = Some(header);
        self.unsettled = false;
        Ok(config)
    }

    fn frame(&mut self, frame: &Frame) -> Result<Made, DropReason> {
        let lengths = self.header.as_ref().map_or(LengthSize::FOUR, |(lengths, _)| *lengths);
        let (data, rap, sets) = C::unit(&frame.payload, lengths, frame.flag)?;
        for set in &sets {
            self.unsettled |= C::absorb(&mut self.sets, set);
        }
        // Only where decoding can begin may a change matter to who joins there: a new SPS is legal
        // nowhere else (ITU-T H.264 §7.4.1.2.1, H.265 §7.4.2.4.2), and pictures in between find their PPS
        // in band.
        let mut config = None;
        if rap.is_rap() && self.unsettled {
            self.unsettled = false;
            config = C::codec(&self.sets).ok();
        }
        Ok(Made { config, rap, data, lasts: None })
    }
}
