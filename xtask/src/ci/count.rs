//! Counting: what a test runner's report says about how many passed and failed. Not running it.

use std::fmt;
use std::iter::Sum;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed, and steps that failed without a test of theirs failing.
    pub(crate) failed: u64,
}

impl Tally {
    /// This many passed.
    pub(crate) fn passed(passed: u64) -> Tally {
        Tally { passed, failed: 0 }
    }

    /// This many failed.
    pub(crate) fn failed(failed: u64) -> Tally {
        Tally { passed: 0, failed }
    }

    /// Did nothing fail?
    pub(crate) fn is_green(self) -> bool {
        self.failed == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Tally>>(tallies: I) -> Tally {
        tallies.fold(Tally::default(), |sum, tally| Tally {
            passed: sum.passed + tally.passed,
            failed: sum.failed + tally.failed,
        })
    }
}

/// How a step's tests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// It runs none: a build, a lint.
    Nothing,
    /// nextest's JUnit file of the profile `ci`.
    Nextest,
    /// The `test result:` lines of `cargo test`; none at all is no error, for a crate without examples.
    Cargo,
    /// The last line of the form `N passed, M failed`.
    Closing,
    /// Vitest's closing line `Tests  1 failed | 2 passed (3)`.
    Vitest,
}

/// Where `.config/nextest.toml` lets the profile `ci` write its report.
fn junit(root: &Path) -> PathBuf {
    root.join("target/nextest/ci/junit.xml")
}

impl Count {
    /// Removes a report of an earlier run, so that a run that dies early is not counted by it.
    pub(crate) fn prepare(self, root: &Path) -> Result<()> {
        let report = junit(root);
        if self == Count::Nextest && report.exists() {
            std::fs::remove_file(&report).with_context(|| format!("cannot remove {}", report.display()))?;
        }
        Ok(())
    }

    /// Counts after the run. A run that failed has at least one failure, and a runner that ran no test failed.
    pub(crate) fn read(self, root: &Path, output: &str, success: bool) -> Result<Tally> {
        let counted = match self {
            Count::Nothing => Some(Tally::default()),
            Count::Nextest => std::fs::read_to_string(junit(root)).ok().and_then(|xml| from_junit(&xml)),
            Count::Cargo => Some(from_cargo(output)),
            Count::Closing => output.lines().rev().find_map(from_closing_line),
            Count::Vitest => output.lines().rev().find_map(from_vitest_line),
        };
        if !success {
            let counted = counted.unwrap_or_default();
            return Ok(Tally { failed: counted.failed.max(1), ..counted });
        }
        let tally = counted.with_context(|| format!("the runner left no count ({self:?})"))?;
        let must_count = !matches!(self, Count::Nothing | Count::Cargo);
        ensure!(!must_count || tally != Tally::default(), "the runner ran no test");
        Ok(tally)
    }
}

/// `<testsuites name="nextest-run" tests="7" failures="1" errors="0" …>`
fn from_junit(xml: &str) -> Option<Tally> {
    let root = &xml[xml.find("<testsuites ")?..];
    let root = &root[..root.find('>')?];
    let attribute = |name: &str| -> Option<u64> {
        let value = &root[root.find(&format!(" {name}=\""))? + name.len() + 3..];
        value[..value.find('"')?].parse().ok()
    };
    let failed = attribute("failures")? + attribute("errors")?;
    Some(Tally { passed: attribute("tests")?.checked_sub(failed)?, failed })
}

/// `test result: ok. 5 passed; 0 failed; 0 ignored; …`, one line per crate
fn from_cargo(output: &str) -> Tally {
    let results = output.lines().filter(|line| line.starts_with("test result: "));
    results.map(|line| Tally { passed: before(line, "passed"), failed: before(line, "failed") }).sum()
}

/// `3 passed, 0 failed`
fn from_closing_line(line: &str) -> Option<Tally> {
    let (passed, failed) = line.trim().split_once(", ")?;
    let passed = passed.strip_suffix(" passed")?.parse().ok()?;
    Some(Tally { passed, failed: failed.strip_suffix(" failed")?.parse().ok()? })
}

/// `      Tests  1 failed | 24 passed (25)`; the file line above it begins with `Test Files`
fn from_vitest_line(line: &str) -> Option<Tally> {
    let counts = line.trim().strip_prefix("Tests ")?;
    Some(Tally { passed: before(counts, "passed"), failed: before(counts, "failed") })
}

/// The number in front of a word, 0 when the word is not there.
fn before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split_whitespace().collect();
    let found = words.windows(2).find(|pair| pair[1].trim_end_matches([';', ',']) == word);
    found.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn junit_is_read_from_its_root() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="7" failures="1" errors="1" uuid="x" time="0.1">
    <testsuite name="xtask" tests="70" disabled="0" errors="0" failures="0">"#;
        assert_eq!(from_junit(xml), Some(tally(5, 2)));
        assert_eq!(from_junit("<html>"), None);
        assert_eq!(from_junit("<testsuites tests=\"1\">"), None);
    }

    #[test]
    fn runners_lines_are_read() {
        let output =
            "test result: ok. 5 passed; 0 failed; 1 ignored\nnoise\ntest result: FAILED. 2 passed; 3 failed;";
        assert_eq!(from_cargo(output), tally(7, 3));
        assert_eq!(from_closing_line("12 passed, 1 failed"), Some(tally(12, 1)));
        assert_eq!(from_closing_line("all passed, none failed"), None);
        assert_eq!(from_vitest_line("      Tests  1 failed | 24 passed (25)"), Some(tally(24, 1)));
        assert_eq!(from_vitest_line("      Tests  25 passed (25)"), Some(tally(25, 0)));
        assert_eq!(from_vitest_line(" Test Files  2 passed (2)"), None);
    }

    #[test]
    fn a_failed_run_is_never_green() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(Count::Nextest.read(nowhere, "", false).unwrap(), tally(0, 1));
        assert_eq!(Count::Closing.read(nowhere, "4 passed, 0 failed", false).unwrap(), tally(4, 1));
        assert_eq!(Count::Nothing.read(nowhere, "", false).unwrap(), tally(0, 1));
    }

    #[test]
    fn a_runner_that_ran_nothing_is_an_error() {
        let nowhere = Path::new("/nonexistent");
        assert!(Count::Nextest.read(nowhere, "", true).is_err());
        assert!(Count::Closing.read(nowhere, "0 passed, 0 failed", true).is_err());
        assert_eq!(Count::Cargo.read(nowhere, "", true).unwrap(), tally(0, 0));
    }

    #[test]
    fn the_closing_line_has_the_form_that_is_read() {
        assert_eq!(from_closing_line(&tally(3, 4).to_string()), Some(tally(3, 4)));
        assert_eq!([tally(1, 0), tally(2, 3)].into_iter().sum::<Tally>(), tally(3, 3));
    }
}
