//! The tree as the checks see it: the files that git tracks or would track, Rust parsed once, and the
//! packages of the dependency tree. Judging them is the checks'.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::sizes::is_test_mark;
use crate::workspace;

/// Only files with these endings are read; of the others the names are enough.
const READ: &[&str] = &["rs", "toml", "md", "json"];

/// Everything there is to check.
pub(crate) struct Tree {
    /// Sorted by path.
    pub(crate) files: Vec<File>,
    /// What the workspace is built from, without its own crates.
    pub(crate) packages: Vec<Package>,
}

/// One file.
pub(crate) struct File {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// Empty when it is of no kind that is read.
    pub(crate) text: String,
    /// For `.rs`: what it parses to, or why it does not.
    pub(crate) rust: Option<Result<Rust, String>>,
}

/// A parsed Rust file.
pub(crate) struct Rust {
    /// The items.
    pub(crate) syntax: syn::File,
    /// All tokens in order, groups opened; comments are gone, doc comments are attributes.
    pub(crate) tokens: Vec<Token>,
    /// Is the whole file compiled for tests only?
    pub(crate) is_test: bool,
}

/// A token and its line, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// One crate that the workspace is built from.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression; `None` when its manifest names a file or nothing.
    pub(crate) licence: Option<String>,
}

impl Tree {
    /// Reads the checkout.
    pub(crate) fn read(root: &Path) -> Result<Tree> {
        let listed =
            workspace::answer(root, "git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
        let mut files = Vec::new();
        for path in listed.lines() {
            // What is listed and not there was deleted since the last commit.
            if let Some(text) = text_of(&root.join(path))? {
                files.push((path.to_owned(), text));
            }
        }
        Ok(Tree { files: parse(files), packages: packages(root)? })
    }

    /// A tree from paths and texts, as a check's tests need one.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Tree { files: parse(files.collect()), packages: Vec::new() }
    }

    /// The file at a path.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        let index = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[index])
    }

    /// Is there a file or a folder at this path?
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty() || self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// The Rust files that parse.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &Rust)> {
        self.files.iter().filter_map(|file| Some((file, file.rust.as_ref()?.as_ref().ok()?)))
    }

    /// The files whose names end so.
    pub(crate) fn ending(&self, ending: &'static str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.ends_with(ending))
    }
}

/// The text of a file of a kind that is read, an empty one of others; `None` when there is no such file.
fn text_of(path: &Path) -> Result<Option<String>> {
    let read = path.extension().and_then(|ending| ending.to_str()).is_some_and(|e| READ.contains(&e));
    if !path.is_file() || !read {
        return Ok(path.is_file().then(String::new));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(text))
}

fn parse(files: Vec<(String, String)>) -> Vec<File> {
    let mut files: Vec<File> = files.into_iter().map(|(path, text)| parse_file(path, text)).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    mark_test_files(&mut files);
    files
}

fn parse_file(path: String, text: String) -> File {
    let rust = path.ends_with(".rs").then(|| parse_rust(&path, &text));
    File { path, text, rust }
}

fn parse_rust(path: &str, text: &str) -> Result<Rust, String> {
    let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| error.to_string())?;
    let syntax = syn::parse_file(text).map_err(|error| error.to_string())?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    let is_test = path.split('/').any(|part| part == "tests" || part == "tests.rs");
    Ok(Rust { syntax, tokens, is_test })
}

fn flatten(stream: TokenStream, into: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                let end = group.span_close().start().line;
                into.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), into);
                into.push(Token { text: close.to_owned(), line: end });
            }
            other => into.push(Token { text: other.to_string(), line }),
        }
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// Marks the files behind `#[cfg(test)] mod name;` and everything below them.
fn mark_test_files(files: &mut [File]) {
    let mut stems = BTreeSet::new();
    for file in files.iter() {
        let Some(Ok(rust)) = &file.rust else { continue };
        for item in &rust.syntax.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && module.attrs.iter().any(is_test_mark)
            {
                stems.insert(child_stem(&file.path, &module.ident.to_string()));
            }
        }
    }
    for file in files {
        let is_below = stems
            .iter()
            .any(|stem| file.path == format!("{stem}.rs") || file.path.starts_with(&format!("{stem}/")));
        if let Some(Ok(rust)) = &mut file.rust {
            rust.is_test |= is_below;
        }
    }
}

/// Where the file of `mod name;` lies, without `.rs` or `/mod.rs`.
fn child_stem(parent: &str, name: &str) -> String {
    let (folder, file) = parent.rsplit_once('/').unwrap_or(("", parent));
    let stem = file.trim_end_matches(".rs");
    match stem {
        "mod" | "lib" | "main" => format!("{folder}/{name}"),
        stem => format!("{folder}/{stem}/{name}"),
    }
}

/// The dependency tree as it is locked, for this machine's platform.
fn packages(root: &Path) -> Result<Vec<Package>> {
    let host = workspace::host(root)?;
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &host];
    let metadata = workspace::answer(root, "cargo", &arguments)?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).context("`cargo metadata` is no JSON")?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` lists no packages")?;
    let foreign = packages.iter().filter(|package| !package["source"].is_null());
    Ok(foreign.map(package).collect())
}

fn package(value: &serde_json::Value) -> Package {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Package {
        name: text("name").unwrap_or_default(),
        version: text("version").unwrap_or_default(),
        licence: text("license"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_open_groups_and_keep_lines() {
        let tree = Tree::of(&[("a.rs", "// gone\nfn f() {\n    g(1);\n}\n")]);
        let (_, rust) = tree.rust().next().unwrap();
        let tokens: Vec<(&str, usize)> = rust.tokens.iter().map(|t| (t.text.as_str(), t.line)).collect();
        let wanted =
            [("fn", 2), ("f", 2), ("(", 2), (")", 2), ("{", 2), ("g", 3), ("(", 3), ("1", 3), (")", 3)];
        assert_eq!(tokens[..9], wanted);
        assert_eq!(tokens[9..], [(";", 3), ("}", 4)]);
    }

    #[test]
    fn test_files_are_known_by_place_and_by_their_parent() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "#[cfg(test)]\nmod peers;\nmod real;\n"),
            ("crates/a/src/peers.rs", ""),
            ("crates/a/src/peers/deep.rs", ""),
            ("crates/a/src/real.rs", "#[cfg(test)]\nmod rig;"),
            ("crates/a/src/real/rig.rs", ""),
            ("crates/a/src/real/tests.rs", ""),
            ("crates/a/tests/it/main.rs", ""),
        ]);
        let product: Vec<&str> =
            tree.rust().filter(|(_, rust)| !rust.is_test).map(|(file, _)| file.path.as_str()).collect();
        assert_eq!(product, ["crates/a/src/lib.rs", "crates/a/src/real.rs"]);
    }

    #[test]
    fn files_and_folders_are_found() {
        let tree = Tree::of(&[("docs/a.md", "x"), ("b.md", "y")]);
        assert!(tree.has("docs/a.md") && tree.has("docs") && tree.has("docs/") && tree.has(""));
        assert!(!tree.has("doc"));
        assert_eq!(tree.file("b.md").unwrap().text, "y");
    }

    #[test]
    fn the_checkout_can_be_read() {
        let tree = Tree::read(&workspace::root()).unwrap();
        assert!(tree.file("xtask/src/tidy/tree.rs").is_some_and(|file| file.rust.as_ref().unwrap().is_ok()));
        assert!(tree.packages.iter().any(|package| package.name == "clap" && package.licence.is_some()));
    }
}
