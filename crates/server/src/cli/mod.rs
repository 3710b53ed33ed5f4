//! The command line: what can be said to the binary, and the exit codes. 0 is success, 2 is a start that was
//! refused with one line on standard error, 1 is a failure later on.

mod config;
mod key;
mod progress;
mod rebuild;
mod token;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError, Loaded, Sources};

/// Exit code of a command that was refused before it did anything.
const REFUSED: u8 = 2;

/// A live media server that records once and serves everything from the tape.
#[derive(Debug, Parser)]
#[command(name = "tapeline", version, propagate_version = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Quick start:
  tapeline serve --demo                      a moving picture to look at, at http://127.0.0.1:8080/
  tapeline serve --data /var/lib/tapeline    publish to rtmp://HOST:1935/live/cam1, watch /live/cam1.m3u8
  tapeline token new --act publish --stream 'live/*'    lets an encoder on another machine publish
  tapeline config > tapeline.toml            every setting, explained";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Print a configuration file with every setting, its default and what it does.
    Config,
    /// Check that the files of the tape are what they say; exit status 1 when something is wrong. Reads only, and may
    /// run beside the server.
    Verify(VerifyArgs),
    /// Make everything anew that is made from the tape: cached indexes and the facts in the catalog. Titles, tags and
    /// tokens stay. The server must not run.
    Rebuild {
        /// Where the data is.
        #[command(flatten)]
        place: Place,
    },
    /// Make, list and revoke the tokens that let other machines in.
    Token {
        /// Where the catalog is.
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: token::Command,
    },
    /// Make, list and revoke the keys that signed tokens (JWT) are checked with.
    Key {
        /// Where the catalog is.
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: key::Command,
    },
}

/// `tapeline verify`.
#[derive(Debug, Clone, Args)]
struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// The stream to check, such as live/cam1 [default: all].
    #[arg(value_name = "STREAM")]
    stream: Option<String>,
    /// Tell the findings as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Where the configuration and the data are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The configuration file [default: tapeline.toml in the working directory, if there is one].
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The data directory; wins over file and environment.
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

impl Place {
    /// The places to read the settings from.
    fn sources(&self) -> Sources {
        Sources { file: self.config.clone(), data: self.data.clone() }
    }

    /// Reads the settings of this process.
    fn load(&self) -> Result<Loaded, ConfigError> {
        crate::config::load(&self.sources(), environment())
    }

    /// What has to be added to a command so that it finds the same place.
    fn flags(&self) -> String {
        let quoted = |flag: &str, path: &Option<PathBuf>| {
            path.as_ref().map(|p| format!(" {flag} '{}'", p.display())).unwrap_or_default()
        };
        quoted("--config", &self.config) + &quoted("--data", &self.data)
    }
}

/// The environment as text; names and values that are not Unicode cannot be settings.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// `tapeline serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    place: Place,
    /// Publish a looped test picture as live/demo.
    #[arg(long)]
    pub(crate) demo: bool,
}

/// Everything `serve` needs from the command line.
pub(crate) struct ServePlan {
    /// Where the settings came from, for reloads.
    pub(crate) sources: Sources,
    /// The settings.
    pub(crate) loaded: Loaded,
    /// Flags that make another `tapeline` command find the same catalog.
    pub(crate) flags: String,
    /// Whether the demo runs.
    pub(crate) demo: bool,
}

/// Runs the command of this process.
pub(crate) fn run() -> ExitCode {
    // clap prints usage errors itself and exits with 2.
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve(&args),
        Command::Config => config::print(),
        Command::Verify(args) => settings(&args.place).and_then(|config| {
            let form = if args.json { verify::Form::Json } else { verify::Form::Lines };
            verify::run(&config, args.stream.as_deref(), form)
        }),
        Command::Rebuild { place } => settings(&place).and_then(rebuild::run),
        Command::Token { place, command } => settings(&place).and_then(|config| token::run(&config, command)),
        Command::Key { place, command } => settings(&place).and_then(|config| key::run(&config, command)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            say_error(&stop.line);
            ExitCode::from(stop.code)
        }
    }
}

/// The settings for a command that is done at once.
fn settings(place: &Place) -> Result<Config, Stop> {
    let loaded = place.load().map_err(Stop::refused)?;
    for warning in &loaded.warnings {
        say_error(&format!("warning: {warning}"));
    }
    Ok(loaded.config)
}

fn serve(args: &ServeArgs) -> Result<(), Stop> {
    let loaded = args.place.load().map_err(Stop::refused)?;
    crate::serve::run(ServePlan {
        sources: args.place.sources(),
        loaded,
        flags: args.place.flags(),
        demo: args.demo,
    })
}

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct Stop {
    line: String,
    code: u8,
}

impl Stop {
    /// Refused before anything was done: what is wrong and what to do, in one line.
    pub(crate) fn refused(why: impl std::fmt::Display) -> Self {
        Self { line: one_line(&why.to_string()), code: REFUSED }
    }

    /// Failed on the way.
    pub(crate) fn failed(why: impl std::fmt::Display) -> Self {
        Self { line: one_line(&why.to_string()), code: 1 }
    }
}

fn one_line(text: &str) -> String {
    text.split('\n').map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
}

/// A line on standard output for whoever started the command. Nobody may be reading any more.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line on standard error, before or after there is a log.
pub(crate) fn say_error(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "tapeline: {text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_repeat_the_place() {
        let place = Place { config: None, data: Some("/srv/my tape".into()) };
        assert_eq!(place.flags(), " --data '/srv/my tape'");
    }

    #[test]
    fn what_stops_a_start_is_one_line() {
        assert_eq!(Stop::refused("a\n  b\n\n").line, "a; b");
    }
}
