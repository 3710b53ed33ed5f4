//! What the server is told by its file, its environment and its command line: the typed settings, the
//! order in which the three are laid over one another, and the errors that say which line to change.
//! The keys themselves are one table in `keys`; no setting is read anywhere else. Nothing here opens a
//! socket or touches the data directory.

mod env;
mod file;
mod jwt;
pub(crate) mod keys;
mod nearest;
mod policy;
mod tables;
pub(crate) mod template;
mod types;
pub(crate) mod units;
mod value;

use std::path::{Path, PathBuf};

use thiserror::Error;

pub(crate) use jwt::JwtKey;
#[cfg(test)]
pub(crate) use policy::Policy;
pub(crate) use types::{
    Access, Config, Cors, Durability, Listen, Log, LogFormat, LogLevel, Takeover, TlsFiles,
};
pub(crate) use units::Space;

/// The file that is read from the working directory when `--config` names none.
pub(crate) const DEFAULT_FILE: &str = "tapeline.toml";

/// Why the configuration is refused. One line each: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ConfigError {
    /// The file named by `--config`, or the default one, cannot be read.
    #[error("cannot read the configuration {}: {cause}; name another with --config FILE", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// A line of the file is wrong.
    #[error("{}:{line}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong and what to write instead.
        message: String,
    },
    /// An environment variable holds a value that its key does not take.
    #[error("{name}: {message}")]
    Environment {
        /// The variable.
        name: String,
        /// What is wrong and what to write instead.
        message: String,
    },
}

/// Where the settings come from, so that a reload reads the same places again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// `--data`, which wins over file and environment.
    pub(crate) data: Option<PathBuf>,
}

/// The settings together with what should be told about them.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    /// One line each, for the log: unknown environment names, keys that have no effect yet.
    pub(crate) warnings: Vec<String>,
}

/// Reads defaults, file, environment and flags, in rising order of precedence.
pub(crate) fn load(
    sources: &Sources,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let mut config = Config::defaults();
    let mut set = Vec::new();
    let file = chosen_file(sources);
    if let Some(path) = &file {
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError::Unreadable { path: path.clone(), cause: e.to_string() })?;
        set.extend(file::apply(&mut config, path, &text)?);
    }
    let from_env = env::apply(&mut config, environment)?;
    set.extend(from_env.set);
    let mut warnings = from_env.warnings;
    warnings.extend(keys::without_effect(&set));
    warnings.extend(policy::without_effect(&config.policies));
    if let Some(data) = &sources.data {
        config.data.clone_from(data);
    }
    config.place_database();
    Ok(Loaded { config, warnings })
}

fn chosen_file(sources: &Sources) -> Option<PathBuf> {
    sources.file.clone().or_else(|| Path::new(DEFAULT_FILE).is_file().then(|| PathBuf::from(DEFAULT_FILE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Loaded, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.toml");
        std::fs::write(&path, text).unwrap();
        let sources = Sources { file: Some(path), data: None };
        load(&sources, env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
            .map_err(|e| e.to_string().split_once("t.toml:").map_or(e.to_string(), |(_, m)| m.to_owned()))
    }

    fn refusal(text: &str) -> String {
        load_text(text, &[]).unwrap_err()
    }

    #[test]
    fn environment_wins_over_the_file_and_flags_win_over_both() {
        let loaded = load_text(
            "data = '/file'\n[http]\nlisten = '127.0.0.1:1'\n[tape]\nring_bytes = '1MiB'\n",
            &[("TAPELINE_HTTP__LISTEN", "127.0.0.1:2"), ("TAPELINE_DATA", "/env"), ("HOME", "/root")],
        )
        .unwrap();
        assert_eq!(loaded.config.http.listen, Listen::At("127.0.0.1:2".into()));
        assert_eq!(loaded.config.tape.ring_bytes, 1 << 20);
        assert_eq!(loaded.config.data, PathBuf::from("/env"));
        assert_eq!(loaded.config.database, "sqlite:/env/tapeline.db");
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let flags = Sources { file: None, data: Some("/flag".into()) };
        let loaded = load(&flags, [("TAPELINE_DATA".to_owned(), "/env".to_owned())]).unwrap();
        assert_eq!(loaded.config.database, "sqlite:/flag/tapeline.db");
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_valid_one() {
        assert_eq!(
            refusal("\n[http]\nlisten = ':8080'\nlisen = 'x'\n"),
            "4: unknown key http.lisen; did you mean http.listen?"
        );
        assert_eq!(refusal("[htpp]\nlisten = ':1'\n"), "1: unknown section [htpp]; did you mean [http]?");
        assert_eq!(refusal("dta = 'x'\n"), "1: unknown key dta; did you mean data?");
        assert_eq!(
            refusal("[tape]\nlisten = 'x'\n"),
            "2: unknown key tape.listen; [tape] takes part_ms, extent_s, durability, ring_bytes"
        );
        assert_eq!(refusal("part_ms = 400\n"), "1: unknown key part_ms; did you mean tape.part_ms?");
        assert_eq!(
            refusal("[[policy]]\nmatch='live/*'\nrecrd = 'always'\n"),
            "3: unknown key policy.recrd; did you mean policy.record?"
        );
    }

    #[test]
    fn a_bad_value_says_what_would_be_good() {
        assert_eq!(
            refusal("[tape]\npart_ms = 'fast'\n"),
            "2: tape.part_ms: \"fast\" is not a whole number; write e.g. tape.part_ms = 500"
        );
        assert_eq!(refusal("[tape]\npart_ms = 5\n"), "2: tape.part_ms: 5 is outside 100 to 500");
        assert_eq!(
            refusal("[tape]\ndurability = 'prt'\n"),
            "2: tape.durability: \"prt\" is none of \"part\", \"extent\", \"os\"; did you mean \"part\"?"
        );
        assert_eq!(
            refusal("[http]\nlisten = 8080\n"),
            "2: http.listen: 8080 is not a text; write e.g. http.listen = \"0.0.0.0:8080\""
        );
        assert_eq!(refusal("http = 3\n"), "1: http is a section; write [http] and its keys below it");
        assert!(refusal("[http\n").starts_with("1: "), "{}", refusal("[http\n"));
        assert!(refusal("x = 1\nx = 2\n").starts_with("2: "), "{}", refusal("x = 1\nx = 2\n"));
    }

    #[test]
    fn a_bad_environment_value_names_the_variable_and_an_unknown_one_only_warns() {
        let error = load_text("", &[("TAPELINE_TAPE__EXTENT_S", "soon")]).unwrap_err();
        assert_eq!(
            error,
            "TAPELINE_TAPE__EXTENT_S: \"soon\" is not a whole number; write e.g. TAPELINE_TAPE__EXTENT_S=60"
        );
        let loaded =
            load_text("", &[("TAPELINE_HTTP__LISEN", "x"), ("TAPELINE_PORT_80_TCP", "tcp://x")]).unwrap();
        assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
        assert_eq!(
            loaded.warnings[0],
            "the environment variable TAPELINE_HTTP__LISEN is not a setting; did you mean TAPELINE_HTTP__LISTEN?"
        );
        assert!(!loaded.warnings[1].contains("tcp://"), "values are never told");
    }

    #[test]
    fn every_key_takes_its_environment_name_and_its_default() {
        for key in keys::KEYS {
            let text = key.default.unwrap_or(key.example);
            let plain = text.trim_matches('"');
            let env = env::variable(key.path);
            let loaded = load_text("", &[(&env, plain)]).unwrap_or_else(|e| panic!("{env}: {e}"));
            assert!(loaded.warnings.iter().all(|w| w.contains(key.path)), "{:?}", loaded.warnings);
        }
    }

    #[test]
    fn policies_come_from_the_file_and_from_the_environment() {
        let loaded = load_text(
            "[[policy]]\nmatch = 'live/*'\nrecord = 'ring'\nretention = '7d'\n",
            &[("TAPELINE_POLICY__1__MATCH", "tv/*"), ("TAPELINE_POLICY__1__RECORD", "off")],
        )
        .unwrap();
        let matches: Vec<&str> = loaded.config.policies.iter().map(|p| p.matches.as_str()).collect();
        assert_eq!(matches, ["live/*", "tv/*"]);
        assert_eq!(
            refusal("[[policy]]\nrecord = 'off'\n"),
            "1: a [[policy]] needs match, e.g. match = \"live/*\""
        );
        assert_eq!(
            refusal("[policy]\nmatch = 'x/*'\n"),
            "1: write [[policy]] with two brackets: there may be several"
        );
    }
}
