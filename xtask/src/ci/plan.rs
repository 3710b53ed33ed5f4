//! The plan of `cargo xtask ci`: which steps there are, in which order, and what each must not exceed.
//! It builds in two profiles only, `dev` for tests and `release` for the programs that tests start: a third
//! would compile some hundred packages once more. `RUSTFLAGS` is never set, for the same reason.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::count::{Count, Tally};
use crate::{demo, fuzz, sim, tidy, workspace};

/// A step without a limit of its own is ended after this; the longest, a cold release build, takes ten minutes
/// on two cores.
const STEP_MAX: Duration = Duration::from_secs(20 * 60);

/// How long each fuzz target runs.
const FUZZ_SECONDS: u64 = 10;

/// How many fuzz targets run side by side.
const FUZZ_JOBS: usize = 2;

/// One step.
pub(super) struct Step {
    /// Its name in the report and for `--only`.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) work: Work,
}

/// What a step does.
pub(super) enum Work {
    /// Runs a tool; it passes when the tool exits with 0.
    Command {
        argv: Vec<String>,
        /// Relative to the root of the workspace.
        dir: &'static str,
        env: Vec<(&'static str, &'static str)>,
        count: Count,
        limit: Duration,
    },
    /// Runs a task of this program.
    Task(fn(&Path) -> Result<Tally>),
    /// Nothing to do, for this reason.
    Skip(String),
}

/// What the plan depends on.
pub(super) struct Facts {
    /// The scripts of console/package.json, when there is a console.
    pub(super) console: Option<Vec<String>>,
    /// Is there a fuzz/ folder?
    pub(super) fuzz: bool,
    /// The Rust that the lints are written for, as Cargo.toml's `rust-version` states it: `1.95`.
    pub(super) rust: String,
    /// The clippy that is there: `0.1.95`. Without one its step fails by itself.
    pub(super) clippy: Option<String>,
}

impl Facts {
    /// Looks at the checkout and the tools.
    pub(super) fn read(root: &Path) -> Result<Facts> {
        let rust = workspace::package_field(&workspace::manifest(root)?, "rust-version")?;
        let clippy = workspace::answer(root, "cargo", &["clippy", "--version"]).ok();
        let clippy = clippy.and_then(|answer| Some(answer.split(' ').nth(1)?.to_owned()));
        Ok(Facts {
            console: console_scripts(root)?,
            fuzz: root.join("fuzz/Cargo.toml").exists(),
            rust,
            clippy,
        })
    }
}

/// The names of the console's npm scripts; `None` without a console.
fn console_scripts(root: &Path) -> Result<Option<Vec<String>>> {
    let path = root.join("console/package.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let package: serde_json::Value =
        serde_json::from_str(&text).context("console/package.json is no JSON")?;
    let scripts = package["scripts"].as_object();
    Ok(Some(scripts.map(|scripts| scripts.keys().cloned().collect()).unwrap_or_default()))
}

fn command(line: &str, count: Count) -> Work {
    let argv = line.split(' ').map(str::to_owned).collect();
    Work::Command { argv, dir: "", env: vec![], count, limit: STEP_MAX }
}

fn step(name: &'static str, work: Work) -> Step {
    Step { name, work }
}

/// Every step, cheap ones first so that a slip shows early.
pub(super) fn plan(facts: &Facts) -> Vec<Step> {
    let mut plan = vec![
        step("fmt", command("cargo fmt --all --check", Count::Nothing)),
        step("tidy", Work::Task(tidy::check)),
        step("clippy", clippy(facts)),
    ];
    plan.extend(facts.console.iter().flat_map(|scripts| console(scripts)));
    plan.extend([
        step("release", command("cargo build --release --locked -p tapeline", Count::Nothing)),
        step("demo", Work::Task(|root| demo::run(root).map(|()| Tally::default()))),
        step("test", command("cargo nextest run --workspace --locked --profile ci", Count::Nextest)),
        step("sim", Work::Task(|_| sim::check())),
        step("doctest", command("cargo test --doc --workspace --locked", Count::Cargo)),
        step("doc", doc()),
    ]);
    if facts.fuzz {
        plan.push(step(
            "fuzz-fmt",
            command("cargo fmt --manifest-path fuzz/Cargo.toml --check", Count::Nothing),
        ));
        plan.push(step("fuzz", Work::Task(|root| fuzz::smoke(root, FUZZ_SECONDS, FUZZ_JOBS))));
    }
    plan.extend(facts.console.iter().flat_map(|scripts| console_in_a_browser(scripts)));
    plan
}

/// A newer clippy brings lints that the code has not met: it would turn red with no change of ours.
fn clippy(facts: &Facts) -> Work {
    let expected = format!("0.{}", facts.rust);
    if let Some(clippy) = facts.clippy.as_ref().filter(|clippy| **clippy != expected) {
        return Work::Skip(format!("clippy is {clippy}, the lints are those of {expected}"));
    }
    command("cargo clippy --workspace --all-targets --locked -- -D warnings", Count::Nothing)
}

fn doc() -> Work {
    let mut work = command("cargo doc --workspace --no-deps --locked", Count::Nothing);
    if let Work::Command { env, .. } = &mut work {
        env.push(("RUSTDOCFLAGS", "-Dwarnings"));
    }
    work
}

/// An npm script of the console; a script that package.json does not name is a step that fails.
fn npm(scripts: &[String], script: &'static str, count: Count) -> Work {
    if !scripts.iter().any(|name| name == script) {
        return Work::Task(missing_script);
    }
    let argv = ["npm", "run", "--silent", script].map(str::to_owned).to_vec();
    Work::Command { argv, dir: "console", env: vec![("NO_COLOR", "1")], count, limit: STEP_MAX }
}

fn missing_script(root: &Path) -> Result<Tally> {
    let scripts = console_scripts(root)?.unwrap_or_default();
    let wanted = ["build", "lint", "test", "e2e"];
    ensure!(
        wanted.iter().all(|name| scripts.iter().any(|script| script == name)),
        "console/package.json must have the scripts {}; it has {}",
        wanted.join(", "),
        scripts.join(", ")
    );
    Ok(Tally::default())
}

fn console(scripts: &[String]) -> [Step; 3] {
    [
        step("console", command("scripts/console", Count::Nothing)),
        step("console-lint", npm(scripts, "lint", Count::Nothing)),
        step("console-test", npm(scripts, "test", Count::Vitest)),
    ]
}

/// The browser drives the page of the release build, so this comes last.
fn console_in_a_browser(scripts: &[String]) -> [Step; 1] {
    [step("console-e2e", npm(scripts, "e2e", Count::Closing))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let scripts = ["build", "lint", "test", "e2e"].map(str::to_owned).to_vec();
        Facts {
            console: Some(scripts),
            fuzz: true,
            rust: "1.95".to_owned(),
            clippy: Some("0.1.95".to_owned()),
        }
    }

    fn names(facts: &Facts) -> Vec<&'static str> {
        plan(facts).iter().map(|step| step.name).collect()
    }

    fn argv(facts: &Facts, name: &str) -> Option<Vec<String>> {
        let step = plan(facts).into_iter().find(|step| step.name == name)?;
        match step.work {
            Work::Command { argv, .. } => Some(argv),
            Work::Task(_) | Work::Skip(_) => None,
        }
    }

    #[test]
    fn the_plan_names_each_step_once() {
        let mut names = names(&facts());
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn what_is_not_there_is_not_planned() {
        let bare = Facts { console: None, fuzz: false, ..facts() };
        assert!(!names(&bare).iter().any(|name| name.contains("console") || name.contains("fuzz")));
        assert!(names(&facts()).contains(&"console-e2e"));
    }

    #[test]
    fn lints_run_only_where_clippy_is_the_one_they_are_written_for() {
        assert!(argv(&facts(), "clippy").is_some());
        for clippy in ["0.1.96", "0.1.9", "0.1.951"] {
            let newer = Facts { clippy: Some(clippy.to_owned()), ..facts() };
            assert!(argv(&newer, "clippy").is_none(), "{clippy}");
        }
        assert!(argv(&Facts { clippy: None, ..facts() }, "clippy").is_some());
    }

    #[test]
    fn a_console_without_a_script_fails_its_step() {
        let lacking = Facts { console: Some(vec!["build".to_owned()]), ..facts() };
        assert!(argv(&lacking, "console-lint").is_none());
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("console")).unwrap();
        std::fs::write(folder.path().join("console/package.json"), r#"{"scripts":{"build":"x"}}"#).unwrap();
        let error = missing_script(folder.path()).unwrap_err().to_string();
        assert!(error.contains("lint") && error.ends_with("it has build"), "{error}");
    }

    #[test]
    fn every_cargo_step_that_resolves_keeps_the_lock_file() {
        for step in plan(&facts()) {
            if let Work::Command { argv, .. } = step.work
                && argv[0] == "cargo"
                && argv[1] != "fmt"
            {
                assert!(argv.contains(&"--locked".to_owned()), "{argv:?}");
            }
        }
    }
}
