//! Words that the code must not hold: marks of unfinished work, tests that cannot fail or are not run, waits by
//! the clock, queues without a bound. Found in the tokens, so that comments and strings may speak of them.

use std::ops::RangeInclusive;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::sizes::is_test_mark;
use super::tree::{File, Rust, Token, Tree};

/// Where a word is forbidden.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everywhere,
    Tests,
}

/// Tokens in a row, and what to do instead.
struct Word {
    name: &'static str,
    tokens: &'static [&'static str],
    scope: Scope,
    next: &'static str,
}

/// Every forbidden word.
const WORDS: &[Word] = &[
    word("#[ignore]", &["#", "[", "ignore"], "run the test or take it out"),
    word("#[should_panic]", &["#", "[", "should_panic"], "return an error and check it"),
    word("#[allow]", &["[", "allow", "("], "use `#[expect(…, reason = \"…\")]`"),
    word("todo!", &["todo", "!"], "write it, or leave out what leads to it"),
    word("unimplemented!", &["unimplemented", "!"], "write it, or leave out what leads to it"),
    word("unbounded_channel", &["unbounded_channel"], "use a channel with a named limit"),
    word(
        "mpsc::channel()",
        &["mpsc", ":", ":", "channel", "(", ")"],
        "use `sync_channel` with a named limit",
    ),
    Word {
        name: "sleep",
        tokens: &["sleep", "("],
        scope: Scope::Tests,
        next: "wait for a condition with a deadline",
    },
];

const fn word(name: &'static str, tokens: &'static [&'static str], next: &'static str) -> Word {
    Word { name, tokens, scope: Scope::Everywhere, next }
}

/// Every place of every forbidden word.
pub(super) fn forbidden(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(|(file, rust)| in_file(file, rust)).collect()
}

fn in_file(file: &File, rust: &Rust) -> Vec<Finding> {
    let tests = TestLines::of(rust);
    let mut findings = Vec::new();
    for start in 0..rust.tokens.len() {
        let line = rust.tokens[start].line;
        let here = WORDS.iter().filter(|word| begins(&rust.tokens[start..], word.tokens));
        let here = here.filter(|word| word.scope == Scope::Everywhere || tests.contain(line));
        findings.extend(here.map(|word| Finding {
            path: file.path.clone(),
            line,
            subject: word.name.to_owned(),
            what: format!("`{}` is not used here", word.name),
            next: word.next.to_owned(),
        }));
    }
    findings
}

fn begins(tokens: &[Token], pattern: &[&str]) -> bool {
    tokens.len() >= pattern.len() && tokens.iter().zip(pattern).all(|(token, wanted)| token.text == *wanted)
}

/// Which lines of a file are test code.
struct TestLines {
    whole_file: bool,
    ranges: Vec<RangeInclusive<usize>>,
}

impl TestLines {
    fn of(rust: &Rust) -> TestLines {
        let mut lines = TestLines { whole_file: rust.is_test, ranges: Vec::new() };
        lines.visit_file(&rust.syntax);
        lines
    }

    fn contain(&self, line: usize) -> bool {
        self.whole_file || self.ranges.iter().any(|range| range.contains(&line))
    }

    fn add(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) {
        if attributes.iter().any(is_test_mark) {
            let span = item.span();
            self.ranges.push(span.start().line..=span.end().line);
        }
    }
}

impl<'ast> Visit<'ast> for TestLines {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.add(&item.attrs, item);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.add(&item.attrs, item);
        visit::visit_item_impl(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.attrs, item);
        visit::visit_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(String, usize)> {
        let findings = forbidden(&Tree::of(&[(path, text)]));
        findings.into_iter().map(|finding| (finding.subject, finding.line)).collect()
    }

    /// Each word, in code that holds it.
    #[test]
    fn each_word_is_found() {
        for (name, text) in [
            ("#[ignore]", "#[ignore = \"slow\"] fn f() {}"),
            ("#[should_panic]", "#[should_panic(expected = \"x\")] fn f() {}"),
            ("#[allow]", "#[allow(dead_code)] fn f() {}"),
            ("#[allow]", "#![allow(dead_code)]"),
            ("todo!", "fn f() { todo!() }"),
            ("unimplemented!", "fn f() { std::unimplemented!(\"x\") }"),
            ("unbounded_channel", "fn f() { let (a, b) = mpsc::unbounded_channel(); }"),
            ("mpsc::channel()", "fn f() { let (a, b) = std::sync::mpsc::channel(); }"),
            ("sleep", "#[test] fn f() { std::thread::sleep(X); }"),
            ("sleep", "#[cfg(test)] mod tests { async fn f() { select! { _ = sleep(X) => {} } } }"),
        ] {
            assert_eq!(found("a.rs", text), [(name.to_owned(), 1)], "{text}");
        }
    }

    #[test]
    fn every_word_has_an_example_above() {
        let names: std::collections::BTreeSet<&str> = WORDS.iter().map(|word| word.name).collect();
        assert_eq!(names.len(), WORDS.len());
        assert_eq!(names.len(), 8, "add an example for the new word to `each_word_is_found`");
    }

    #[test]
    fn comments_strings_and_bounded_things_are_free() {
        let text = "//! todo!() is not used.\n/// #[allow(x)]\nfn f() { g(\"#[ignore]\"); mpsc::channel(4); allow(x) }";
        assert_eq!(found("a.rs", text), []);
    }

    #[test]
    fn sleep_is_forbidden_in_tests_only() {
        let text =
            "fn f() { thread::sleep(X) }\n#[cfg(test)]\nmod tests {\n    fn g() { thread::sleep(X) }\n}\n";
        assert_eq!(found("src/a.rs", text), [("sleep".to_owned(), 4)]);
        assert_eq!(found("tests/it/a.rs", text).len(), 2);
    }
}
