//! NAL units of H.264 and H.265 and the two ways of framing them: lengths (ISO/IEC 14496-15 §5.3.3 and
//! §8.3.3) and start codes (Annex B of ITU-T H.264 and H.265). Says which framing a payload has; knows
//! nothing of what the units mean.

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of the length in front of each NAL unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthSize(u8);

impl LengthSize {
    /// Four bytes: what packets carry here, and by far the usual.
    pub const FOUR: Self = Self(4);

    /// From `lengthSizeMinusOne`. The reserved value 2 (three bytes) is read as it says, as FFmpeg does.
    pub(in crate::codec) const fn from_minus_one(value: u8) -> Self {
        Self((value & 3) + 1)
    }

    /// The number of bytes, 1 to 4.
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }
}

/// How the NAL units of a payload are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codec) enum Framing {
    Lengths(LengthSize),
    StartCodes,
}

/// Where the lengths of a payload stop making sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::codec) struct BadLength {
    pub(in crate::codec) offset: usize,
    pub(in crate::codec) length: usize,
    pub(in crate::codec) left: usize,
}

/// The framing of a payload whose header promises lengths. Some encoders send start codes all the same.
/// With short lengths a leading start code decides, as it would begin with an empty unit there. With
/// longer ones `00 00 01 xx` is an honest length too, so the lengths are believed while they add up.
pub(in crate::codec) fn framing(payload: &[u8], lengths: LengthSize) -> Result<Framing, BadLength> {
    let coded = starts_with_code(payload);
    if coded && lengths.bytes() < 3 {
        return Ok(Framing::StartCodes);
    }
    match check_lengths(payload, lengths) {
        Ok(()) => Ok(Framing::Lengths(lengths)),
        Err(_) if coded => Ok(Framing::StartCodes),
        Err(bad) => Err(bad),
    }
}

fn check_lengths(payload: &[u8], lengths: LengthSize) -> Result<(), BadLength> {
    let mut at = 0;
    while at < payload.len() {
        let left = payload.len() - at;
        let Some(length) = read_length(&payload[at..], lengths) else {
            // Zero padding shorter than a length carries nothing.
            let padding = payload[at..].iter().all(|&byte| byte == 0);
            return if padding { Ok(()) } else { Err(BadLength { offset: at, length: 0, left }) };
        };
        let body = left - lengths.bytes();
        if length > body {
            return Err(BadLength { offset: at, length, left: body });
        }
        at += lengths.bytes() + length;
    }
    Ok(())
}

fn read_length(bytes: &[u8], lengths: LengthSize) -> Option<usize> {
    let field = bytes.get(..lengths.bytes())?;
    Some(field.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
}

/// Whether the bytes begin with `00 00 01` or `00 00 00 01`.
pub(in crate::codec) fn starts_with_code(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 0, 1]) || bytes.starts_with(&[0, 0, 0, 1])
}

/// The NAL units of a payload with a known framing, without empty ones. A unit that itself begins with
/// a start code (an encoder that put one length before a whole Annex B access unit) is taken apart too:
/// no NAL unit begins with a zero byte.
pub(in crate::codec) fn units(payload: &[u8], framing: Framing) -> impl Iterator<Item = &[u8]> {
    let (lengths, codes) = match framing {
        Framing::Lengths(size) => (Some(ByLength { rest: payload, size }), None),
        Framing::StartCodes => (None, Some(ByCode::new(payload))),
    };
    let unwrapped = lengths.into_iter().flatten().flat_map(|unit| {
        let codes = starts_with_code(unit).then(|| ByCode::new(unit));
        let whole = codes.is_none().then_some(unit);
        whole.into_iter().chain(codes.into_iter().flatten())
    });
    unwrapped.chain(codes.into_iter().flatten())
}

/// Whether the payload is just what [`units`] yields behind 4-byte lengths.
fn is_canonical(payload: &[u8], framing: Framing) -> bool {
    if framing != Framing::Lengths(LengthSize::FOUR) {
        return false;
    }
    let mut walk = ByLength { rest: payload, size: LengthSize::FOUR };
    let mut bytes = 0;
    let whole = walk.all(|unit| {
        bytes += LengthSize::FOUR.bytes() + unit.len();
        !starts_with_code(unit)
    });
    whole && bytes == payload.len()
}

/// The units of a payload behind 4-byte lengths, `bytes` in all; the payload itself where that is what it is.
pub(in crate::codec) fn canonical(payload: &Bytes, framing: Framing, bytes: usize) -> Bytes {
    if is_canonical(payload, framing) {
        return payload.clone();
    }
    let mut out = BytesMut::with_capacity(bytes);
    for nal in units(payload, framing) {
        let length = u32::try_from(nal.len()).expect("callers bound the payload far below 4 GiB");
        out.put_u32(length);
        out.put_slice(nal);
    }
    out.freeze()
}

/// Without the zero bytes that byte-stream writers leave behind a unit: §7.4.1 of H.264 and H.265 forbids a
/// NAL unit to end in one.
pub(in crate::codec) fn trimmed(nal: &[u8]) -> &[u8] {
    &nal[..nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)]
}

/// Units behind lengths that are known to add up.
struct ByLength<'a> {
    rest: &'a [u8],
    size: LengthSize,
}

impl<'a> Iterator for ByLength<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let length = read_length(self.rest, self.size)?;
            let body = &self.rest[self.size.bytes()..];
            let unit = body.get(..length)?;
            self.rest = &body[length..];
            if length > 0 {
                return Some(unit);
            }
        }
    }
}

/// Units between start codes. Zero bytes before a start code and at the end belong to no unit.
struct ByCode<'a> {
    rest: &'a [u8],
}

impl<'a> ByCode<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let first = find_code(bytes).map_or(bytes.len(), |at| at + 3);
        Self { rest: &bytes[first..] }
    }
}

impl<'a> Iterator for ByCode<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (unit, rest) = match find_code(self.rest) {
                Some(at) => (&self.rest[..at], &self.rest[at + 3..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
        None
    }
}

fn find_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(payload: &[u8], size: u8) -> Result<Vec<Vec<u8>>, BadLength> {
        let framing = framing(payload, LengthSize::from_minus_one(size - 1))?;
        Ok(units(payload, framing).map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn lengths_of_every_size_are_read() {
        assert_eq!(all(&[0, 0, 0, 2, 9, 240, 0, 0, 0, 1, 6], 4), Ok(vec![vec![9, 240], vec![6]]));
        assert_eq!(all(&[0, 0, 1, 9], 3), Ok(vec![vec![9]]));
        assert_eq!(all(&[0, 2, 9, 240, 0, 0, 0, 1, 6], 2), Ok(vec![vec![9, 240], vec![6]]));
        assert_eq!(all(&[1, 9, 2, 6, 5], 1), Ok(vec![vec![9], vec![6, 5]]));
    }

    #[test]
    fn start_codes_where_lengths_belong_are_seen() {
        let coded = [0, 0, 0, 1, 9, 240, 0, 0, 1, 0x65, 0x88, 0x84, 0, 0, 0, 1, 6, 7, 0];
        for size in [1, 2, 3, 4] {
            assert_eq!(
                all(&coded, size),
                Ok(vec![vec![9, 240], vec![0x65, 0x88, 0x84], vec![6, 7]]),
                "{size}"
            );
        }
    }

    #[test]
    fn an_honest_length_that_looks_like_a_start_code_stays_a_length() {
        let mut payload = vec![0, 0, 1, 4];
        payload.extend([0x41; 260]);
        assert_eq!(all(&payload, 4), Ok(vec![vec![0x41; 260]]));
    }

    #[test]
    fn one_length_before_a_whole_annex_b_unit_is_taken_apart() {
        let payload = [0, 0, 0, 11, 0, 0, 0, 1, 9, 240, 0, 0, 1, 0x65, 0x88];
        assert_eq!(all(&payload, 4), Ok(vec![vec![9, 240], vec![0x65, 0x88]]));
    }

    #[test]
    fn lengths_past_the_end_say_where() {
        assert_eq!(
            all(&[0, 0, 0, 2, 9, 240, 0, 0, 1, 0, 6, 6], 4),
            Err(BadLength { offset: 6, length: 256, left: 2 })
        );
        assert_eq!(all(&[0, 0, 0, 2, 9, 240, 0, 7], 4), Err(BadLength { offset: 6, length: 0, left: 2 }));
    }

    proptest! {
        #[test]
        fn units_written_with_lengths_are_read_back(
            nals in prop::collection::vec(prop::collection::vec(1u8.., 1..300), 0..20), size in 2u8..=4,
        ) {
            let mut payload = Vec::new();
            for nal in &nals {
                payload.extend(&(nal.len() as u32).to_be_bytes()[4 - usize::from(size)..]);
                payload.extend(nal);
            }
            // `00 01 ..` and the like are units of their own; a start code there is what the size rules out.
            prop_assume!(size > 2 || !starts_with_code(&payload));
            prop_assert_eq!(all(&payload, size), Ok(nals));
        }

        #[test]
        fn any_bytes_are_read_or_refused(payload: Vec<u8>, size in 1u8..=4) {
            if let Ok(nals) = all(&payload, size) {
                prop_assert!(nals.iter().map(Vec::len).sum::<usize>() <= payload.len());
                prop_assert!(nals.iter().all(|nal| !nal.is_empty()));
            }
        }
    }
}
