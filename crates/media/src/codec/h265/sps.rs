//! The sequence parameter set, ITU-T H.265 §7.3.2.2.1, read up to the sample aspect ratio: what a sample
//! entry and a library want to know. Everything after that stays the decoder's.

use super::error::H265Error;
use super::nal::HEADER_BYTES;
use crate::codec::bits::{BitError, BitReader, rbsp};
use crate::codec::h264::read_sar;

/// More raw bytes than any field read here can lie behind: scaling lists of 1000 codes of at most 3 bytes, 64
/// reference picture sets of 33 pictures, and the rest.
const SPS_RAW_BYTES_MAX: usize = 16 * 1024;
/// `num_short_term_ref_pic_sets`, §7.4.3.2.1.
const REFERENCE_SETS_MAX: u32 = 64;
/// `num_negative_pics` and `num_positive_pics` are at most the size of the picture buffer, §7.4.8.
const REFERENCES_MAX: u32 = 16;
/// `num_long_term_ref_pics_sps`, §7.4.3.2.1.
const LONG_TERM_MAX: u32 = 32;

/// `general_profile_space` to `general_level_idc`, §7.3.3: 12 bytes, as `hvcC` repeats them.
pub(super) type GeneralProfile = [u8; 12];

/// What a sequence parameter set says about the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    /// `sps_seq_parameter_set_id`, 0 to 15.
    pub id: u8,
    /// `sps_max_sub_layers_minus1` and one.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_nesting: bool,
    /// Profile space, tier, profile, compatibility, constraints and level, as they stand in the set.
    pub profile: [u8; 12],
    /// `chroma_format_idc`, 0 to 3.
    pub chroma_format: u8,
    /// `bit_depth_luma_minus8`.
    pub luma_depth_minus8: u8,
    /// `bit_depth_chroma_minus8`.
    pub chroma_depth_minus8: u8,
    /// Luma width in pixels after cropping.
    pub width: u16,
    /// Luma height in pixels after cropping.
    pub height: u16,
    /// Sample aspect ratio; (1, 1) where unspecified.
    pub sar: (u16, u16),
}

impl Sps {
    /// Reads an SPS NAL unit, its two header bytes included.
    pub fn parse(nal: &[u8]) -> Result<Self, H265Error> {
        let raw = rbsp(nal.get(HEADER_BYTES..).unwrap_or_default(), SPS_RAW_BYTES_MAX);
        let mut bits = BitReader::new(&raw);
        bits.bits(4)?; // sps_video_parameter_set_id
        let sub_layers = bits.byte(3)?;
        let temporal_nesting = bits.bit()?;
        let profile = profile_tier_level(&mut bits, sub_layers)?;
        let id = bounded(&mut bits, "sps_seq_parameter_set_id", 15)?;
        let chroma_format = bounded(&mut bits, "chroma_format_idc", 3)?;
        if chroma_format == 3 {
            bits.bit()?; // separate_colour_plane_flag
        }
        let (width, height) = read_size(&mut bits, chroma_format)?;
        let luma_depth_minus8 = bounded(&mut bits, "bit_depth_luma_minus8", 8)?;
        let chroma_depth_minus8 = bounded(&mut bits, "bit_depth_chroma_minus8", 8)?;
        // Nothing behind the depths is worth refusing a stream for.
        let sar = skip_to_vui(&mut bits, sub_layers).ok().and_then(|()| read_sar(&mut bits));
        Ok(Self {
            id,
            temporal_layers: sub_layers + 1,
            temporal_nesting,
            profile,
            chroma_format,
            luma_depth_minus8,
            chroma_depth_minus8,
            width,
            height,
            sar: sar.unwrap_or((1, 1)),
        })
    }
}

fn bounded(bits: &mut BitReader<'_>, field: &'static str, max: u8) -> Result<u8, H265Error> {
    let value = bits.ue()?;
    u8::try_from(value).ok().filter(|v| *v <= max).ok_or(H265Error::Field { field, value, max: max.into() })
}

/// §7.3.3, with what it says of the whole stream.
fn profile_tier_level(bits: &mut BitReader<'_>, sub_layers: u8) -> Result<GeneralProfile, H265Error> {
    let mut general = GeneralProfile::default();
    for byte in &mut general {
        *byte = bits.byte(8)?;
    }
    if sub_layers == 7 {
        return Err(H265Error::Field { field: "sps_max_sub_layers_minus1", value: 7, max: 6 });
    }
    let mut present = Vec::with_capacity(usize::from(sub_layers));
    for _ in 0..sub_layers {
        present.push((bits.bit()?, bits.bit()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * usize::from(8 - sub_layers))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Ok(general)
}

fn read_size(bits: &mut BitReader<'_>, chroma_format: u8) -> Result<(u16, u16), H265Error> {
    let coded = (u64::from(bits.ue()?), u64::from(bits.ue()?));
    // SubWidthC and SubHeightC, Table 6-1.
    let unit: (u64, u64) = match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let mut cropped = (0, 0);
    if bits.bit()? {
        let [left, right, top, bottom] = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?].map(u64::from);
        cropped = ((left + right) * unit.0, (top + bottom) * unit.1);
    }
    Ok((side(coded.0, cropped.0)?, side(coded.1, cropped.1)?))
}

fn side(coded: u64, cropped: u64) -> Result<u16, H265Error> {
    let shown = coded.checked_sub(cropped).and_then(|shown| u16::try_from(shown).ok());
    shown.filter(|shown| *shown > 0).ok_or(H265Error::Size { coded, cropped })
}

/// From the bit depths to `vui_parameters_present_flag`.
fn skip_to_vui(bits: &mut BitReader<'_>, sub_layers: u8) -> Result<(), BitError> {
    let poc_bits = bits.ue()?.saturating_add(4);
    let orderings = if bits.bit()? { sub_layers + 1 } else { 1 };
    for _ in 0..3 * orderings + 6 {
        bits.ue()?; // sub-layer ordering; block sizes; hierarchy depths
    }
    if bits.bit()? && bits.bit()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.bit()? {
        bits.skip(8)?; // pcm bit depths
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?; // pcm_loop_filter_disabled_flag
    }
    skip_reference_sets(bits)?;
    if bits.bit()? {
        let count = within(bits, LONG_TERM_MAX)?;
        bits.skip(count as usize * (poc_bits.min(16) as usize + 1))?;
    }
    bits.skip(2) // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
}

/// A count that the standard bounds; more is as unreadable as a code that is too long.
fn within(bits: &mut BitReader<'_>, max: u32) -> Result<u32, BitError> {
    let at = bits.position();
    bits.ue().and_then(|count| if count <= max { Ok(count) } else { Err(BitError::Golomb(at)) })
}

/// `scaling_list_data`, §7.3.4.
fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Result<(), BitError> {
    for size in 0..4 {
        let lists = if size == 3 { 2 } else { 6 };
        for _ in 0..lists {
            if !bits.bit()? {
                bits.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                bits.se()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..64.min(1 << (4 + (size << 1))) {
                bits.se()?;
            }
        }
    }
    Ok(())
}

/// The short-term reference picture sets, §7.3.7.
fn skip_reference_sets(bits: &mut BitReader<'_>) -> Result<(), BitError> {
    let mut pictures = 0;
    for set in 0..within(bits, REFERENCE_SETS_MAX)? {
        let predicted = set > 0 && bits.bit()?;
        if !predicted {
            let (before, after) = (within(bits, REFERENCES_MAX)?, within(bits, REFERENCES_MAX)?);
            pictures = before + after;
            for _ in 0..pictures {
                bits.ue()?; // delta_poc_minus1
                bits.bit()?; // used_by_curr_pic_flag
            }
            continue;
        }
        bits.bit()?; // delta_rps_sign
        bits.ue()?; // abs_delta_rps_minus1
        let candidates = pictures + 1;
        pictures = 0;
        for _ in 0..candidates {
            let kept = bits.bit()? || bits.bit()?; // used_by_curr_pic_flag, else use_delta_flag
            pictures += u32::from(kept);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{RECORDS, sets};
    use super::*;
    use crate::codec::h264::samples::hex;
    use proptest::prelude::*;
    use shiguredo_mp4::bitstream::h265 as oracle;

    fn sps_of(record: &str) -> Vec<u8> {
        sets(&hex(record))[1].clone()
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
    fn a_set_cut_short_after_the_depths_has_square_pixels() {
        let whole = sps_of(RECORDS[2].0);
        let cuts: Vec<_> = (0..whole.len()).map(|end| Sps::parse(&whole[..end]).ok()).collect();
        assert_eq!(cuts.iter().flatten().last().map(|sps| (sps.width, sps.sar)), Some((720, (64, 45))));
        assert!(cuts.iter().flatten().any(|sps| (sps.width, sps.height, sps.sar) == (720, 576, (1, 1))));
        assert!(cuts[..18].iter().all(Option::is_none));
    }

    proptest! {
        #[test]
        fn bytes_are_read_as_another_reader_reads_them(
            record in 0usize..6, flips in prop::collection::vec((0usize..400, 0usize..8), 0..4),
        ) {
            let mut nal = sps_of(RECORDS[record].0);
            for (at, bit) in flips {
                let at = 2 + at % (nal.len() - 2);
                nal[at] ^= 1 << bit;
            }
            let Ok(theirs) = oracle::parse_sps(&nal) else { return Ok(()) };
            // They do not look at every range.
            let ours = match Sps::parse(&nal) {
                Ok(ours) => ours,
                Err(H265Error::Field { .. }) => return Ok(()),
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            };
            prop_assert_eq!((ours.width, ours.height), (theirs.width, theirs.height));
            prop_assert_eq!(ours.chroma_format, theirs.chroma_format_idc);
            prop_assert_eq!(ours.luma_depth_minus8, theirs.bit_depth_luma_minus8);
            prop_assert_eq!(ours.temporal_layers, theirs.sps_max_sub_layers_minus1 + 1);
            prop_assert_eq!(ours.profile[11], theirs.general_level_idc);
        }

        #[test]
        fn any_bytes_are_read_or_refused(nal: Vec<u8>) {
            if let Ok(sps) = Sps::parse(&nal) {
                prop_assert!(sps.width > 0 && sps.height > 0 && sps.sar.0 > 0 && sps.sar.1 > 0);
            }
        }
    }
}
