//! The sequence parameter set, ITU-T H.264 §7.3.2.1.1, read up to the sample aspect ratio: what a
//! sample entry and a library want to know. Everything after that stays the decoder's.

use super::config::H264Error;
use super::nal::{kind, nal_type};
use crate::codec::bits::{BitError, BitReader, rbsp};

/// More raw bytes than any field read here can lie behind: twelve scaling lists of 64 codes of at most
/// 2 bytes, a picture order cycle of 255 codes of at most 8 bytes, and the rest.
const SPS_RAW_BYTES_MAX: usize = 4096;

/// `aspect_ratio_idc` 1 to 16, Table E-1.
const SAR_TABLE: [(u16, u16); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// `aspect_ratio_idc` that spells the ratio out.
const EXTENDED_SAR: u8 = 255;

/// What a sequence parameter set says about the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// `profile_idc`.
    pub profile: u8,
    /// The byte of constraint flags between profile and level.
    pub constraints: u8,
    /// `level_idc`.
    pub level: u8,
    /// `chroma_format_idc`, 0 to 3; 1 where the profile does not write it.
    pub chroma_format: u8,
    /// `bit_depth_luma_minus8`.
    pub luma_depth_minus8: u8,
    /// `bit_depth_chroma_minus8`.
    pub chroma_depth_minus8: u8,
    /// Luma width in pixels after cropping.
    pub width: u16,
    /// Luma height of a frame in pixels after cropping.
    pub height: u16,
    /// Sample aspect ratio; (1, 1) where unspecified.
    pub sar: (u16, u16),
}

impl Sps {
    /// Reads an SPS NAL unit, its header byte included.
    pub fn parse(nal: &[u8]) -> Result<Self, H264Error> {
        if nal_type(nal) != kind::SPS {
            return Err(H264Error::NotA { what: "SPS", found: nal_type(nal) });
        }
        let raw = rbsp(&nal[1..], SPS_RAW_BYTES_MAX);
        let mut bits = BitReader::new(&raw);
        let (profile, constraints, level) = (bits.byte(8)?, bits.byte(8)?, bits.byte(8)?);
        let id = bounded(&mut bits, "seq_parameter_set_id", 31)?;
        let chroma = Chroma::read(&mut bits, profile)?;
        skip_picture_order(&mut bits)?;
        bits.ue()?; // max_num_ref_frames
        bits.bit()?; // gaps_in_frame_num_value_allowed_flag
        let (width, height) = read_size(&mut bits, &chroma)?;
        // Some encoders cut the set short here; what is missing is unspecified.
        let sar = read_sar(&mut bits).unwrap_or((1, 1));
        Ok(Self {
            id: id as u8,
            profile,
            constraints,
            level,
            chroma_format: chroma.format,
            luma_depth_minus8: chroma.luma_depth_minus8,
            chroma_depth_minus8: chroma.chroma_depth_minus8,
            width,
            height,
            sar,
        })
    }
}

fn bounded(bits: &mut BitReader<'_>, field: &'static str, max: u32) -> Result<u32, H264Error> {
    let value = bits.ue()?;
    if value > max { Err(H264Error::Field { field, value, max }) } else { Ok(value) }
}

struct Chroma {
    format: u8,
    separate_planes: bool,
    luma_depth_minus8: u8,
    chroma_depth_minus8: u8,
}

impl Chroma {
    fn read(bits: &mut BitReader<'_>, profile: u8) -> Result<Self, H264Error> {
        let mut chroma =
            Self { format: 1, separate_planes: false, luma_depth_minus8: 0, chroma_depth_minus8: 0 };
        if !matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            return Ok(chroma);
        }
        chroma.format = bounded(bits, "chroma_format_idc", 3)? as u8;
        chroma.separate_planes = chroma.format == 3 && bits.bit()?;
        chroma.luma_depth_minus8 = bounded(bits, "bit_depth_luma_minus8", 6)? as u8;
        chroma.chroma_depth_minus8 = bounded(bits, "bit_depth_chroma_minus8", 6)? as u8;
        bits.bit()?; // qpprime_y_zero_transform_bypass_flag
        if bits.bit()? {
            let lists = if chroma.format == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.bit()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(chroma)
    }

    /// `CropUnitX` and `CropUnitY` for frames, §7.4.2.1.1.
    fn crop_unit(&self) -> (u64, u64) {
        match self.format {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        }
    }
}

/// §7.3.2.1.1.1: after a next scale of zero the rest of the list is not written.
fn skip_scaling_list(bits: &mut BitReader<'_>, size: u32) -> Result<(), BitError> {
    let mut last = 8;
    for _ in 0..size {
        let next = (last + bits.se()?).rem_euclid(256);
        if next == 0 {
            break;
        }
        last = next;
    }
    Ok(())
}

fn skip_picture_order(bits: &mut BitReader<'_>) -> Result<(), H264Error> {
    bounded(bits, "log2_max_frame_num_minus4", 12)?;
    match bounded(bits, "pic_order_cnt_type", 2)? {
        0 => drop(bounded(bits, "log2_max_pic_order_cnt_lsb_minus4", 12)?),
        1 => {
            bits.bit()?; // delta_pic_order_always_zero_flag
            bits.se()?; // offset_for_non_ref_pic
            bits.se()?; // offset_for_top_to_bottom_field
            for _ in 0..bounded(bits, "num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                bits.se()?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn read_size(bits: &mut BitReader<'_>, chroma: &Chroma) -> Result<(u16, u16), H264Error> {
    let columns = u64::from(bits.ue()?) + 1;
    let map_units = u64::from(bits.ue()?) + 1;
    let frames_only = bits.bit()?;
    let fields = if frames_only { 1 } else { 2 };
    if !frames_only {
        bits.bit()?; // mb_adaptive_frame_field_flag
    }
    bits.bit()?; // direct_8x8_inference_flag
    let mut crop = [0u64; 4];
    if bits.bit()? {
        for side in &mut crop {
            *side = u64::from(bits.ue()?);
        }
    }
    let (unit_x, unit_y) = if chroma.separate_planes { (1, 1) } else { chroma.crop_unit() };
    let side = |coded: u64, cropped: u64| {
        let left = coded.checked_sub(cropped).filter(|&left| left > 0);
        left.and_then(|left| u16::try_from(left).ok()).ok_or(H264Error::Size { coded, cropped })
    };
    let width = side(columns * 16, (crop[0] + crop[1]) * unit_x)?;
    let height = side(map_units * 16 * fields, (crop[2] + crop[3]) * unit_y * fields)?;
    Ok((width, height))
}

/// The sample aspect ratio, the first thing in the VUI (§E.1.1).
pub(in crate::codec) fn read_sar(bits: &mut BitReader<'_>) -> Option<(u16, u16)> {
    let present = bits.bit().ok()? && bits.bit().ok()?;
    if !present {
        return None;
    }
    let sar = match bits.byte(8).ok()? {
        EXTENDED_SAR => (bits.bits(16).ok()? as u16, bits.bits(16).ok()? as u16),
        idc => *SAR_TABLE.get(usize::from(idc).checked_sub(1)?)?,
    };
    (sar.0 > 0 && sar.1 > 0).then_some(sar)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{BitWriter, RECORDS, hex};
    use super::*;
    use proptest::prelude::*;
    use shiguredo_mp4::bitstream::h264 as oracle;

    fn sps_of(record: &str) -> Vec<u8> {
        let record = hex(record);
        let length = usize::from(u16::from_be_bytes([record[6], record[7]]));
        record[8..8 + length].to_vec()
    }

    #[test]
    fn sizes_and_aspect_ratios_are_what_ffprobe_tells() {
        for (record, width, height, sar) in RECORDS {
            let sps = Sps::parse(&sps_of(record)).unwrap();
            assert_eq!((sps.width, sps.height), (width, height));
            assert_eq!((u32::from(sps.sar.0), u32::from(sps.sar.1)), sar);
        }
    }

    #[test]
    fn a_set_cut_short_after_the_size_has_square_pixels() {
        let whole = sps_of(RECORDS[2].0);
        let cuts: Vec<_> = (0..whole.len()).map(|end| Sps::parse(&whole[..end]).ok()).collect();
        assert_eq!(cuts.iter().flatten().last().map(|sps| (sps.width, sps.sar)), Some((720, (64, 45))));
        assert!(cuts.iter().flatten().any(|sps| (sps.width, sps.height, sps.sar) == (720, 576, (1, 1))));
        assert!(cuts[..8].iter().all(Option::is_none));
    }

    #[test]
    fn sides_of_nothing_or_past_16_bits_are_refused() {
        let with_size = |columns: u32, crop_right: u32| {
            let mut bits = BitWriter::default();
            bits.bits(0x42_c0_1e, 24)
                .ue(0)
                .ue(0)
                .ue(2)
                .ue(1)
                .bits(0, 1)
                .ue(columns - 1)
                .ue(8)
                .bits(0b1_0_1, 3);
            Sps::parse(&bits.ue(0).ue(crop_right).ue(0).ue(0).bits(0, 1).nal(0x67))
        };
        assert_eq!(with_size(4, 31).map(|sps| sps.width), Ok(2));
        assert_eq!(with_size(4, 32), Err(H264Error::Size { coded: 64, cropped: 64 }));
        assert_eq!(with_size(4096, 0), Err(H264Error::Size { coded: 65536, cropped: 0 }));
        assert!(with_size(u32::MAX, u32::MAX - 1).is_err());
    }

    #[test]
    fn picture_order_cycles_and_scaling_lists_are_passed_over() {
        let mut bits = BitWriter::default();
        bits.bits(0x64_00_1e, 24).ue(3).ue(1).ue(0).ue(0).bits(0b0_1, 2);
        // Two lists: one that ends at once (delta -8), one of 16 zero deltas; six that are absent.
        bits.bits(1, 1).ue(16).bits(1, 1);
        for _ in 0..16 {
            bits.ue(0);
        }
        bits.bits(0, 6).ue(4).ue(1).bits(1, 1).ue(5).ue(6).ue(3).ue(1).ue(2).ue(3).ue(4).bits(0, 1);
        let nal = bits.ue(39).ue(29).bits(0b1_1_0_0, 4).nal(0x67);
        let sps = Sps::parse(&nal).unwrap();
        assert_eq!((sps.id, sps.width, sps.height), (3, 640, 480));
    }

    proptest! {
        #[test]
        fn bytes_are_read_as_another_reader_reads_them(flips in prop::collection::vec((0usize..240, 0usize..6), 0..4)) {
            let mut nal = sps_of(RECORDS[flips.first().map_or(0, |flip| flip.1)].0);
            for (bit, _) in flips {
                let at = 8 + bit % ((nal.len() - 1) * 8);
                nal[at / 8] ^= 1 << (at % 8);
            }
            if let (Ok(ours), Ok(theirs)) = (Sps::parse(&nal), oracle::parse_sps(&nal)) {
                prop_assert_eq!((ours.width, ours.height), (theirs.width, theirs.height));
                prop_assert_eq!(ours.chroma_format, theirs.chroma_format_idc);
                prop_assert_eq!(ours.profile, theirs.profile_level_id.profile_idc);
            } else {
                // Ours may refuse more (numbers out of range), never less.
                prop_assert!(Sps::parse(&nal).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut nal: Vec<u8>) {
            if let Some(header) = nal.first_mut() {
                *header = 0x67;
            }
            if let Ok(sps) = Sps::parse(&nal) {
                prop_assert!(sps.width > 0 && sps.height > 0 && sps.sar.0 > 0 && sps.sar.1 > 0);
            }
        }
    }
}
