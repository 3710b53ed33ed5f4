//! The binary `tapeline`: reads the command line, runs the command, and turns what stops it into one line and
//! an exit code. Everything else has its own module.

mod access;
mod api;
mod app;
mod assets;
mod catalogue;
mod cli;
mod clock;
mod config;
mod data_dir;
mod demo;
mod http;
mod log;
mod making;
mod materialise;
mod meter;
mod net;
mod rebuild;
mod retention;
mod rtmp;
mod serve;
mod settle;
mod stop;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
