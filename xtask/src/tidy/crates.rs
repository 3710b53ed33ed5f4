//! The manifests of the workspace: which crate may depend on which, and that versions are stated once.
//! What the crates are for is in the design; the table here is its direction.

use toml::{Table, Value};

use super::finding::Finding;
use super::tree::{File, Tree};

/// The crates that a crate may depend on. Nothing depends on `server` or `worker`.
const DIRECTION: &[(&str, &[&str])] = &[
    ("media", &[]),
    ("tape", &["media"]),
    ("view", &["media", "tape"]),
    ("transcode", &["media"]),
    ("regen", &["media", "transcode"]),
    ("control", &["media"]),
    ("worker", &["media", "transcode", "regen"]),
    ("server", &["media", "tape", "view", "control"]),
];

const SECTIONS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Dependencies against the direction, and crates without a place in it.
pub(super) fn wrong_direction(tree: &Tree) -> Vec<Finding> {
    members(tree).flat_map(|(file, manifest)| direction_of(file, &manifest)).collect()
}

fn direction_of(file: &File, manifest: &Table) -> Vec<Finding> {
    let Some(name) = crate_name(&file.path) else { return Vec::new() };
    let Some((_, allowed)) = DIRECTION.iter().find(|(known, _)| *known == name) else {
        let next = "give it one in xtask/src/tidy/crates.rs, if the design has it";
        return vec![finding(file, name, format!("crate {name} has no place in the direction"), next)];
    };
    let ours = dependencies(manifest).map(|(key, _)| key.trim_start_matches("tapeline-"));
    let ours = ours.filter(|key| DIRECTION.iter().any(|(known, _)| known == key));
    let wrong = ours.filter(|key| !allowed.contains(key));
    let next = "move what is needed to the side that owns it";
    wrong.map(|key| finding(file, key, format!("{name} must not depend on {key}"), next)).collect()
}

/// Dependencies that state a version of their own.
pub(super) fn own_versions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, manifest) in members(tree) {
        let inherits = |value: &Value| value.get("workspace").and_then(Value::as_bool) == Some(true);
        let own = dependencies(&manifest).filter(|(_, value)| !inherits(value));
        findings.extend(own.map(|(key, _)| {
            let next = format!("state it in [workspace.dependencies] and write `{key}.workspace = true`");
            finding(file, key, format!("{key} has a version of its own"), &next)
        }));
    }
    findings
}

fn finding(file: &File, subject: &str, what: String, next: &str) -> Finding {
    let line = file.text.lines().position(|line| line.trim_start().starts_with(subject));
    let line = line.map_or(0, |index| index + 1);
    Finding { path: file.path.clone(), line, subject: subject.to_owned(), what, next: next.to_owned() }
}

/// The manifests of the members of the workspace; `fuzz/` is a workspace of its own.
fn members(tree: &Tree) -> impl Iterator<Item = (&File, Table)> {
    let manifests = tree.ending("/Cargo.toml").filter(|file| !file.path.starts_with("fuzz/"));
    manifests.filter_map(|file| Some((file, file.text.parse().ok()?)))
}

/// `crates/NAME/Cargo.toml`
fn crate_name(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")
}

/// Every dependency of a manifest, those of a target's tables included.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    let sections = tables.flat_map(|table| SECTIONS.iter().filter_map(|name| table.get(*name)));
    sections.filter_map(Value::as_table).flatten().map(|(key, value)| (key.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(findings: Vec<Finding>) -> Vec<(String, String, usize)> {
        findings.into_iter().map(|f| (f.path, f.subject, f.line)).collect()
    }

    #[test]
    fn a_dependency_against_the_direction_is_found_in_any_section() {
        let tree = Tree::of(&[
            ("crates/media/Cargo.toml", "[dependencies]\nbytes.workspace = true\ntape.workspace = true\n"),
            ("crates/control/Cargo.toml", "[dev-dependencies]\ntapeline-view = { workspace = true }\n"),
            ("crates/view/Cargo.toml", "[dependencies]\nmedia.workspace = true\ntape.workspace = true\n"),
            ("crates/tape/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nserver.workspace = true\n"),
            ("bench/Cargo.toml", "[dependencies]\ntape.workspace = true\n"),
        ]);
        let found = subjects(wrong_direction(&tree));
        let found: Vec<_> =
            found.iter().map(|(path, key, line)| (path.as_str(), key.as_str(), *line)).collect();
        let wanted = [
            ("crates/control/Cargo.toml", "view", 0),
            ("crates/media/Cargo.toml", "tape", 3),
            ("crates/tape/Cargo.toml", "server", 2),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        let found =
            wrong_direction(&Tree::of(&[("crates/utils/Cargo.toml", "[package]\nname = \"utils\"\n")]));
        assert!(found[0].what.contains("no place"), "{}", found[0]);
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        let text = "[dependencies]\nbytes = \"1\"\nhttp = { workspace = true }\n[build-dependencies]\ncc = { version = \"1\" }\n";
        let tree =
            Tree::of(&[("xtask/Cargo.toml", text), ("fuzz/Cargo.toml", "[dependencies]\nbytes = \"1\"\n")]);
        let found = subjects(own_versions(&tree));
        let wanted = [
            ("xtask/Cargo.toml".to_owned(), "bytes".to_owned(), 2),
            ("xtask/Cargo.toml".to_owned(), "cc".to_owned(), 5),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_direction_has_no_cycle() {
        for (index, (_, allowed)) in DIRECTION.iter().enumerate() {
            let earlier: Vec<&str> = DIRECTION[..index].iter().map(|(name, _)| *name).collect();
            assert!(allowed.iter().all(|name| earlier.contains(name)), "{allowed:?}");
        }
    }
}
