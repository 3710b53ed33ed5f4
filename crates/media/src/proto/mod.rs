//! Protocols as pure state machines: bytes and time in, bytes and events out.

pub mod amf;
pub mod rtmp;
