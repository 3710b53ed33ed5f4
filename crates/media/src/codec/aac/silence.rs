//! An access unit of AAC in which nothing sounds, for time that has no sound of its own. Written from the syntax,
//! not by an encoder: without scale factor bands there is nothing to encode.

use bytes::{BufMut, Bytes, BytesMut};

use super::asc::{Asc, Extension, channel_configuration};

/// Syntactic elements of a `raw_data_block`, ISO/IEC 14496-3 Table 4.85.
#[derive(Debug, Clone, Copy)]
enum Element {
    /// `single_channel_element`.
    Single,
    /// `channel_pair_element`.
    Pair,
    /// `lfe_channel_element`.
    Low,
}

use Element::{Low, Pair, Single};

/// The elements of a `channelConfiguration`, Table 1.19. None where it is reserved, or spelled out by a program
/// configuration.
const fn elements(configuration: u8) -> &'static [Element] {
    match configuration {
        1 => &[Single],
        2 => &[Pair],
        3 => &[Single, Pair],
        4 => &[Single, Pair, Single],
        5 => &[Single, Pair, Pair],
        6 => &[Single, Pair, Pair, Low],
        7 | 12 => &[Single, Pair, Pair, Pair, Low],
        11 => &[Single, Pair, Pair, Single, Low],
        14 => &[Single, Pair, Pair, Low, Pair],
        _ => &[],
    }
}

/// A silent access unit for decoders of this AudioSpecificConfig; `None` where there is none: with SBR, whose
/// decoders go on with the last envelope they had and make noise of it, and with channels that a program
/// configuration lays out.
pub fn silent_access_unit(asc: &[u8]) -> Option<Bytes> {
    let parsed = Asc::parse(asc).ok().filter(|asc| asc.extension == Extension::None)?;
    let elements = elements(channel_configuration(&parsed.bytes).ok()?);
    if elements.is_empty() {
        return None;
    }
    let mut bits = Bits::default();
    let mut tags = [0u8; 3];
    for element in elements {
        let tag = &mut tags[*element as usize];
        write(&mut bits, *element, *tag);
        *tag += 1;
    }
    bits.put(3, 0b111); // ID_END, then byte_alignment()
    Some(bits.finish())
}

/// §4.4.2.1, Tables 4.4 to 4.9.
fn write(bits: &mut Bits, element: Element, tag: u8) {
    match element {
        Single | Low => {
            bits.put(3, if matches!(element, Single) { 0b000 } else { 0b011 });
            bits.put(4, tag);
            bits.put(8, 0); // global_gain
            ics_info(bits);
            no_tools(bits);
        }
        Pair => {
            bits.put(3, 0b001);
            bits.put(4, tag);
            bits.put(1, 1); // common_window
            ics_info(bits);
            bits.put(2, 0); // ms_mask_present
            for _ in 0..2 {
                bits.put(8, 0); // global_gain
                no_tools(bits);
            }
        }
    }
}

/// One long window and no scale factor band, so that neither sections nor scale factors nor a spectrum follow.
fn ics_info(bits: &mut Bits) {
    bits.put(1, 0); // ics_reserved_bit
    bits.put(2, 0); // ONLY_LONG_SEQUENCE
    bits.put(1, 0); // window_shape
    bits.put(6, 0); // max_sfb
    bits.put(1, 0); // predictor_data_present
}

fn no_tools(bits: &mut Bits) {
    bits.put(3, 0); // pulse_data_present, tns_data_present, gain_control_data_present
}

/// Bits to bytes, most significant first.
#[derive(Default)]
struct Bits {
    out: BytesMut,
    open: u8,
    used: u8,
}

impl Bits {
    /// Appends the `count` lowest bits of a value.
    fn put(&mut self, count: u8, value: u8) {
        for bit in (0..count).rev() {
            self.open = self.open << 1 | (value >> bit & 1);
            self.used += 1;
            if self.used == 8 {
                self.out.put_u8(self.open);
                (self.open, self.used) = (0, 0);
            }
        }
    }

    fn finish(mut self) -> Bytes {
        if self.used > 0 {
            self.put(8 - self.used, 0);
        }
        self.out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(asc: &[u8]) -> Option<String> {
        silent_access_unit(asc).map(|unit| unit.iter().map(|b| format!("{b:02x}")).collect())
    }

    #[test]
    fn each_channel_configuration_has_its_elements() {
        // 48 kHz, AAC-LC, one channel: 000 0000 00000000 0 00 0 000000 0 000 111.
        assert_eq!(hex(&[0x11, 0x88]).as_deref(), Some("00000007"));
        // Two: 001 0000 1 00000000000 00 and twice 00000000 000, 111.
        assert_eq!(hex(&[0x11, 0x90]).as_deref(), Some("21000000001c"));
        let bits =
            |configuration: u8| silent_access_unit(&[0x11, 0x80 | configuration << 3]).map(|u| u.len());
        assert_eq!([3, 4, 5, 6, 7].map(bits), [Some(10), Some(13), Some(15), Some(19), Some(24)]);
        assert_eq!(bits(8), None, "reserved");
    }

    #[test]
    fn sbr_and_spelled_out_channels_have_none() {
        assert_eq!(hex(&[0x2b, 0x09, 0x88, 0x00]), None, "HE-AAC");
        assert_eq!(hex(&[0x11, 0x80, 0x04, 0xc8, 0x44, 0x00, 0x20, 0x00]), None, "a program configuration");
        assert_eq!(hex(&[]), None);
    }
}
