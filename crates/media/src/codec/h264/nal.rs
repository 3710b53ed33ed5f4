//! What the NAL units of H.264 are. How they are framed is [`crate::codec::nal`]'s knowledge.

/// `nal_unit_type`, ITU-T H.264 Table 7-1: the ones with a meaning here.
pub(super) mod kind {
    pub(in super::super) const SLICE: u8 = 1;
    pub(in super::super) const SLICE_A: u8 = 2;
    pub(in super::super) const IDR: u8 = 5;
    pub(in super::super) const SEI: u8 = 6;
    pub(in super::super) const SPS: u8 = 7;
    pub(in super::super) const PPS: u8 = 8;
    pub(in super::super) const SPS_EXT: u8 = 13;
}

/// The type of a NAL unit; 0 (unspecified) for an empty one.
pub(super) fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}
