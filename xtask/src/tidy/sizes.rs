//! How long functions and files may be, and that each file says what it is for. Test code is left out of
//! both lengths: a test reads top to bottom and its length harms nobody.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::tree::{File, Rust, Tree};

/// A function fits on a screen. STYLE: the number that well-kept code bases hold.
const FUNCTION_LINES_MAX: usize = 70;

/// A file can be read in one sitting. STYLE: the ninth decile of well-kept code bases.
const FILE_LINES_MAX: usize = 800;

/// Rust files that do not parse: the other checks cannot see them.
pub(super) fn unparsed(tree: &Tree) -> Vec<Finding> {
    let broken = tree.files.iter().filter_map(|file| Some((file, file.rust.as_ref()?.as_ref().err()?)));
    broken.map(|(file, error)| finding(file, 0, "", format!("does not parse: {error}"), "mend it")).collect()
}

/// Functions over the limit.
pub(super) fn long_functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in product(tree) {
        let functions = Functions::of(rust).found.into_iter();
        findings.extend(functions.filter(|f| f.lines > FUNCTION_LINES_MAX).map(|f| {
            let what = format!("{} has {} lines, over {FUNCTION_LINES_MAX}", f.name, f.lines);
            finding(file, f.line, &f.name, what, "split it where it changes its subject")
        }));
    }
    findings
}

/// Files over the limit.
pub(super) fn long_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, rust) in product(tree) {
        let lines = file.text.lines().count() - Functions::of(rust).test_lines;
        if lines > FILE_LINES_MAX {
            let what = format!("has {lines} lines without its tests, over {FILE_LINES_MAX}");
            findings.push(finding(file, 0, "", what, "move a role of its own into a module"));
        }
    }
    findings
}

/// Files without `//!`.
pub(super) fn undocumented_files(tree: &Tree) -> Vec<Finding> {
    let is_doc = |attribute: &syn::Attribute| attribute.path().is_ident("doc");
    let silent = tree.rust().filter(|(_, rust)| !rust.syntax.attrs.iter().any(is_doc));
    let next = "begin it with `//!`: what belongs here and what does not";
    silent.map(|(file, _)| finding(file, 1, "", "does not say what it is for".to_owned(), next)).collect()
}

fn finding(file: &File, line: usize, subject: &str, what: String, next: &str) -> Finding {
    Finding { path: file.path.clone(), line, subject: subject.to_owned(), what, next: next.to_owned() }
}

fn product(tree: &Tree) -> impl Iterator<Item = (&File, &Rust)> {
    tree.rust().filter(|(_, rust)| !rust.is_test)
}

/// `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]`, `#[tokio::test]`
pub(super) fn is_test_mark(attribute: &syn::Attribute) -> bool {
    let path = attribute.path();
    if path.segments.last().is_some_and(|segment| segment.ident == "test") {
        return true;
    }
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let condition: String = list.tokens.to_string().split_whitespace().collect();
    path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

/// A function outside of test code.
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Walks a file: its functions, and how many of its lines are test code.
#[derive(Default)]
struct Functions {
    found: Vec<Function>,
    test_lines: usize,
}

impl Functions {
    fn of(rust: &Rust) -> Functions {
        let mut functions = Functions::default();
        functions.visit_file(&rust.syntax);
        functions
    }

    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.span().start().line;
        let lines = block.span().end().line + 1 - line;
        self.found.push(Function { name: signature.ident.to_string(), line, lines });
    }

    /// Counts a test item's lines; is it one?
    fn skip(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) -> bool {
        let is_test = attributes.iter().any(is_test_mark);
        if is_test {
            let span = item.span();
            self.test_lines += span.end().line + 1 - span.start().line;
        }
        is_test
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !self.skip(&item.attrs, item) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !self.skip(&item.attrs, item) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !self.skip(&item.attrs, item) {
            self.add(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !self.skip(&item.attrs, item) {
            self.add(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of this many lines.
    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}() {{\n{}}}\n", "    // a line\n".repeat(lines - 2))
    }

    fn subjects(findings: &[Finding]) -> Vec<(&str, usize)> {
        findings.iter().map(|f| (f.subject.as_str(), f.line)).collect()
    }

    #[test]
    fn a_function_of_71_lines_is_found_wherever_it_stands() {
        let long = function("long", 71);
        let text = format!(
            "{}/// doc\n#[inline]\n{long}mod inner {{\n{long}}}\nimpl X {{\n{long}}}\ntrait T {{\n{long}}}\n",
            function("fits", 70)
        );
        let found = long_functions(&Tree::of(&[("a.rs", &text)]));
        assert_eq!(subjects(&found), [("long", 73), ("long", 145), ("long", 218), ("long", 291)]);
        assert!(found[0].what.contains("71 lines"), "{}", found[0]);
    }

    #[test]
    fn tests_may_be_long() {
        let long = function("long", 100);
        let inline =
            format!("#[cfg(test)]\nmod tests {{\n{long}}}\n#[tokio::test]\nasync {long}#[test]\n{long}");
        let tree = Tree::of(&[("src/a.rs", &inline), ("tests/it/b.rs", &long), ("src/c.rs", &long)]);
        let found = long_functions(&tree);
        assert_eq!(found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["src/c.rs"]);
    }

    #[test]
    fn a_file_of_801_lines_is_found_and_its_tests_do_not_count() {
        let lines = |n: usize| "const X: u8 = 0;\n".repeat(n);
        let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(800), lines(500));
        let tree = Tree::of(&[("a.rs", &lines(801)), ("b.rs", &lines(800)), ("c.rs", &with_tests)]);
        let found = long_files(&tree);
        assert_eq!(found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a.rs"]);
    }

    #[test]
    fn a_file_without_its_purpose_is_found() {
        let tree = Tree::of(&[("a.rs", "// no\nfn f() {}\n"), ("b.rs", "#![no_main]\n//! Yes.\n")]);
        let found = undocumented_files(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("a.rs", 1));
    }

    #[test]
    fn a_file_that_does_not_parse_is_found() {
        let found =
            unparsed(&Tree::of(&[("a.rs", "fn f( {}"), ("b.rs", "fn g() {}"), ("c.rs", "fn fn() {}")]));
        assert_eq!(found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a.rs", "c.rs"]);
    }
}
