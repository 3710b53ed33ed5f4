//! H.265 as far as a server must read it: parameter sets, the decoder configuration and where decoding can
//! begin. No picture is decoded and nothing but framing and parameter sets is ever rewritten.

mod access_unit;
mod config;
mod error;
mod nal;
mod sps;

pub use access_unit::{AccessUnit, access_unit};
pub use config::{Absorbed, Header, ParameterSets, parameter_sets, rfc6381};
pub use error::H265Error;
pub use sps::Sps;

#[cfg(test)]
pub(crate) mod samples;
