//! What the NAL units of H.265 are. How they are framed is [`crate::codec::nal`]'s knowledge.

/// Bytes of a NAL unit's header, ITU-T H.265 §7.3.1.2.
pub(super) const HEADER_BYTES: usize = 2;

/// `nal_unit_type`, ITU-T H.265 Table 7-1: the ones with a meaning here.
pub(super) mod kind {
    pub(in super::super) const BLA_W_LP: u8 = 16;
    pub(in super::super) const BLA_W_RADL: u8 = 17;
    pub(in super::super) const BLA_N_LP: u8 = 18;
    pub(in super::super) const IDR_W_RADL: u8 = 19;
    pub(in super::super) const IDR_N_LP: u8 = 20;
    pub(in super::super) const CRA: u8 = 21;
    pub(in super::super) const VPS: u8 = 32;
    pub(in super::super) const SPS: u8 = 33;
    pub(in super::super) const PPS: u8 = 34;
    /// Unspecified: stands for a unit too short to have a header.
    pub(in super::super) const NONE: u8 = 63;
}

/// The type of a NAL unit of the base layer. Units of other layers (alpha, a second view) are for decoders
/// that know them; here they have no meaning.
pub(super) fn nal_type(nal: &[u8]) -> u8 {
    match nal {
        [first, second, ..] if (first & 1) == 0 && (second >> 3) == 0 => first >> 1 & 0x3f,
        _ => kind::NONE,
    }
}
