//! Running a tool under a time limit, with its output shown as it comes. What is run is the caller's affair.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// How long a tool that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// How many lines of output wait between the tool and the screen. The reader blocks when it is full.
const LINES_WAITING_MAX: usize = 1024;

/// How much of a tool's standard output is kept for counting, in bytes; what comes after is only shown.
/// A test runner's whole output is a few hundred kilobytes.
const OUTPUT_KEPT_MAX: usize = 16 << 20;

/// How a tool ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// By itself.
    Exited(ExitStatus),
    /// It was ended after the limit.
    TimedOut,
}

impl Ending {
    /// Did it end by itself and well?
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Ending::Exited(status) if status.success())
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Exited(status) => write!(f, "{status}"),
            Ending::TimedOut => write!(f, "ended after its time limit"),
        }
    }
}

/// Runs a tool, shows what it prints, and gives back how it ended and its standard output.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<(Ending, String)> {
    let deadline = Instant::now() + limit;
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.with_context(|| {
        let program = command.get_program().to_string_lossy();
        format!("cannot start {program}; `scripts/setup test` installs what is missing")
    })?;
    let lines = lines_of(&mut child);
    let mut output = String::new();
    let in_time = show(&lines, deadline, &mut output);
    let ending = match in_time {
        true => Ending::Exited(child.wait().context("cannot wait for a child")?),
        false => end(&mut child, &lines, &mut output)?,
    };
    Ok((ending, output))
}

/// Reads the tool's standard output in a thread of its own, so that the limit holds while it is silent.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let stdout = child.stdout.take().expect("standard output is piped by `run`");
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    thread::spawn(move || forward(BufReader::new(stdout), &sender));
    receiver
}

fn forward(mut from: impl BufRead, to: &SyncSender<String>) {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
        if to.send(text).is_err() {
            return;
        }
        line.clear();
    }
}

/// Shows and keeps lines until the output closes (true) or the deadline passes (false).
fn show(lines: &Receiver<String>, deadline: Instant, output: &mut String) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => {
                println!("{line}");
                if output.len() + line.len() < OUTPUT_KEPT_MAX {
                    output.push_str(&line);
                    output.push('\n');
                }
            }
            Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

/// Asks the tool to end, then makes it.
fn end(child: &mut Child, lines: &Receiver<String>, output: &mut String) -> Result<Ending> {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::TERM).context("cannot end a child past its limit")?;
    if !show(lines, Instant::now() + GRACE, output) {
        child.kill().context("cannot kill a child past its limit")?;
    }
    child.wait().context("cannot wait for a child")?;
    Ok(Ending::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_status_come_back() {
        let (ending, output) = run(&mut shell("echo one; echo two; exit 3"), GRACE).unwrap();
        assert_eq!(output, "one\ntwo\n");
        assert!(!ending.is_success());
        assert_eq!(ending.to_string(), "exit status: 3");
        assert!(run(&mut shell("true"), GRACE).unwrap().0.is_success());
    }

    #[test]
    fn a_tool_past_its_limit_is_ended() {
        let started = Instant::now();
        let (ending, output) =
            run(&mut shell("echo begun; exec sleep 60"), Duration::from_millis(300)).unwrap();
        assert!(matches!(ending, Ending::TimedOut), "{ending}");
        assert_eq!(output, "begun\n");
        assert!(started.elapsed() < GRACE);
    }

    #[test]
    fn a_missing_tool_is_named() {
        let error = run(&mut Command::new("no-such-tool"), GRACE).unwrap_err();
        assert!(error.to_string().contains("no-such-tool"), "{error}");
    }
}
