//! Tests of the release binary from outside: it is started as anyone would start it, on free loopback ports
//! and an empty data directory, and spoken to over its sockets. FFmpeg is the publisher and the player.
//! Nothing here links the server's code.

#![expect(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures and the server's log belong into a test's output"
)]

mod credentials;
mod ffmpeg;
mod frames;
mod raw;
mod rtmp_peer;
mod server;

mod access;
mod bad_start;
mod barcode;
mod clips;
mod clock_steps;
mod codecs;
mod crash;
mod demo;
mod disks;
mod epochs;
mod hostile_http;
mod hostile_rtmp;
mod http_basics;
mod kill9;
mod matrix;
mod openapi;
mod origins;
mod power_cut;
mod publish;
mod rebuild;
mod rest;
mod restart;
mod retention;
mod revoked;
mod schema;
mod splits;
mod tls;
