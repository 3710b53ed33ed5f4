//! Lists that must name what the tree holds: the fuzz targets and their manifest.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::contract::differences;
use super::finding::Finding;
use super::tree::Tree;

const MANIFEST: &str = "fuzz/Cargo.toml";
const TARGETS: &str = "fuzz/fuzz_targets/";

/// Fuzz targets that the manifest does not build, and entries without a file.
pub(super) fn unlisted_fuzz_targets(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.file(MANIFEST).map_or("", |file| file.text.as_str());
    let manifest: Table = manifest.parse().unwrap_or_default();
    let bins = manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
    let listed: BTreeSet<String> =
        bins.filter_map(|bin| Some(format!("fuzz/{}", bin.get("path")?.as_str()?))).collect();
    let targets = tree.ending(".rs").filter(|file| is_target(&file.path));
    let there: BTreeSet<String> = targets.map(|file| file.path.clone()).collect();
    differences((TARGETS, &there), (MANIFEST, &listed), "a [[bin]] with its path")
}

/// A file directly in the folder; what lies deeper is shared by targets.
fn is_target(path: &str) -> bool {
    path.strip_prefix(TARGETS).is_some_and(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_an_entry_and_an_entry_without_a_target_are_found() {
        let manifest = "[[bin]]\nname = \"flv\"\npath = \"fuzz_targets/flv.rs\"\n\
                        [[bin]]\nname = \"gone\"\npath = \"fuzz_targets/gone.rs\"\n";
        let tree = Tree::of(&[
            (MANIFEST, manifest),
            ("fuzz/fuzz_targets/amf.rs", "//! x"),
            ("fuzz/fuzz_targets/flv.rs", "//! x"),
            ("fuzz/fuzz_targets/shared/mod.rs", "//! x"),
        ]);
        let found: Vec<String> = unlisted_fuzz_targets(&tree).into_iter().map(|f| f.subject).collect();
        assert_eq!(found, ["fuzz/fuzz_targets/amf.rs", "fuzz/fuzz_targets/gone.rs"]);
    }
}
