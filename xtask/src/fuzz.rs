//! `cargo xtask fuzz`: builds every target of fuzz/ once and runs each for a bounded time, some side by side.
//! The compiler is the stable one: libFuzzer's coverage needs no sanitizer. What is found new lies in target/
//! until `--keep` merges it into fuzz/corpus, so that a run leaves the checkout as it was.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use crate::ci::Tally;
use crate::workspace;

/// One input may take this long, in seconds; a parser that needs more has a loop without a limit.
const INPUT_SECONDS_MAX: u64 = 10;

/// Memory one target may use, in MiB; a parser that needs more trusts a length it was told.
const MEMORY_MIB_MAX: u64 = 1024;

/// How many of the last lines of a failed target are shown: its panic and what libFuzzer says about the input.
const LINES_SHOWN: usize = 20;

/// How to fuzz.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many targets run side by side
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only the targets with these names
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Merge what was found new into fuzz/corpus
    #[arg(long)]
    keep: bool,
}

/// Fuzzes as asked.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let targets = chosen(targets(root)?, &options.target)?;
    let fuzzer = Fuzzer::build(root)?;
    let tally = fuzzer.run_all(&targets, options.seconds, options.jobs)?;
    if options.keep {
        targets.iter().try_for_each(|target| fuzzer.merge(target))?;
    }
    println!("{tally}");
    Ok(if tally.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every target for a short time, as a step of `ci`: one count each.
pub(crate) fn smoke(root: &Path, seconds: u64, jobs: usize) -> Result<Tally> {
    let targets = targets(root)?;
    Fuzzer::build(root)?.run_all(&targets, seconds, jobs)
}

/// The names of the `[[bin]]`s of fuzz/Cargo.toml.
fn targets(root: &Path) -> Result<Vec<String>> {
    let text =
        std::fs::read_to_string(root.join("fuzz/Cargo.toml")).context("cannot read fuzz/Cargo.toml")?;
    let manifest: Table = text.parse().context("fuzz/Cargo.toml is no TOML")?;
    let bins = manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<String> = bins.filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned())).collect();
    ensure!(!names.is_empty(), "fuzz/Cargo.toml lists no [[bin]]");
    Ok(names)
}

fn chosen(targets: Vec<String>, wanted: &[String]) -> Result<Vec<String>> {
    for name in wanted {
        ensure!(targets.contains(name), "no fuzz target {name:?}; there are {}", targets.join(", "));
    }
    let is_wanted = |name: &String| wanted.is_empty() || wanted.contains(name);
    Ok(targets.into_iter().filter(is_wanted).collect())
}

/// The built targets.
struct Fuzzer {
    root: PathBuf,
    /// Where cargo-fuzz leaves the programs.
    programs: PathBuf,
}

impl Fuzzer {
    fn build(root: &Path) -> Result<Fuzzer> {
        let arguments = ["fuzz", "build", "--sanitizer", "none", "--target-dir", "fuzz/target"];
        let status = Command::new("cargo").args(arguments).current_dir(root).status();
        let status = status.context("cannot start cargo fuzz; `scripts/setup test` installs it")?;
        ensure!(status.success(), "the fuzz targets do not build ({status})");
        let programs = root.join("fuzz/target").join(workspace::host(root)?).join("release");
        Ok(Fuzzer { root: root.to_owned(), programs })
    }

    fn run_all(&self, targets: &[String], seconds: u64, jobs: usize) -> Result<Tally> {
        let waiting: Mutex<VecDeque<&String>> = Mutex::new(targets.iter().collect());
        let next = || waiting.lock().expect("no worker panics while it holds the list").pop_front();
        let tally_of_one_worker = || -> Result<Tally> {
            let mut tally = Tally::default();
            while let Some(target) = next() {
                tally = [tally, self.run_one(target, seconds)?].into_iter().sum();
            }
            Ok(tally)
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(tally_of_one_worker)).collect();
            workers.into_iter().map(|worker| worker.join().expect("a worker returns its errors")).sum()
        })
    }

    fn run_one(&self, target: &str, seconds: u64) -> Result<Tally> {
        let log = self.found(target).with_extension("log");
        let mut command = self.command(target)?;
        command.arg(format!("-max_total_time={seconds}")).args(self.corpora(target)?);
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let status =
            command.stderr(output).status().with_context(|| format!("cannot start target {target}"))?;
        let said = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let said = String::from_utf8_lossy(&said);
        if status.success() {
            println!("fuzz {target}: {}", Progress::read(&said).context("libFuzzer told no coverage")?);
            return Ok(Tally::passed(1));
        }
        println!("fuzz {target}: FAILED ({status}); its log is {}", log.display());
        let last: Vec<&str> = said.lines().rev().take(LINES_SHOWN).collect();
        last.iter().rev().for_each(|line| println!("  {line}"));
        let input = failing_input(&said).unwrap_or("FILE");
        println!("  again: cargo fuzz run --sanitizer none {target} {input}");
        Ok(Tally::failed(1))
    }

    fn command(&self, target: &str) -> Result<Command> {
        let artifacts = self.root.join("fuzz/artifacts").join(target);
        std::fs::create_dir_all(&artifacts)
            .with_context(|| format!("cannot make {}", artifacts.display()))?;
        let mut command = Command::new(self.programs.join(target));
        command.current_dir(&self.root).env("RUST_BACKTRACE", "0");
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        command.arg(format!("-timeout={INPUT_SECONDS_MAX}")).arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
        Ok(command)
    }

    /// libFuzzer writes into the first folder only.
    fn corpora(&self, target: &str) -> Result<[PathBuf; 2]> {
        let folders = [self.found(target), self.kept(target)];
        for folder in &folders {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(folders)
    }

    fn found(&self, target: &str) -> PathBuf {
        self.root.join("target/fuzz").join(target)
    }

    fn kept(&self, target: &str) -> PathBuf {
        self.root.join("fuzz/corpus").join(target)
    }

    /// Adds to the kept corpus the found inputs that reach something new.
    fn merge(&self, target: &str) -> Result<()> {
        let mut command = self.command(target)?;
        command.args(["-merge=1", "-verbosity=0"]).args([self.kept(target), self.found(target)]);
        let status = command.status().with_context(|| format!("cannot start target {target}"))?;
        ensure!(status.success(), "cannot merge the corpus of {target} ({status})");
        Ok(())
    }
}

/// Where libFuzzer put the input that failed.
fn failing_input(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path.trim())
}

/// How far a target got, from libFuzzer's last status line:
/// `#8192 DONE cov: 412 ft: 1308 corp: 97/5124b lim: 4096 exec/s: 819 rss: 45Mb`
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    runs: u64,
    coverage: u64,
    features: u64,
    inputs: u64,
}

impl Progress {
    fn read(said: &str) -> Option<Progress> {
        let line = said.lines().rev().find(|line| line.starts_with('#') && line.contains(" cov: "))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
        Some(Progress {
            runs: words[0].trim_start_matches('#').parse().ok()?,
            coverage: after("cov:")?.parse().ok()?,
            features: after("ft:")?.parse().ok()?,
            inputs: after("corp:")?.split('/').next()?.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Progress { runs, coverage, features, inputs } = self;
        write!(f, "coverage {coverage} edges, {features} features, {inputs} inputs kept of {runs} run")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_status_line_tells_the_coverage() {
        let said = "INFO: Seed: 1\n#2\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                    #8192\tDONE   cov: 412 ft: 1308 corp: 97/5124b lim: 4096 exec/s: 819 rss: 45Mb\n\
                    Done 8192 runs in 10 second(s)\n";
        let progress = Progress::read(said).unwrap();
        assert_eq!(progress, Progress { runs: 8192, coverage: 412, features: 1308, inputs: 97 });
        assert_eq!(progress.to_string(), "coverage 412 edges, 1308 features, 97 inputs kept of 8192 run");
        assert_eq!(Progress::read("ERROR: no interesting inputs were found\n"), None);
    }

    #[test]
    fn the_failing_input_is_named() {
        let said = "SUMMARY: x\nartifact_prefix='a/'; Test unit written to a/crash-1\nBase64: eA==\n";
        assert_eq!(failing_input(said), Some("a/crash-1"));
        assert_eq!(failing_input("SUMMARY: libFuzzer: out-of-memory\n"), None);
    }

    #[test]
    fn an_unknown_target_is_refused_with_the_known_ones() {
        let known = || vec!["flv".to_owned(), "amf".to_owned()];
        assert_eq!(chosen(known(), &[]).unwrap(), known());
        assert_eq!(chosen(known(), &["amf".to_owned()]).unwrap(), ["amf"]);
        let error = chosen(known(), &["mp4".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "no fuzz target \"mp4\"; there are flv, amf");
    }

    #[test]
    fn targets_are_read_from_the_manifest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("fuzz")).unwrap();
        let manifest = folder.path().join("fuzz/Cargo.toml");
        std::fs::write(&manifest, "[[bin]]\nname = \"flv\"\npath = \"fuzz_targets/flv.rs\"\n").unwrap();
        assert_eq!(targets(folder.path()).unwrap(), ["flv"]);
        std::fs::write(&manifest, "[package]\nname = \"fuzz\"\n").unwrap();
        assert!(targets(folder.path()).is_err());
    }
}
