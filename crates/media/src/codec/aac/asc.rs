//! The AudioSpecificConfig: what kind of AAC, at what rate, in how many channels.

use bytes::Bytes;
use thiserror::Error;

use crate::codec::bits::{BitError, BitReader};
use crate::track::CodecConfig;

/// `samplingFrequencyIndex`, ISO/IEC 14496-3 Table 1.18.
pub(super) const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// `samplingFrequencyIndex` that spells the rate out in 24 bits.
const RATE_ESCAPE: u8 = 15;

/// Sample rates believed: the table's, and twice its largest for SBR over 96 kHz.
const SAMPLE_RATE_RANGE: std::ops::RangeInclusive<u32> = 7_350..=192_000;

/// Channels by `channelConfiguration`, Table 1.19; 0 where it is reserved or spelled out.
const CHANNELS: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8, 0];

/// Audio object types by name, Table 1.17.
mod object {
    pub(super) const SSR: u8 = 3;
    pub(super) const LTP: u8 = 4;
    pub(super) const SBR: u8 = 5;
    pub(super) const PS: u8 = 29;
    pub(super) const ESCAPE: u8 = 31;
}

/// `syncExtensionType` before backward-compatible SBR and PS signals, §1.6.2.1.
const SBR_SYNC: u32 = 0x2b7;
const PS_SYNC: u32 = 0x548;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AscError {
    /// It ends early.
    #[error("the AudioSpecificConfig is cut short: {0}")]
    Bits(#[from] BitError),
    /// An object type that is not read here.
    #[error("audio object type {0} is not supported; send AAC-LC or HE-AAC")]
    ObjectType(u8),
    /// A reserved or implausible sample rate.
    #[error("sample rate {0} Hz (0: a reserved index) is not one of AAC's")]
    SampleRate(u32),
    /// An SBR rate that is neither the core's nor twice it.
    #[error("an SBR rate of {extension} Hz does not go with a core of {core} Hz")]
    Extension {
        /// The core's rate in Hz.
        core: u32,
        /// The rate after SBR in Hz.
        extension: u32,
    },
    /// A reserved channel configuration, or a program without channels.
    #[error("channel configuration {0} gives no channels")]
    Channels(u8),
}

/// What is added to the core AAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Nothing that is signalled.
    None,
    /// Spectral band replication: HE-AAC.
    Sbr {
        /// Sample rate after it, in Hz.
        rate: u32,
    },
    /// SBR with parametric stereo: HE-AAC v2.
    Ps {
        /// Sample rate after it, in Hz.
        rate: u32,
    },
}

/// An AudioSpecificConfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asc {
    /// Object type of the core: 1 Main, 2 LC, 3 SSR, 4 LTP.
    pub core: u8,
    /// Sample rate of the core in Hz.
    pub core_rate: u32,
    /// Samples of the core in one access unit: 1024 or 960.
    pub core_samples: u16,
    /// Channels of the core.
    pub core_channels: u8,
    /// What is added to the core.
    pub extension: Extension,
    /// The configuration itself: as it came, up to the last bit that means something, the rest zero.
    pub bytes: Bytes,
}

impl Asc {
    /// Reads a configuration. What follows it is passed over.
    pub fn parse(asc: &[u8]) -> Result<Self, AscError> {
        let mut bits = BitReader::new(asc);
        let first = object_type(&mut bits)?;
        let core_rate = sample_rate(&mut bits)?;
        let channel_configuration = bits.byte(4)?;
        let (core, mut extension) = match first {
            object::SBR => {
                let rate = sample_rate(&mut bits)?;
                (object_type(&mut bits)?, Extension::Sbr { rate })
            }
            object::PS => {
                let rate = sample_rate(&mut bits)?;
                (object_type(&mut bits)?, Extension::Ps { rate })
            }
            core => (core, Extension::None),
        };
        if !(1..=object::LTP).contains(&core) {
            return Err(AscError::ObjectType(core));
        }
        let (core_samples, core_channels) = specific(&mut bits, core, channel_configuration)?;
        if extension == Extension::None {
            extension = appended(&mut bits)?;
        }
        let bytes = canonical(asc, bits.position());
        let asc = Self { core, core_rate, core_samples, core_channels, extension, bytes };
        asc.check_extension().map(|()| asc)
    }

    fn check_extension(&self) -> Result<(), AscError> {
        match self.sample_rate() {
            rate if rate == self.core_rate || rate == self.core_rate * 2 => Ok(()),
            extension => Err(AscError::Extension { core: self.core_rate, extension }),
        }
    }

    /// Object type of the whole: the core's, 5 with SBR, 29 with PS, however it is signalled.
    pub const fn object_type(&self) -> u8 {
        match self.extension {
            Extension::None => self.core,
            Extension::Sbr { .. } => object::SBR,
            Extension::Ps { .. } => object::PS,
        }
    }

    /// Sample rate of the output in Hz.
    pub const fn sample_rate(&self) -> u32 {
        match self.extension {
            Extension::None => self.core_rate,
            Extension::Sbr { rate } | Extension::Ps { rate } => rate,
        }
    }

    /// Samples of the output in one access unit. With SBR that keeps the core's rate (downsampled SBR)
    /// they are the core's.
    pub const fn frame_samples(&self) -> u16 {
        if self.sample_rate() > self.core_rate { self.core_samples * 2 } else { self.core_samples }
    }

    /// Channels of the output: parametric stereo makes two of one.
    pub const fn channels(&self) -> u8 {
        match self.extension {
            Extension::Ps { .. } if self.core_channels == 1 => 2,
            _ => self.core_channels,
        }
    }

    /// The track's codec configuration. Its timescale is its sample rate.
    pub fn codec(&self) -> CodecConfig {
        CodecConfig::Aac {
            asc: self.bytes.clone(),
            object_type: self.object_type(),
            sample_rate: self.sample_rate(),
            channels: self.channels(),
            frame_samples: self.frame_samples(),
        }
    }
}

fn object_type(bits: &mut BitReader<'_>) -> Result<u8, BitError> {
    match bits.byte(5)? {
        object::ESCAPE => Ok(32 + bits.byte(6)?),
        kind => Ok(kind),
    }
}

/// `channelConfiguration` (Table 1.19) of a configuration.
pub(super) fn channel_configuration(asc: &[u8]) -> Result<u8, AscError> {
    let mut bits = BitReader::new(asc);
    object_type(&mut bits)?;
    sample_rate(&mut bits)?;
    Ok(bits.byte(4)?)
}

fn sample_rate(bits: &mut BitReader<'_>) -> Result<u32, AscError> {
    let rate = match bits.byte(4)? {
        RATE_ESCAPE => bits.bits(24)?,
        index => SAMPLE_RATES.get(usize::from(index)).copied().unwrap_or(0),
    };
    if SAMPLE_RATE_RANGE.contains(&rate) { Ok(rate) } else { Err(AscError::SampleRate(rate)) }
}

/// `GASpecificConfig` (§4.4.1): samples of an access unit and channels.
fn specific(bits: &mut BitReader<'_>, core: u8, configuration: u8) -> Result<(u16, u8), AscError> {
    let short = bits.bit()?;
    if bits.bit()? {
        bits.bits(14)?; // coreCoderDelay
    }
    let extended = bits.bit()?;
    let channels = match configuration {
        0 => program_channels(bits)?,
        other => CHANNELS[usize::from(other & 15)],
    };
    if extended {
        bits.bit()?; // extensionFlag3
    }
    if channels == 0 {
        return Err(AscError::Channels(configuration));
    }
    // The SSR filter bank has no 960 form; its flag means nothing.
    let samples = if short && core != object::SSR { 960 } else { 1024 };
    Ok((samples, channels))
}

/// Channels of a `program_config_element`, §4.4.1.1: pairs count two.
fn program_channels(bits: &mut BitReader<'_>) -> Result<u8, AscError> {
    bits.bits(4 + 2 + 4)?; // element_instance_tag, object_type, sampling_frequency_index
    let speakers = bits.bits(4)? + bits.bits(4)? + bits.bits(4)?; // front, side, back
    let low = bits.bits(2)?;
    let data = bits.bits(3)?;
    let coupling = bits.bits(4)?;
    for mixdown_bits in [4, 4, 3] {
        if bits.bit()? {
            bits.bits(mixdown_bits)?;
        }
    }
    let mut channels = low;
    for _ in 0..speakers {
        channels += if bits.bit()? { 2 } else { 1 };
        bits.bits(4)?;
    }
    bits.skip(low as usize * 4 + data as usize * 4 + coupling as usize * 5)?;
    // byte_alignment() counts from the start of the AudioSpecificConfig.
    bits.skip(bits.position().next_multiple_of(8) - bits.position())?;
    let comment = bits.bits(8)?;
    bits.skip(comment as usize * 8)?;
    Ok(u8::try_from(channels).expect("45 elements of at most 2 channels and 3 more"))
}

/// SBR and PS signalled behind the core's configuration, where old decoders do not look.
fn appended(bits: &mut BitReader<'_>) -> Result<Extension, AscError> {
    if !takes_sync(bits, 16, SBR_SYNC)? {
        return Ok(Extension::None);
    }
    if object_type(bits)? != object::SBR || !bits.bit()? {
        return Ok(Extension::None);
    }
    let rate = sample_rate(bits)?;
    if takes_sync(bits, 12, PS_SYNC)? && bits.bit()? {
        return Ok(Extension::Ps { rate });
    }
    Ok(Extension::Sbr { rate })
}

/// Passes a sync word of 11 bits if it stands here and at least `room` bits are left.
fn takes_sync(bits: &mut BitReader<'_>, room: usize, sync: u32) -> Result<bool, BitError> {
    if bits.left() < room || bits.clone().bits(11)? != sync {
        return Ok(false);
    }
    bits.bits(11).map(|_| true)
}

/// The first `used` bits, and zeros to the end of their byte.
fn canonical(asc: &[u8], used: usize) -> Bytes {
    let mut bytes = asc[..used.div_ceil(8)].to_vec();
    if let Some(last) = bytes.last_mut().filter(|_| !used.is_multiple_of(8)) {
        *last &= 0xff << (8 - used % 8);
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::samples::{BitWriter, hex};
    use proptest::prelude::*;

    /// `(object type, sample rate, channels, frame samples, canonical bytes)`.
    fn facts(asc: &[u8]) -> Result<(u8, u32, u8, u16, Vec<u8>), AscError> {
        let asc = Asc::parse(asc)?;
        Ok((asc.object_type(), asc.sample_rate(), asc.channels(), asc.frame_samples(), asc.bytes.to_vec()))
    }

    #[test]
    fn configurations_of_the_field_are_read() {
        let cases: [(&str, u8, u32, u8, u16, &str); 15] = [
            ("1210", 2, 44_100, 2, 1024, "1210"),
            ("1190", 2, 48_000, 2, 1024, "1190"),
            ("1408", 2, 16_000, 1, 1024, "1408"),
            ("11b0", 2, 48_000, 6, 1024, "11b0"),
            ("11b8", 2, 48_000, 8, 1024, "11b8"),
            // Trailing padding is no part of it; nor are the padding bits.
            ("12100000", 2, 44_100, 2, 1024, "1210"),
            // FFmpeg and fdk-aac say "no SBR" aloud.
            ("121056e500", 2, 44_100, 2, 1024, "121056e500"),
            // 960 samples a frame.
            ("1214", 2, 44_100, 2, 960, "1214"),
            // HE-AAC, hierarchical: core 24 kHz, output 48 kHz.
            ("2b118800", 5, 48_000, 2, 2048, "2b118800"),
            // HE-AAC v2, hierarchical: mono core 22.05 kHz, stereo output 44.1 kHz.
            ("eb8a0800", 29, 44_100, 2, 2048, "eb8a0800"),
            // HE-AAC, backward compatible.
            ("131056e59d48", 5, 48_000, 2, 2048, "131056e598"),
            // HE-AAC v2, backward compatible.
            ("130856e59d4880", 29, 48_000, 2, 2048, "130856e59d4880"),
            // Downsampled SBR: the rate stays.
            ("2991880000", 5, 48_000, 2, 1024, "29918800"),
            // The rate spelled out: 44 100 Hz.
            ("17805622 10", 2, 44_100, 2, 1024, "1780562210"),
            // 7.1 (configuration 12) and Main profile.
            ("0a60", 1, 44_100, 8, 1024, "0a60"),
        ];
        for (asc, object_type, rate, channels, samples, bytes) in cases {
            assert_eq!(facts(&hex(asc)), Ok((object_type, rate, channels, samples, hex(bytes))), "{asc}");
        }
    }

    #[test]
    fn a_program_config_element_gives_the_channels() {
        let mut bits = BitWriter::default();
        bits.bits(2, 5).bits(3, 4).bits(0, 4).bits(0, 3);
        // Front: a centre and a pair; side: none; back: a pair; one LFE, one data, one coupling element.
        bits.bits(0, 4)
            .bits(1, 2)
            .bits(3, 4)
            .bits(2, 4)
            .bits(0, 4)
            .bits(1, 4)
            .bits(1, 2)
            .bits(1, 3)
            .bits(1, 4);
        bits.bits(0b00_1101, 6); // no mono, no stereo, a matrix mixdown
        bits.bits(0b0_0000, 5).bits(0b1_0000, 5).bits(0b1_0001, 5).bits(0, 4).bits(0, 4).bits(0, 5);
        let mut asc = bits.bytes();
        asc.extend([2, b'h', b'i']);
        assert_eq!(facts(&asc), Ok((2, 48_000, 6, 1024, asc.clone())));
        assert!(matches!(facts(&asc[..asc.len() - 1]), Err(AscError::Bits(_))));
    }

    #[test]
    fn what_is_not_aac_is_refused_by_name() {
        // Object types 42 (USAC, by escape), 39 (ELD), 0; core 22 below SBR.
        let object_type = |kind: u32| {
            let mut bits = BitWriter::default();
            if kind < 31 {
                bits.bits(kind, 5)
            } else {
                bits.bits(31, 5).bits(kind - 32, 6)
            };
            facts(&bits.bits(4, 4).bits(2, 4).bits(0, 24).bytes())
        };
        for kind in [0, 6, 22, 39, 42] {
            assert_eq!(object_type(kind), Err(AscError::ObjectType(kind as u8)));
        }
        assert_eq!(facts(&[]), Err(AscError::Bits(BitError::End(0))));
        assert_eq!(facts(&hex("12")), Err(AscError::Bits(BitError::End(8))));
        assert_eq!(facts(&hex("1690")), Err(AscError::SampleRate(0)));
        assert_eq!(facts(&hex("1780000090")), Err(AscError::SampleRate(1)));
        assert_eq!(facts(&hex("1240")), Err(AscError::Channels(8)));
        // A core of 24 kHz with an SBR rate of 44.1 kHz.
        assert_eq!(facts(&hex("2b120800")), Err(AscError::Extension { core: 24_000, extension: 44_100 }));
    }

    proptest! {
        #[test]
        fn the_canonical_form_reads_as_the_same(asc in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(read) = Asc::parse(&asc) {
                prop_assert!(read.bytes.len() <= asc.len());
                prop_assert_eq!(Asc::parse(&read.bytes), Ok(read));
            }
        }

        #[test]
        fn any_start_that_is_aac_is_read_or_refused(object_type in 1u32..=5, rest: Vec<u8>) {
            let asc = [BitWriter::default().bits(object_type, 5).bits(4, 3).bytes(), rest].concat();
            if let Ok(read) = Asc::parse(&asc) {
                prop_assert!(read.channels() > 0 && SAMPLE_RATE_RANGE.contains(&read.sample_rate()));
                prop_assert!(matches!(read.frame_samples(), 960 | 1024 | 1920 | 2048));
            }
        }
    }
}
