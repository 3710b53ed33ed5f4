//! HLS over a real tape: what a player is told, from the first segment through restarts.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails it by unwrapping")]

mod answers;
mod any_source;
mod ffmpeg;
mod model;
mod source;
