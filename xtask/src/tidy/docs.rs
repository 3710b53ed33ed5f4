//! Links in the Markdown files: a relative one must lead to a file of the tree, one with `#` to a heading
//! there. What is on the web is not looked at: the checks need no network.

use super::finding::Finding;
use super::tree::{File, Tree};

/// A link and its line.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    target: String,
    line: usize,
}

/// Links that lead nowhere.
pub(super) fn broken_links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        let broken =
            links(&file.text).into_iter().filter_map(|link| Some((complaint(tree, file, &link)?, link)));
        findings.extend(broken.map(|(what, link)| Finding {
            path: file.path.clone(),
            line: link.line,
            subject: link.target,
            what,
            next: "correct the link, or make what it promises".to_owned(),
        }));
    }
    findings
}

/// Why a link leads nowhere.
fn complaint(tree: &Tree, file: &File, link: &Link) -> Option<String> {
    let target = link.target.as_str();
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) =
        target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    let path = path.split('?').next().unwrap_or(path);
    let Some(path) = resolve(&file.path, path) else {
        return Some(format!("the link {target} leads out of the tree"));
    };
    if !tree.has(&path) {
        return Some(format!("the link {target} leads to no file"));
    }
    let there = tree.file(&path).filter(|file| file.path.ends_with(".md"))?;
    let heading = heading.filter(|heading| !headings(&there.text).any(|known| known == *heading))?;
    Some(format!("{path} has no heading #{heading}"))
}

/// The path in the tree that a link in a file names; `None` above the root.
fn resolve(from: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = match link.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').collect(),
    };
    parts.pop();
    for part in link.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Lines outside of code blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// `[text](target)`, `![text](target)`, `src="target"` and `href="target"`
fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, prose) in prose(text) {
        let prose = without_code(prose);
        for (open, close) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            links.extend(prose.split(open).skip(1).filter_map(|rest| {
                let target = rest.split(close).next()?.split(' ').next()?.trim_matches(['<', '>']);
                (!target.is_empty()).then(|| Link { target: target.to_owned(), line })
            }));
        }
    }
    links
}

/// The line without its `code`.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// The anchors that a forge gives to headings: lower case, punctuation dropped, blanks as hyphens.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| anchor(line.trim_start_matches('#').trim()))
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Vec<(String, usize)> {
        let tree = Tree::of(&[
            ("docs/a.md", text),
            ("docs/b.md", "# Words, and more\n\n```sh\n# not a heading\n```\n"),
            ("src/main.rs", "//! x"),
        ]);
        broken_links(&tree).into_iter().map(|finding| (finding.subject, finding.line)).collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for (text, target) in [
            ("see [it](missing.md)", "missing.md"),
            ("![a picture](screens/x.png \"title\")", "screens/x.png"),
            ("<img src=\"x.png\">", "x.png"),
            ("[up](../../etc/passwd)", "../../etc/passwd"),
            ("[b](b.md#nothing)", "b.md#nothing"),
            ("[b](b.md#not-a-heading)", "b.md#not-a-heading"),
            ("[self](#nothing)", "#nothing"),
            ("[root](/main.rs)", "/main.rs"),
        ] {
            assert_eq!(broken(&format!("# A\n{text}\n")), [(target.to_owned(), 2)], "{text}");
        }
    }

    #[test]
    fn links_that_lead_somewhere_are_not() {
        let text = "# A\n[b](b.md) [c](b.md#words-and-more) [d](../src/main.rs) [e](../src/) [f](./b.md)\n\
                    [g](https://example.org/x) [h](#a) [i](mailto:a@b) [j](/src/main.rs) `[k](no.md)`\n\
                    ```\n[l](no.md)\n```\n";
        assert_eq!(broken(text), []);
    }
}
