//! Container formats.

pub mod flv;
pub mod mp4;
