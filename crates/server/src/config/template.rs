//! The documented configuration file that `tapeline config` prints, and the table of `docs/config.md`:
//! both are drawn from the table of keys.

use std::fmt::Write as _;

use super::keys::{Change, KEYS, Key};

const HEAD: &str = "\
# Tapeline's configuration. Every key below shows its default; a key that is unset by default is commented
# out and shows an example. Each key can be given in the environment instead: TAPELINE_<SECTION>__<KEY>, as in
# TAPELINE_HTTP__LISTEN=127.0.0.1:8080, and TAPELINE_DATA, TAPELINE_DATABASE for the two of the top level.
# SIGHUP reads the file again; keys marked (restart) wait for the next start.
";

const POLICIES: &str = "
# What is done with the streams that match; the first policy that matches counts. (not yet in this version)
# [[policy]]
# match = \"live/*\"
# record = \"always\"             # \"always\", \"ring\" (memory only) or \"off\"
# retention = \"7d\"
# split_every = \"1h\"
# name_template = \"{stream} {start}\"
# clip_on = [\"marker\"]
";

const JWT: &str = "
# A key that signed tokens (JWT) are checked with; there may be several. HS256, HS384, HS512 take a secret of at least
# 32 bytes, RS256, ES256, EdDSA a public key in PEM; file reads either from a file.
# [[jwt]]
# kid = \"site\"
# algorithm = \"EdDSA\"
# file = \"/etc/tapeline/site.pem\"
# issuer = \"https://id.example.com\"
# audience = \"tapeline\"
";

/// The whole file, ready to be saved as `tapeline.toml`.
pub(crate) fn template() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            let _ = write!(text, "\n[{section}]\n");
        } else {
            text.push('\n');
        }
        entry(&mut text, key);
    }
    text.push_str(POLICIES);
    text.push_str(JWT);
    text
}

fn entry(text: &mut String, key: &Key) {
    let (last, before) = key.help.split_last().expect("every key is explained");
    for line in before {
        let _ = writeln!(text, "# {line}");
    }
    let note = match key.change {
        Change::Reload => "",
        Change::Restart => " (restart)",
        Change::NotYet => " (not yet in this version)",
    };
    let _ = writeln!(text, "# {last}{note}");
    let _ = match key.default {
        Some(default) => writeln!(text, "{} = {default}", key.name()),
        None => writeln!(text, "# {} = {}", key.name(), key.example),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_template_is_a_configuration_that_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tapeline.toml");
        std::fs::write(&path, template()).unwrap();
        let sources = crate::config::Sources { file: Some(path), data: None };
        let loaded = crate::config::load(&sources, []).unwrap();
        let mut defaults = Config::defaults();
        defaults.place_database();
        assert_eq!(loaded.config, defaults);
    }

    #[test]
    fn the_examples_in_comments_are_good_values() {
        // The file of a key is not there.
        let uncommented: String = template()
            .replace(JWT, "")
            .lines()
            .filter(|l| !l.starts_with("# ") || l.contains(" = ") || l.starts_with("# [["))
            .map(|l| {
                format!("{}\n", l.strip_prefix("# ").filter(|l| !l.starts_with("TAPELINE")).unwrap_or(l))
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tapeline.toml");
        std::fs::write(&path, &uncommented).unwrap();
        let sources = crate::config::Sources { file: Some(path), data: None };
        let loaded = crate::config::load(&sources, []).unwrap_or_else(|e| panic!("{e}\n{uncommented}"));
        assert_eq!(loaded.config.policies.len(), 1);
    }

    #[test]
    fn the_document_names_every_key_with_its_default() {
        let document = include_str!("../../../../docs/config.md");
        for key in KEYS {
            let default = key.default.map_or("unset".to_owned(), |d| format!("`{d}`"));
            let row = format!("| `{}` | {default} |", key.path);
            assert!(document.contains(&row), "docs/config.md lacks the row {row}");
        }
    }
}
