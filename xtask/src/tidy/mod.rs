//! `cargo xtask tidy`: the rules of the house that no compiler checks, as a list of checks over the tree.
//! Each check is a pure function of the tree and is tested with an example that fails it. Reading the tree is
//! `tree`'s; style that rustfmt and clippy know is theirs.

mod contract;
mod crates;
mod docs;
mod exceptions;
mod finding;
mod licences;
mod lists;
mod sizes;
mod tree;
mod words;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::ci::Tally;
use finding::Finding;
use tree::Tree;

/// One rule: its name in messages and exceptions, and what finds the places that break it.
pub(crate) struct Check {
    name: &'static str,
    find: fn(&Tree) -> Vec<Finding>,
}

/// Every rule.
const CHECKS: &[Check] = &[
    Check { name: "parses", find: sizes::unparsed },
    Check { name: "function-length", find: sizes::long_functions },
    Check { name: "file-length", find: sizes::long_files },
    Check { name: "file-doc", find: sizes::undocumented_files },
    Check { name: "words", find: words::forbidden },
    Check { name: "crate-direction", find: crates::wrong_direction },
    Check { name: "workspace-dependencies", find: crates::own_versions },
    Check { name: "links", find: docs::broken_links },
    Check { name: "licences", find: licences::not_allowed },
    Check { name: "fuzz-list", find: lists::unlisted_fuzz_targets },
    Check { name: "config-docs", find: contract::config_keys },
    Check { name: "api-docs", find: contract::routes },
    Check { name: "openapi", find: contract::described },
];

/// Checks the tree and prints what breaks a rule.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let tally = check(root)?;
    Ok(if tally.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The same, as a step of `ci`: each broken rule is one failure.
pub(crate) fn check(root: &Path) -> Result<Tally> {
    let tree = Tree::read(root)?;
    let mut broken = 0;
    for (name, findings) in findings(&tree) {
        broken += u64::from(!findings.is_empty());
        findings.iter().for_each(|finding| println!("{finding} [{name}]"));
    }
    println!("tidy: {} rules, {} broken", CHECKS.len() + 1, broken);
    Ok(Tally::failed(broken))
}

/// What each rule finds, after the reviewed exceptions.
fn findings(tree: &Tree) -> Vec<(&'static str, Vec<Finding>)> {
    let found: Vec<_> = CHECKS.iter().map(|check| (check.name, (check.find)(tree))).collect();
    exceptions::apply(exceptions::REVIEWED, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_name() {
        let mut names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
    }

    #[test]
    fn an_empty_tree_is_tidy() {
        let tree = Tree::of(&[]);
        let found: Vec<Finding> = CHECKS.iter().flat_map(|check| (check.find)(&tree)).collect();
        assert_eq!(found, []);
    }
}
