//! Clips of a real tape in real players: what FFmpeg, GStreamer and Chromium show of a clip equals what FFmpeg
//! decodes of the published file for that interval, picture by picture, and what FFmpeg plays sample by sample.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails it by unwrapping")]

mod chromium;
mod compared;
mod epochs;
mod intervals;
mod loopback;
mod making;
mod now;
mod odd;
mod offset;
mod peers;
mod players;
mod published;
mod reference;
mod storage;
