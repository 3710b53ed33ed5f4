//! Codec bitstreams: the little of each that a server must read.

pub mod aac;
pub mod av1;
mod bits;
pub mod h264;
pub mod h265;
pub mod mp3;
mod nal;
pub mod opus;
pub mod vp9;

pub use bits::BitError;
