//! Reading codec headers bit by bit, most significant bit first, and undoing emulation prevention.
//! Knows no syntax of its own; every read past the end is an error, never a panic.

use thiserror::Error;

/// Most leading zeros of an Exp-Golomb code: no syntax element of H.264 needs more than 32 bits
/// (ITU-T H.264 §9.1).
const GOLOMB_ZEROS_MAX: u32 = 31;

/// Why bits could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BitError {
    /// The data ends inside the element.
    #[error("it ends after {0} bits, inside a field")]
    End(usize),
    /// An Exp-Golomb code of more than 32 bits.
    #[error("an Exp-Golomb code at bit {0} is longer than 32 bits")]
    Golomb(usize),
}

/// A place in a run of bits.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Bits read so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// Bits left to read.
    pub(crate) const fn left(&self) -> usize {
        self.data.len() * 8 - self.at
    }

    pub(crate) fn bit(&mut self) -> Result<bool, BitError> {
        let byte = self.data.get(self.at / 8).ok_or(BitError::End(self.at))?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// Up to 32 bits as a number.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, BitError> {
        debug_assert!(count <= 32, "callers read fields of at most 32 bits");
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Ok(value)
    }

    /// Up to 8 bits as a number.
    pub(crate) fn byte(&mut self, count: u32) -> Result<u8, BitError> {
        debug_assert!(count <= 8, "a byte has 8 bits");
        Ok(self.bits(count)? as u8)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<(), BitError> {
        if count > self.left() {
            return Err(BitError::End(self.data.len() * 8));
        }
        self.at += count;
        Ok(())
    }

    /// `ue(v)`, ITU-T H.264 §9.1.
    pub(crate) fn ue(&mut self) -> Result<u32, BitError> {
        let start = self.at;
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > GOLOMB_ZEROS_MAX {
                return Err(BitError::Golomb(start));
            }
        }
        Ok((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// `se(v)`, ITU-T H.264 §9.1.1.
    pub(crate) fn se(&mut self) -> Result<i64, BitError> {
        let code = i64::from(self.ue()?);
        Ok(if code % 2 == 0 { -(code / 2) } else { (code + 1) / 2 })
    }
}

/// The raw bytes of a NAL unit's body: without the emulation prevention bytes of ITU-T H.264 §7.4.1,
/// at most `limit` of them, made as they are asked for.
pub(crate) fn rbsp(body: &[u8], limit: usize) -> Vec<u8> {
    let mut raw = Vec::with_capacity(body.len().min(limit));
    let mut zeros = 0;
    for &byte in body {
        if raw.len() == limit {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        raw.push(byte);
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golomb_codes_read_as_the_table_says() {
        // Table 9-2: 1, 010, 011, 00100, 00111 are 0, 1, 2, 3, 6.
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_0011, 0b1000_0000]);
        assert_eq!([0; 5].map(|_| bits.ue().unwrap()), [0, 1, 2, 3, 6]);
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([0; 5].map(|_| bits.se().unwrap()), [0, 1, -1, 2, -2]);
    }

    #[test]
    fn the_longest_code_fits_and_a_longer_one_is_refused() {
        let mut bits = BitReader::new(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(bits.ue(), Ok(u32::MAX - 1));
        assert_eq!(BitReader::new(&[0, 0, 0, 0, 0xff]).ue(), Err(BitError::Golomb(0)));
        assert_eq!(BitReader::new(&[0, 0]).ue(), Err(BitError::End(16)));
    }

    #[test]
    fn emulation_prevention_is_undone_once() {
        assert_eq!(rbsp(&[0, 0, 3, 1, 0, 0, 3, 3, 0, 0, 3], 99), [0, 0, 1, 0, 0, 3, 0, 0]);
        assert_eq!(rbsp(&[0, 0, 3, 0, 0, 3, 0], 99), [0, 0, 0, 0, 0]);
        assert_eq!(rbsp(&[1, 2, 3], 2), [1, 2]);
    }

    proptest! {
        #[test]
        fn reads_never_pass_the_end(data: Vec<u8>, counts in prop::collection::vec(0u32..=32, 0..64)) {
            let mut bits = BitReader::new(&data);
            for count in counts {
                let before = bits.position();
                match bits.bits(count) {
                    Ok(_) => prop_assert_eq!(bits.position(), before + count as usize),
                    Err(e) => { prop_assert_eq!(e, BitError::End(data.len() * 8)); break }
                }
            }
            prop_assert!(bits.position() + bits.left() == data.len() * 8);
        }
    }
}
