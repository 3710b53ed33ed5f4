//! Where the workspace is and what its manifest says. Not the tools that work on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The root of the checkout: the one that `cargo xtask` was called in, else the one this program was built from.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().expect("xtask/ lies in the root of the workspace").to_owned()
}

/// The manifest of the workspace as a table.
pub(crate) fn manifest(root: &Path) -> Result<toml::Table> {
    let path = root.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("{} is no TOML", path.display()))
}

/// A string of `[workspace.package]`, such as `rust-version`.
pub(crate) fn package_field(manifest: &toml::Table, name: &str) -> Result<String> {
    let field = manifest.get("workspace").and_then(|w| w.get("package")).and_then(|p| p.get(name));
    let field = field.and_then(toml::Value::as_str);
    Ok(field.with_context(|| format!("Cargo.toml has no workspace.package.{name}"))?.to_owned())
}

/// What a command of one of the tools prints, trimmed; an error when it fails.
pub(crate) fn answer(root: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let called = || format!("{program} {}", arguments.join(" "));
    let output = Command::new(program).args(arguments).current_dir(root).output();
    let output = output.with_context(|| format!("cannot start `{}`", called()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}` failed: {}", called(), complaint.trim());
    let text = String::from_utf8(output.stdout).with_context(|| format!("`{}` printed no text", called()))?;
    Ok(text.trim().to_owned())
}

/// The target triple that the compiler builds for by default.
pub(crate) fn host(root: &Path) -> Result<String> {
    let version = answer(root, "rustc", &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        let manifest = manifest(&root()).unwrap();
        assert_eq!(package_field(&manifest, "edition").unwrap(), "2024");
        assert!(package_field(&manifest, "nonsense").is_err());
    }

    #[test]
    fn an_answer_is_what_was_printed_and_a_failure_is_an_error() {
        assert_eq!(answer(&root(), "echo", &["one", "two"]).unwrap(), "one two");
        assert!(answer(&root(), "false", &[]).unwrap_err().to_string().contains("`false ` failed"));
        assert!(answer(&root(), "no-such-program", &[]).is_err());
    }
}
