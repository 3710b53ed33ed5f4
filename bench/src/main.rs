//! `cargo run --release -p bench -- NAME`: measures the release server from outside, beside a physical limit that
//! is measured in the same run on the same machine. Prints a table; nothing here fails because a figure is bad.
#![expect(clippy::print_stdout, reason = "a bench talks to the person who started it")]

mod clips;
mod figures;
mod hls;
mod http;
mod ingest;
mod limits;
mod opening;
mod server;
mod tape_of;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use figures::Table;

/// The option of a child that is started as the plain sink of [`ingest`].
const SINK: &str = "sink";

#[derive(Parser)]
#[command(name = "bench", about = "Measures the release server beside physical limits of the same machine")]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Where tapes are made and removed again: the volume that is measured
    #[arg(long, global = true, default_value = "target/bench")]
    data: PathBuf,
}

#[derive(Subcommand, Clone, PartialEq, Eq)]
enum What {
    /// First media byte of an hour, warm and cold; clips and splits by REST
    Clips,
    /// Playlists of a window of two hours, and the way to the first picture
    Hls,
    /// Processor time of 20 publishers, and REST beside them
    Ingest,
    /// Opening a tape of many days
    Opening {
        /// How many streams
        #[arg(long, default_value_t = 100)]
        streams: u64,
        /// How many days of each
        #[arg(long, default_value_t = 30)]
        days: u64,
    },
    /// All but opening
    All,
    /// What a plain program needs to write the same bytes; started by `ingest`
    #[command(name = SINK, hide = true)]
    Sink { dir: PathBuf, files: usize },
}

fn main() -> Result<()> {
    let Arguments { what, data } = Arguments::parse();
    if let What::Sink { dir, files } = &what {
        return limits::sink(dir, *files);
    }
    if let What::Opening { streams, days } = what {
        std::fs::create_dir_all(&data)?;
        return opening::run(&data, streams, days);
    }
    ensure!(
        std::path::Path::new(server::BINARY).is_file(),
        "{} is missing: cargo build --release --locked -p tapeline",
        server::BINARY
    );
    std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let mut table = Table::new();
    tell_load("before")?;
    if what != What::Ingest {
        let tape = tape_of::make(&data)?;
        if what != What::Hls {
            clips::run(&tape, &mut table)?;
        }
        if what != What::Clips {
            hls::run(&tape, &mut table)?;
        }
    }
    if matches!(what, What::Ingest | What::All) {
        ingest::run(&data, &mut table)?;
    }
    table.print();
    tell_load("after")
}

/// How busy the machine is: what else runs is in every figure.
fn tell_load(when: &str) -> Result<()> {
    println!("load {when}: {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    Ok(())
}
