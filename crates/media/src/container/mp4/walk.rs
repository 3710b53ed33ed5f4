//! Box headers, ISO/IEC 14496-12 §4.2, read from the front of a byte slice.

use thiserror::Error;

/// A box header: what it is, how long it is, and where its body begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxHeader {
    /// The four-character type.
    pub kind: [u8; 4],
    /// Bytes of the header: 8, or 16 with a 64-bit size.
    pub header_len: u64,
    /// Bytes of the whole box, header included; `None` when it reaches to the end of the file.
    pub len: Option<u64>,
}

/// Why a box header cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WalkError {
    /// Fewer bytes than the header needs.
    #[error("the box header is cut off")]
    Truncated,
    /// A size smaller than its own header.
    #[error("box size {0} is smaller than its header")]
    Size(u64),
}

/// Reads the header at the front of `bytes`, which may hold more or less than the box.
pub fn read_box_header(bytes: &[u8]) -> Result<BoxHeader, WalkError> {
    let (size, kind) = match bytes {
        [a, b, c, d, k0, k1, k2, k3, ..] => (u32::from_be_bytes([*a, *b, *c, *d]), [*k0, *k1, *k2, *k3]),
        _ => return Err(WalkError::Truncated),
    };
    match size {
        0 => Ok(BoxHeader { kind, header_len: 8, len: None }),
        1 => {
            let large = bytes.get(8..16).ok_or(WalkError::Truncated)?;
            let len = u64::from_be_bytes(large.try_into().expect("eight bytes"));
            if len < 16 {
                Err(WalkError::Size(len))
            } else {
                Ok(BoxHeader { kind, header_len: 16, len: Some(len) })
            }
        }
        2..8 => Err(WalkError::Size(u64::from(size))),
        _ => Ok(BoxHeader { kind, header_len: 8, len: Some(u64::from(size)) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_impossible_ones_refused() {
        assert_eq!(read_box_header(b"\0\0\0\x10moofxxxx").unwrap().len, Some(16));
        assert_eq!(read_box_header(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x20").unwrap().header_len, 16);
        assert_eq!(read_box_header(b"\0\0\0\0mdat").unwrap().len, None);
        assert_eq!(read_box_header(b"\0\0\0\x07moof"), Err(WalkError::Size(7)));
        assert_eq!(read_box_header(b"\0\0\0\x01mdat\0\0"), Err(WalkError::Truncated));
        assert_eq!(read_box_header(b"\0\0\0"), Err(WalkError::Truncated));
    }
}
