//! `cargo xtask`: the tasks of the house, one subcommand each. Only the command line is here; each task has
//! its own module, and none of them is needed to build or run the server but `demo`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who started it")]

mod bare;
mod ci;
mod demo;
mod fuzz;
mod process;
mod sim;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of the house")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check everything, the same by hand and in CI; the last line is `N passed, M failed`
    Ci(ci::Options),
    /// Check the rules that no compiler checks: sizes, crate direction, links, licences and the like
    Tidy,
    /// Fuzz every parser for a bounded time and print how far each got
    Fuzz(fuzz::Options),
    /// Simulate the log over a failing volume, seed by seed
    Sim(sim::Options),
    /// Draw target/demo/demo.flv, the file that `tapeline serve --demo` loops
    Demo,
    /// Set up a bare Debian in target/bare, build there, start the server and run the README's shell blocks
    Bare(bare::Options),
}

fn main() -> ExitCode {
    run(Arguments::parse().task).unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    let root = workspace::root();
    match task {
        Task::Ci(options) => ci::run(&root, &options),
        Task::Tidy => tidy::run(&root),
        Task::Fuzz(options) => fuzz::run(&root, &options),
        Task::Sim(options) => sim::run(&options),
        Task::Demo => demo::run(&root).map(|()| ExitCode::SUCCESS),
        Task::Bare(options) => bare::run(&root, &options),
    }
}
