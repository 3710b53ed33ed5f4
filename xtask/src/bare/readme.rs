//! The README's shell blocks, and the script that runs them in one shell, so that a `cd`, a variable and a
//! server in the background last from block to block. A block whose fence says ```` ```sh ```` must end well
//! before the next begins; one that says ```` ```sh background ```` keeps running. Blocks of any other
//! language are not run.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

/// How long a server that a block started may take until it answers, in seconds.
const ANSWER_SECONDS_MAX: u32 = 60;

/// One block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The line of its fence, from 1.
    line: usize,
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Runs to its end.
    Steps,
    /// Keeps running: a server, a publisher.
    Background,
}

/// The blocks of a README in order. An error for a fence that is not closed.
pub(super) fn blocks(readme: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &str, String)> = None;
    for (index, line) in readme.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (open.take(), fence) {
            (None, Some(language)) => open = Some((index + 1, language.trim(), String::new())),
            (None, None) => {}
            (Some((line, language, text)), Some(_)) => {
                blocks.extend(kind(language).map(|kind| Block { line, text, kind }));
            }
            (Some((number, language, text)), None) => open = Some((number, language, text + line + "\n")),
        }
    }
    ensure!(open.is_none(), "README.md ends inside of a code block");
    Ok(blocks)
}

fn kind(language: &str) -> Option<Kind> {
    match language.split_whitespace().collect::<Vec<_>>()[..] {
        ["sh"] => Some(Kind::Steps),
        ["sh", "background"] => Some(Kind::Background),
        _ => None,
    }
}

/// What every script begins with. `build` builds twice, so that the second time can be seen to be quick, and
/// `answers` waits until a server in the background does.
const PRELUDE: &str = r#"set -eEuo pipefail
title() { printf '\n== bare: %s\n' "$*"; }
trap 'title "FAILED in ${place:-the beginning}"' ERR
build() {
  place='./run --build'
  for time in first second; do
    title "./run --build, the $time time"
    SECONDS=0
    ./run --build
    title "the $time build took $SECONDS s"
  done
}
answers() {
  place='waiting for /healthz'
  curl --silent --show-error --fail --output /dev/null --retry "$1" --retry-delay 1 --retry-all-errors \
    --max-time 5 http://127.0.0.1:8080/healthz
}
rm -rf tapeline
"#;

/// The one thing that the README takes for granted.
const GIT: &str = r#"# Who reads `git clone` has git.
place='installing git'
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends git ca-certificates >/dev/null
"#;

/// For a README that makes no clone.
const CLONE: &str = r#"place='making the clone'
title "$place"
git clone --quiet /srv/tapeline.git tapeline
cd tapeline
"#;

/// Runs one command in a clone.
pub(super) fn script_of_command(command: &str) -> String {
    format!(
        "{PRELUDE}{GIT}{CLONE}place={quoted}\ntitle \"$place\"\nSECONDS=0\n{command}\ntitle \"took $SECONDS s\"\n",
        quoted = quoted(command)
    )
}

/// Runs all blocks. A README that does not clone is given a clone, one that starts no server a server; the
/// build comes before the first thing that keeps running.
pub(super) fn script(blocks: &[Block]) -> String {
    let mut script = format!("{PRELUDE}{GIT}");
    if !blocks.iter().any(|block| block.text.contains("git clone")) {
        script += CLONE;
    }
    let first = blocks.iter().position(|block| block.kind == Kind::Background);
    if first.is_none() {
        script += "build\n";
        script += &background("target/release/tapeline serve --data /root/data", "tapeline serve");
    }
    for (index, block) in blocks.iter().enumerate() {
        if Some(index) == first {
            script += "build\n";
        }
        script += &lines_of(block);
    }
    script + "title 'every block ran'\n"
}

fn lines_of(block: &Block) -> String {
    let place = format!("README.md:{}", block.line);
    let mut lines = format!("title {}\ncat <<'END OF BLOCK'\n{}END OF BLOCK\n", quoted(&place), block.text);
    match block.kind {
        Kind::Steps => write!(lines, "place={}\n{}", quoted(&place), block.text).expect("a string takes all"),
        Kind::Background => lines += &background(block.text.trim_end(), &place),
    }
    lines
}

fn background(command: &str, place: &str) -> String {
    format!("place={}\n{{\n{command}\n}} &\nanswers {ANSWER_SECONDS_MAX}\n", quoted(place))
}

/// As one word for the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const README: &str = "# X\n```sh\ngit clone x\ncd tapeline\n```\ntext\n```sh background\n./run\n```\n\
                          ```json\n{}\n```\n  ```sh\n  echo 'it is'\n  ```\n```\nplain\n```\n";

    #[test]
    fn blocks_are_found_in_order_and_others_left() {
        let found = blocks(README).unwrap();
        let places: Vec<(usize, Kind)> = found.iter().map(|block| (block.line, block.kind)).collect();
        assert_eq!(places, [(2, Kind::Steps), (7, Kind::Background), (13, Kind::Steps)]);
        assert_eq!(found[0].text, "git clone x\ncd tapeline\n");
        assert!(blocks("```sh\necho\n").is_err());
    }

    #[test]
    fn the_build_comes_before_the_server() {
        let script = script(&blocks(README).unwrap());
        let at = |what: &str| script.find(what).unwrap_or_else(|| panic!("no {what:?} in {script}"));
        assert!(at("\ngit clone x\ncd tapeline\nbuild\n") < at("title 'README.md:7'"));
        assert!(at("\nbuild\n") < at("{\n./run\n} &\nanswers 60"));
        assert!(!script.contains("srv/tapeline.git"), "the README clones by itself");
    }

    #[test]
    fn a_readme_without_clone_and_server_is_given_both() {
        let script = script(&blocks("```sh\ncurl x\n```\n").unwrap());
        assert!(script.contains("srv/tapeline.git") && script.contains("tapeline serve --data"));
    }

    fn bash(script: &str) -> (bool, String) {
        let output = Command::new("bash").args(["-c", script]).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn blocks_share_a_shell_and_the_first_failure_ends_it() {
        let readme =
            "```sh\ncd /\nx='a b'\n```\n```sh\necho \"$x in $PWD\"\nfalse\n```\n```sh\necho never\n```\n";
        let steps: String = blocks(readme).unwrap().iter().map(lines_of).collect();
        let (success, output) = bash(&format!("cd $(mktemp -d)\n{PRELUDE}{steps}"));
        assert!(!success);
        assert!(output.contains("a b in /\n"), "{output}");
        assert!(output.contains("FAILED in README.md:5"), "{output}");
        assert!(!output.contains("never"), "{output}");
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(bash(&format!("echo {}", quoted("it's $HOME"))).1, "it's $HOME\n");
    }
}
