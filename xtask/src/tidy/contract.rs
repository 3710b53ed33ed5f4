//! What the code offers against what the reference documents tell: settings against docs/config.md, REST
//! calls against docs/api.md. A check begins when its document exists. Whether the text is right, people judge.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::tree::{Token, Tree};

const CONFIG: &str = "docs/config.md";
const KEYS: &str = "crates/server/src/config/keys.rs";
/// The settings that repeat: their section, and where their keys stand.
const REPEATING: [(&str, &str); 2] =
    [("policy.", "crates/server/src/config/policy.rs"), ("jwt.", "crates/server/src/config/jwt.rs")];
const API: &str = "docs/api.md";
const ROUTES: &str = "crates/server/src/";
const OPENAPI: &str = "crates/server/src/api/openapi/calls.rs";
const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

/// The first parts of the paths of the REST interface, as the design lists its calls.
const REST: &[&str] = &[
    "streams",
    "sources",
    "sessions",
    "assets",
    "transcodes",
    "uploads",
    "jobs",
    "events",
    "users",
    "keys",
    "tokens",
    "ip-rules",
    "webhooks",
    "openapi.json",
    "retention",
];

/// Where REST calls begin; in the code and the document it may be left out.
const API_PREFIX: &str = "/api/v1";

/// Settings without a word about them, and words about settings that are none.
pub(super) fn config_keys(tree: &Tree) -> Vec<Finding> {
    let Some(doc) = tree.file(CONFIG) else { return Vec::new() };
    let tokens = |path| tree.rust().find(|(file, _)| file.path == path).map(|(_, rust)| &rust.tokens[..]);
    let table = tokens(KEYS).map(keys_in_table).unwrap_or_default();
    let repeating = REPEATING.iter().flat_map(|(section, path)| {
        tokens(path).map(|tokens| keys_that_repeat(tokens, section)).unwrap_or_default()
    });
    let code = table.into_iter().chain(repeating).collect();
    differences((KEYS, &code), (CONFIG, &keys_in_doc(&doc.text)), "a table row that begins with it in `code`")
}

/// REST calls without a word about them, and words about calls that are none.
pub(super) fn routes(tree: &Tree) -> Vec<Finding> {
    let code = routed(tree);
    let Some(doc) = tree.file(API) else { return Vec::new() };
    let told = leading_code(&doc.text).flat_map(calls_in_word).filter(|call| is_rest(call)).collect();
    differences(
        (ROUTES, &code),
        (API, &told),
        "a table row, list item or heading that begins with `METHOD /path`",
    )
}

/// REST calls that the OpenAPI document lacks, and descriptions of calls that are none.
pub(super) fn described(tree: &Tree) -> Vec<Finding> {
    let mut files = tree.rust().filter(|(file, _)| file.path == OPENAPI);
    let Some((_, rust)) = files.next() else { return Vec::new() };
    let described = described_calls(&rust.tokens);
    differences((ROUTES, &routed(tree)), (OPENAPI, &described), "an `op(\"METHOD\", \"/path\", …)`")
}

fn routed(tree: &Tree) -> BTreeSet<String> {
    let sources = tree.rust().filter(|(file, rust)| file.path.starts_with(ROUTES) && !rust.is_test);
    sources.flat_map(|(_, rust)| calls_in_code(&rust.tokens)).collect()
}

/// `op("GET", "/streams", …)`
fn described_calls(tokens: &[Token]) -> BTreeSet<String> {
    let ops = tokens.windows(5).filter(|w| w[0].text == "op" && w[1].text == "(" && w[3].text == ",");
    ops.filter_map(|w| Some(call(literal(&w[2])?, literal(&w[4])?))).collect()
}

/// What one side has and the other lacks. A side is the place a finding points at and its set.
pub(super) fn differences(
    code: (&str, &BTreeSet<String>),
    list: (&str, &BTreeSet<String>),
    form: &str,
) -> Vec<Finding> {
    let untold = code.1.difference(list.1).map(|item| (code.0, item, list.0, format!("give it {form}")));
    let unreal =
        list.1.difference(code.1).map(|item| (list.0, item, code.0, "take it out or build it".to_owned()));
    let finding = |(path, item, other, next): (&str, &String, &str, String)| Finding {
        path: path.to_owned(),
        line: 0,
        subject: item.clone(),
        what: format!("{item} is missing from {other}"),
        next,
    };
    untold.chain(unreal).map(finding).collect()
}

/// `path: "http.listen"` in the one table of settings
fn keys_in_table(tokens: &[Token]) -> Vec<String> {
    let entries = tokens.windows(3).filter(|w| w[0].text == "path" && w[1].text == ":");
    entries.filter_map(|w| literal(&w[2])).map(str::to_owned).collect()
}

/// `"policy.record"`, the settings that repeat
fn keys_that_repeat(tokens: &[Token], section: &str) -> Vec<String> {
    let keys = tokens.iter().filter_map(literal).filter(|word| word.starts_with(section) && is_key(word));
    keys.map(str::to_owned).collect()
}

/// The settings that rows tell of; under a heading with `[[policy]]` their names stand alone.
fn keys_in_doc(text: &str) -> BTreeSet<String> {
    let mut prefix = String::new();
    let mut keys = BTreeSet::new();
    for word in leading_code(text) {
        match word.strip_prefix('[') {
            Some(table) => {
                let name = table.strip_prefix('[').and_then(|name| name.strip_suffix("]]"));
                prefix = name.map_or(String::new(), |name| format!("{name}."));
            }
            None if is_key(word) => drop(keys.insert(format!("{prefix}{word}"))),
            None => {}
        }
    }
    keys
}

/// `section.name` or `name`, as settings are written
fn is_key(word: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    word.split('.').all(is_name) && word.split('.').count() <= 2
}

/// The REST calls of a file: those it routes, and those whose handlers sit behind a catch-all route and begin
/// their doc comment with `` `METHOD /path` ``.
fn calls_in_code(tokens: &[Token]) -> BTreeSet<String> {
    let routes = (0..tokens.len()).filter(|at| texts(tokens, *at, 3) == [".", "route", "("]);
    let routed = routes.flat_map(|at| route(&tokens[at + 3..]));
    let docs = (0..tokens.len()).filter(|at| texts(tokens, *at, 4) == ["#", "[", "doc", "="]);
    let docs = docs.filter_map(|at| literal(tokens.get(at + 4)?));
    let told = docs.filter_map(|doc| doc.trim_start().strip_prefix('`')?.split_once('`'));
    routed.chain(told.flat_map(|(word, _)| calls_in_word(word))).filter(|call| is_rest(call)).collect()
}

/// Is it a call of the REST interface, and not a page, a health check or media?
fn is_rest(call: &str) -> bool {
    REST.iter()
        .any(|first| call.split_once(" /").is_some_and(|(_, path)| path.split('/').next() == Some(first)))
}

/// `.route("/streams/{app}", get(list).delete(kick))` gives `GET /streams/{}` and `DELETE /streams/{}`.
fn route(after: &[Token]) -> Vec<String> {
    let Some(path) = after.first().and_then(literal) else { return Vec::new() };
    let mut depth = 0;
    let mut calls = Vec::new();
    for (token, next) in after.iter().zip(&after[1..]) {
        match token.text.as_str() {
            "(" => depth += 1,
            ")" if depth == 0 => break,
            ")" => depth -= 1,
            method if depth == 0 && next.text == "(" && METHODS.contains(&method) => {
                calls.push(call(method, path));
            }
            _ => {}
        }
    }
    calls
}

fn texts(tokens: &[Token], at: usize, count: usize) -> Vec<&str> {
    tokens[at..].iter().take(count).map(|token| token.text.as_str()).collect()
}

fn literal(token: &Token) -> Option<&str> {
    token.text.strip_prefix('"')?.strip_suffix('"')
}

/// `GET·PATCH /assets/{id}` gives one call for each method.
fn calls_in_word(word: &str) -> Vec<String> {
    let Some((methods, path)) = word.split_once(' ') else { return Vec::new() };
    let methods = methods.split(['·', ',', '|']).map(str::to_lowercase);
    let known: Vec<String> = methods.filter(|method| METHODS.contains(&method.as_str())).collect();
    known.iter().map(|method| call(method, path)).collect()
}

/// One form for both sides: no prefix, no query, no names of parameters.
fn call(method: &str, path: &str) -> String {
    let path = path.trim().strip_prefix(API_PREFIX).unwrap_or(path.trim());
    let path = path.split('?').next().unwrap_or(path);
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    format!("{} {}", method.to_uppercase(), parts.collect::<Vec<_>>().join("/"))
}

/// The `code` of headings, of first cells of tables, and that list items begin with: what an entry is about.
fn leading_code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        let (about, codes) = match line.chars().next() {
            Some('#') => (line, usize::MAX),
            Some('|') => (line[1..].split('|').next().unwrap_or_default(), usize::MAX),
            Some('-' | '*') if line[1..].trim_start().starts_with('`') => (line, 1),
            _ => ("", 0),
        };
        about.split('`').skip(1).step_by(2).take(codes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(findings: Vec<Finding>) -> Vec<(String, String)> {
        findings.into_iter().map(|f| (f.path, f.subject)).collect()
    }

    #[test]
    fn a_call_that_nobody_describes_is_found() {
        let routes = ".route(\"/keys\", get(list).post(make))";
        let ops = "fn f() { vec![op(\"GET\", \"/keys\", \"a\", \"b\").x(), op(\"PUT\", \"/keys/{k}\", \"c\", \"d\")] }";
        let tree = Tree::of(&[
            ("crates/server/src/api/mod.rs", &format!("fn r() {{ Router::new(){routes} }}")),
            (OPENAPI, ops),
        ]);
        let found = subjects(described(&tree));
        assert_eq!(
            found.iter().map(|(_, call)| call.as_str()).collect::<Vec<_>>(),
            ["POST /keys", "PUT /keys/{}"]
        );
    }

    #[test]
    fn both_sides_are_compared() {
        let set = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<BTreeSet<_>>();
        let found = differences(("code", &set(&["a", "b"])), ("list", &set(&["b", "c"])), "a row");
        assert_eq!(found[0].to_string(), "code: a is missing from list; give it a row");
        assert_eq!(found[1].to_string(), "list: c is missing from code; take it out or build it");
    }

    #[test]
    fn settings_without_words_and_words_without_settings_are_found() {
        let keys = "//! x\nconst KEYS: &[Key] = &[Key { path: \"data\" }, Key { path: \"http.listen\" }];";
        let doc =
            "## `data`\nThe place; see `http.cors`.\n| `http.port` | the port |\n| `TAPELINE_DATA` | |\n";
        let found = subjects(config_keys(&Tree::of(&[(KEYS, keys), (CONFIG, doc)])));
        assert_eq!(found, [(KEYS.into(), "http.listen".into()), (CONFIG.into(), "http.port".into())]);
        assert_eq!(config_keys(&Tree::of(&[(KEYS, keys)])), []);
    }

    #[test]
    fn calls_without_words_and_words_without_calls_are_found() {
        let code = "//! x\nfn router() { Router::new()\n.route(\"/streams\", get(list))\n\
                    .route(\"/streams/{*rest}\", any(below)).route(\"/healthz\", get(alive))\n\
                    .route(\"/api/v1/assets/{id}\", get(one).patch(with(get(x))).delete(drop_it)) }\n\
                    /// `POST /streams/{app}/{stream}/split`: ends one.\nfn split() {}";
        let doc = "| `GET /streams?limit&cursor` | lists |\n| | see `PUT /streams` |\n### `GET /assets/{x}` · `DELETE /assets/{x}`\n\
                   - `POST /jobs` begins one\nSee `PUT /nothing`.\n";
        let found = subjects(routes(&Tree::of(&[("crates/server/src/api/mod.rs", code), (API, doc)])));
        let wanted =
            [(ROUTES, "PATCH /assets/{}"), (ROUTES, "POST /streams/{}/{}/split"), (API, "POST /jobs")];
        assert_eq!(found, wanted.map(|(path, item)| (path.to_owned(), item.to_owned())));
    }
}
