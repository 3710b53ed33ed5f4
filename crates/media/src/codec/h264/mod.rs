//! H.264 as far as a server must read it: parameter sets, the decoder configuration and where decoding
//! can begin. No picture is decoded and nothing but framing and parameter sets is ever rewritten.

mod access_unit;
mod config;
mod nal;
mod sps;

pub use crate::codec::nal::LengthSize;
pub use access_unit::{
    ACCESS_UNIT_BYTES_MAX, AccessUnit, AccessUnitError, KeyFlag, SETS_PER_ACCESS_UNIT_MAX, access_unit,
};
pub use config::{
    Absorbed, H264Error, Header, PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_BYTES_MAX, ParameterSets,
};
pub use sps::Sps;
pub(in crate::codec) use sps::read_sar;

#[cfg(test)]
pub(crate) mod samples;
