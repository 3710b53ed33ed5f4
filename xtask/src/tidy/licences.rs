//! The licences of what the programs are built from: the crates, and the packages that the console's pages
//! bundle. Every one must allow use under MIT or Apache-2.0 without asking anybody.

use serde_json::Value;

use super::finding::Finding;
use super::tree::{File, Tree};

/// What is allowed: permissive, with no duty beyond keeping the notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages whose licence is not allowed, or unknown.
pub(super) fn not_allowed(tree: &Tree) -> Vec<Finding> {
    let crates = tree.packages.iter().filter_map(|package| {
        let subject = format!("{} {}", package.name, package.version);
        judge("Cargo.lock", subject, package.licence.as_deref())
    });
    crates.chain(tree.ending("package-lock.json").flat_map(bundled)).collect()
}

/// The packages of a lock file of npm that are no mere tools of development.
fn bundled(lock: &File) -> Vec<Finding> {
    let Ok(value) = serde_json::from_str::<Value>(&lock.text) else {
        let what = "is no JSON".to_owned();
        let next = "write it anew with `npm install --package-lock-only`".to_owned();
        return vec![Finding { path: lock.path.clone(), line: 0, subject: String::new(), what, next }];
    };
    let packages = value["packages"].as_object().into_iter().flatten();
    let bundled = packages.filter(|(path, package)| !path.is_empty() && package["dev"] != Value::Bool(true));
    bundled
        .filter_map(|(path, package)| judge(&lock.path, path.clone(), package["license"].as_str()))
        .collect()
}

fn judge(path: &str, subject: String, licence: Option<&str>) -> Option<Finding> {
    let what = match licence {
        Some(licence) if allows(licence) => return None,
        Some(licence) => format!("{subject} is under {licence}"),
        None => format!("{subject} states no licence"),
    };
    let next = "take another one, or review its licence and add it in xtask/src/tidy/licences.rs".to_owned();
    Some(Finding { path: path.to_owned(), line: 0, subject, what, next })
}

/// Does an SPDX expression leave a choice that is allowed? `/` is an old way to write OR.
fn allows(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0 };
    parser.any() && parser.at == words.len()
}

/// Reads `expression := all (OR all)*`, `all := one (AND one)*`, `one := ( expression ) | name [WITH name]`.
struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> bool {
        let mut allowed = self.all();
        while self.take("OR") {
            allowed |= self.all();
        }
        allowed
    }

    fn all(&mut self) -> bool {
        let mut allowed = self.one();
        while self.take("AND") {
            allowed &= self.one();
        }
        allowed
    }

    /// A licence with an exception allows at least what it allows without.
    fn one(&mut self) -> bool {
        if self.take("(") {
            let allowed = self.any();
            return self.take(")") && allowed;
        }
        let name = self.words.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        if self.take("WITH") {
            self.at += 1;
        }
        ALLOWED.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Package;

    #[test]
    fn expressions_are_judged() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR Apache-2.0",
            "GPL-3.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
            "Apache-2.0 AND (MIT OR AGPL-3.0-only)",
        ] {
            assert!(allows(good), "{good}");
        }
        for bad in
            ["", "GPL-3.0-only", "MIT AND GPL-2.0-only", "(MIT", "MIT)", "MIT OR", "LicenseRef-x AND MIT"]
        {
            assert!(!allows(bad), "{bad}");
        }
    }

    #[test]
    fn a_crate_that_is_not_allowed_is_found() {
        let package = |name: &str, licence: Option<&str>| Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
        };
        let mut tree = Tree::of(&[]);
        tree.packages =
            vec![package("good", Some("MIT")), package("bad", Some("AGPL-3.0-only")), package("none", None)];
        let found: Vec<String> = not_allowed(&tree).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, ["bad 1.0.0 is under AGPL-3.0-only", "none 1.0.0 states no licence"]);
    }

    #[test]
    fn a_bundled_package_that_is_not_allowed_is_found() {
        let lock = r#"{"packages": {"": {}, "node_modules/a": {"license": "MIT"},
            "node_modules/b": {"license": "GPL-3.0"}, "node_modules/c": {"dev": true, "license": "GPL-3.0"}}}"#;
        let found = not_allowed(&Tree::of(&[("console/package-lock.json", lock)]));
        assert_eq!(found.iter().map(|f| f.subject.as_str()).collect::<Vec<_>>(), ["node_modules/b"]);
        assert!(!not_allowed(&Tree::of(&[("console/package-lock.json", "{")])).is_empty());
    }
}
