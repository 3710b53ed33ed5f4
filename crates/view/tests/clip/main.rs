//! Clips of a real tape in real players: what FFmpeg and GStreamer show of a clip equals what FFmpeg decodes
//! of the published file for that interval, picture by picture and sample by sample. Browsers are tested
//! with the server.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails it by unwrapping")]

mod peers;
mod players;
mod published;
mod storage;
