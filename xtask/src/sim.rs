//! `cargo xtask sim`: the simulator of the log over many seeds, with the table of how often each fault hit each
//! kind of operation, and the planted bugs that it has to find.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tape::plant::Bug;
use tape::sim::{self, Hits};

use crate::ci::Tally;

/// Seeds within which every planted bug has to show.
const BUG_SEEDS: u64 = 2000;
/// Seeds of the run in `cargo xtask ci`; the long form is `cargo xtask sim --seeds 100000`.
const CI_SEEDS: u64 = 2000;

/// Which seeds to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run this one seed
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Run this many seeds
    #[arg(long, value_name = "COUNT", default_value_t = CI_SEEDS)]
    seeds: u64,
    /// Begin with this seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Plant a bug, `all` for one after the other: each has to be found within 2000 seeds
    #[arg(long, value_name = "NAME")]
    planted: Option<String>,
}

/// Runs what the options ask for; fails at the first seed that violates a promise.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    match &options.planted {
        Some(name) => find_bugs(&bugs(name)?)?,
        None => {
            let from = options.seed.unwrap_or(options.from);
            let count = options.seed.map_or(options.seeds, |_| 1);
            hold(from, count)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The step of `cargo xtask ci`: every seed and every planted bug counts as one.
pub(crate) fn check() -> Result<Tally> {
    hold(0, CI_SEEDS)?;
    find_bugs(&Bug::ALL)?;
    Ok(Tally::passed(CI_SEEDS + Bug::ALL.len() as u64))
}

fn hold(from: u64, count: u64) -> Result<()> {
    let mut hits = Hits::default();
    for seed in from..from + count {
        let found = sim::run(seed, None).map_err(anyhow::Error::msg);
        hits.add(&found.with_context(|| format!("seed {seed}; again with: cargo xtask sim --seed {seed}"))?);
    }
    println!("{count} seeds from {from} hold; faults by kind and operation:\n{hits}");
    Ok(())
}

fn bugs(name: &str) -> Result<Vec<Bug>> {
    let named = |b: &&Bug| name == "all" || format!("{b:?}").eq_ignore_ascii_case(name);
    let found: Vec<Bug> = Bug::ALL.iter().filter(named).copied().collect();
    if found.is_empty() {
        bail!("no bug {name:?}; there are {:?}", Bug::ALL);
    }
    Ok(found)
}

fn find_bugs(bugs: &[Bug]) -> Result<()> {
    for bug in bugs {
        let found = (0..BUG_SEEDS).find_map(|seed| Some((seed, sim::run(seed, Some(*bug)).err()?)));
        let Some((seed, what)) = found else { bail!("{bug:?} is not found within {BUG_SEEDS} seeds") };
        println!("{bug:?} is found by seed {seed}: {what}");
    }
    Ok(())
}
