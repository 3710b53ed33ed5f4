//! Why a decoder configuration or a parameter set is refused.

use thiserror::Error;

use crate::codec::bits::BitError;

/// Why a decoder configuration or a parameter set is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum H265Error {
    /// The record ends early.
    #[error("the HEVC configuration record ends at byte {0}, inside a field")]
    Short(usize),
    /// Neither a record of version 1 nor start codes.
    #[error("the HEVC configuration record has version {0}; only 1 is known")]
    Version(u8),
    /// Nothing to configure a decoder with.
    #[error("the HEVC configuration has no {0}; the encoder must send one before pictures")]
    Missing(&'static str),
    /// A field outside the range the standard gives it.
    #[error("{field} is {value}; the standard allows at most {max}")]
    Field {
        /// The field's name in ITU-T H.265.
        field: &'static str,
        /// Its value.
        value: u32,
        /// The largest legal value.
        max: u32,
    },
    /// Cropping leaves nothing, or the picture does not fit 16 bits.
    #[error("a picture side of {coded} pixels with {cropped} cropped is not between 1 and 65535")]
    Size {
        /// Coded pixels of the side.
        coded: u64,
        /// Pixels cropped from it.
        cropped: u64,
    },
    /// A set, or all of them together, is larger than is kept.
    #[error("parameter sets take {bytes} bytes; at most {max} are kept")]
    TooLarge {
        /// The size found.
        bytes: usize,
        /// The limit it broke.
        max: usize,
    },
    /// A set ends inside a field.
    #[error("a parameter set is cut short: {0}")]
    Bits(#[from] BitError),
}
