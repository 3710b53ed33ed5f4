//! `cargo xtask ci`: runs every step of the plan, lets none hide another's result, and closes with one line
//! that counts. What the steps are is in `plan`, how a runner's output is counted in `count`.

mod count;
mod plan;

pub(crate) use count::Tally;
use plan::{Facts, Step, Work};

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::process;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only the steps with these names
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Print the names of the steps and run none
    #[arg(long)]
    list: bool,
}

/// How one step went.
struct Report {
    name: &'static str,
    took: Duration,
    tally: Tally,
    note: Option<String>,
}

/// Runs the plan. Red, with every result printed, when one step fails.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let plan = select(plan::plan(&Facts::read(root)?), &options.only)?;
    if options.list {
        plan.iter().for_each(|step| println!("{}", step.name));
        return Ok(ExitCode::SUCCESS);
    }
    let reports: Vec<Report> = plan.into_iter().map(|step| report(root, step)).collect();
    println!("\n{}", table(&reports));
    let total: Tally = reports.iter().map(|report| report.tally).sum();
    println!("{total}");
    Ok(if total.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The steps with the given names, in the plan's order; all of them when none is named.
fn select(plan: Vec<Step>, only: &[String]) -> Result<Vec<Step>> {
    for name in only {
        let known: Vec<&str> = plan.iter().map(|step| step.name).collect();
        ensure!(known.contains(&name.as_str()), "no step {name:?}; there are {}", known.join(", "));
    }
    let wanted = |step: &Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(plan.into_iter().filter(wanted).collect())
}

fn report(root: &Path, step: Step) -> Report {
    println!("\n== {}", step.name);
    let begun = Instant::now();
    let (tally, note) = match perform(root, step.work) {
        Ok((tally, note)) => (tally, note),
        Err(error) => (Tally::failed(1), Some(format!("{error:#}"))),
    };
    let report = Report { name: step.name, took: begun.elapsed(), tally, note };
    println!("== {}", line(&report));
    report
}

/// Does a step's work. A step that fails without a failed test of its own counts as one failed.
fn perform(root: &Path, work: Work) -> Result<(Tally, Option<String>)> {
    match work {
        Work::Skip(reason) => Ok((Tally::default(), Some(format!("skipped: {reason}")))),
        Work::Task(task) => Ok((task(root)?, None)),
        Work::Command { argv, dir, env, count, limit } => {
            count.prepare(root)?;
            let mut command = std::process::Command::new(&argv[0]);
            command.args(&argv[1..]).current_dir(root.join(dir)).envs(env);
            let (ending, output) = process::run(&mut command, limit)?;
            let tally = count.read(root, &output, ending.is_success())?;
            let note = (!ending.is_success()).then(|| format!("`{}`: {ending}", argv.join(" ")));
            Ok((tally, note))
        }
    }
}

/// One line of the closing table.
fn line(report: &Report) -> String {
    let Report { name, took, tally, note } = report;
    let verdict = if tally.is_green() { "ok" } else { "FAILED" };
    let note = note.as_ref().map_or(String::new(), |note| format!("  {note}"));
    let counted = if *tally == Tally::default() { String::new() } else { format!("  {tally}") };
    format!("{name:<16} {:>7.1} s  {verdict}{counted}{note}", took.as_secs_f64())
}

fn table(reports: &[Report]) -> String {
    let took: Duration = reports.iter().map(|report| report.took).sum();
    let lines: Vec<String> = reports.iter().map(line).collect();
    format!("{}\n{:<16} {:>7.1} s", lines.join("\n"), "in all", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use count::Count;

    fn command(script: &str, count: Count) -> Work {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        Work::Command { argv, dir: "", env: vec![], count, limit: Duration::from_secs(20) }
    }

    fn outcome(work: Work) -> (Tally, Option<String>) {
        let report = report(Path::new("/"), Step { name: "step", work });
        (report.tally, report.note)
    }

    #[test]
    fn a_failing_step_is_one_failure_and_says_which_command() {
        let (tally, note) = outcome(command("exit 7", Count::Nothing));
        assert_eq!(tally, Tally::failed(1));
        assert_eq!(note.unwrap(), "`sh -c exit 7`: exit status: 7");
    }

    #[test]
    fn a_missing_tool_is_one_failure() {
        let argv = vec!["no-such-tool".to_owned()];
        let limit = Duration::from_secs(1);
        let (tally, note) =
            outcome(Work::Command { argv, dir: "", env: vec![], count: Count::Nothing, limit });
        assert_eq!(tally, Tally::failed(1));
        assert!(note.unwrap().contains("no-such-tool"));
    }

    #[test]
    fn counts_come_from_the_runner() {
        let (tally, note) = outcome(command("echo '3 passed, 0 failed'", Count::Closing));
        assert_eq!((tally, note), (Tally { passed: 3, failed: 0 }, None));
        let (tally, _) = outcome(command("echo '3 passed, 2 failed'; exit 1", Count::Closing));
        assert_eq!(tally, Tally { passed: 3, failed: 2 });
    }

    #[test]
    fn a_skipped_step_counts_nothing_and_says_why() {
        let (tally, note) = outcome(Work::Skip("no folder".to_owned()));
        assert_eq!((tally, note.unwrap().as_str()), (Tally::default(), "skipped: no folder"));
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_known_ones() {
        let plan = || vec![Step { name: "one", work: Work::Skip(String::new()) }];
        assert_eq!(select(plan(), &["one".to_owned()]).unwrap().len(), 1);
        let error = select(plan(), &["two".to_owned()]).err().unwrap();
        assert_eq!(error.to_string(), "no step \"two\"; there are one");
    }
}
