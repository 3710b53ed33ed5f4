//! Codec bitstreams: the little of each that a server must read.

pub mod aac;
mod bits;
pub mod h264;
mod nal;

pub use bits::BitError;
