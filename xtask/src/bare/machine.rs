//! A Debian or Ubuntu in a folder: made by debootstrap, entered by chroot in namespaces of its own, so that what was
//! started there ends with it and its mounts are nobody else's. What runs there is the caller's affair.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, ensure};

/// Where this machine's own release has its packages from. Of no use to another release.
const SOURCES: &[&str] = &[
    "etc/apt/sources.list",
    "etc/apt/sources.list.d",
    "etc/apt/keyrings",
    "etc/apt/trusted.gpg.d",
    "usr/share/keyrings",
];

/// How this machine reaches its packages: apt, pip, npm, cargo, name look-up. Copied when it is there.
const CONFIGURATION: &[&str] = &[
    "etc/apt/apt.conf.d",
    "etc/apt/auth.conf.d",
    "etc/resolv.conf",
    "etc/hosts",
    "etc/pip.conf",
    "root/.config/pip",
    "root/.npmrc",
    "root/.cargo/config.toml",
    "usr/local/share/ca-certificates",
];

/// The certificates that this machine trusts; those that the distribution does not know come along.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Environment that says how to reach packages; nothing else of the environment enters.
const ENVIRONMENT: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_INDEX_URL",
    "PIP_DEFAULT_TIMEOUT",
    "NPM_CONFIG_REGISTRY",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_PROXY",
    "CARGO_HTTP_CAINFO",
];

/// Runs in the new namespaces: `$1` is the folder, the rest the command.
const ENTER: &str = r#"
set -eu
root=$1
shift
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
"#;

/// Makes a minimal system in a folder, of these components of a release.
pub(super) fn bootstrap(folder: &Path, suite: &str, components: &str, mirror: &str) -> Result<()> {
    let part = folder.with_extension("part");
    remove(&part)?;
    let mut command = Command::new("debootstrap");
    command.args(["--variant=minbase", &format!("--components={components}"), suite]);
    let status = command.arg(&part).arg(mirror).status();
    let status = status.context("cannot start debootstrap")?;
    ensure!(status.success(), "debootstrap failed ({status})");
    std::fs::rename(&part, folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A machine in a folder.
pub(super) struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// The machine in this folder, whether it is set up or not.
    pub(super) fn at(folder: PathBuf) -> Machine {
        Machine { folder }
    }

    /// Where it lies.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes it anew as a copy of another one.
    pub(super) fn reset_to(&self, pristine: &Path) -> Result<()> {
        remove(&self.folder)?;
        self.copy(pristine, &self.folder)
    }

    /// Writes a file of the machine.
    pub(super) fn write(&self, inside: &str, text: &str) -> Result<()> {
        let path = self.folder.join(inside);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Lets it reach packages as this machine does; where it is of the same release, also the same ones.
    pub(super) fn take_configuration(&self, suite: &str) -> Result<()> {
        let own = is_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default(), suite);
        if own && Path::new("/etc/apt").exists() {
            // What debootstrap wrote would name the same packages a second time.
            remove_any(&self.folder.join("etc/apt/sources.list"))?;
        }
        let sources = if own { SOURCES } else { &[] };
        for inside in sources.iter().chain(CONFIGURATION) {
            let (from, to) = (Path::new("/").join(inside), self.folder.join(inside));
            if from.exists() {
                remove_any(&to)?;
                self.copy(&from, &to)?;
            }
        }
        let bundle = std::fs::read_to_string(CERTIFICATES).unwrap_or_default();
        for (index, certificate) in certificates(&bundle).enumerate() {
            self.write(&format!("usr/local/share/ca-certificates/{index}.crt"), certificate)?;
        }
        Ok(())
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        let parent = to.parent().context("nothing is copied onto the root")?;
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let status = Command::new("cp").args(["--archive", "-H"]).arg(from).arg(to).status();
        let status = status.context("cannot start cp")?;
        ensure!(status.success(), "cannot copy {} ({status})", from.display());
        Ok(())
    }

    /// Runs a command in the machine as root, in /root; whatever it started ends with it.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<ExitStatus> {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "enter"])
            .arg(&self.folder);
        command.args([
            "env",
            "--ignore-environment",
            "--chdir=/root",
            "HOME=/root",
            "TERM=dumb",
            "LANG=C.UTF-8",
        ]);
        command.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let set = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
        command.args(set.map(|(name, value)| format!("{name}={value}")));
        command.args(arguments).status().context("cannot start unshare")
    }
}

/// Whether an os-release file is that of a release, by its code name.
fn is_release(os_release: &str, suite: &str) -> bool {
    os_release
        .lines()
        .filter_map(|l| l.strip_prefix("VERSION_CODENAME="))
        .any(|name| name.trim_matches('"') == suite)
}

fn remove_any(path: &Path) -> Result<()> {
    if path.is_dir() {
        return remove(path);
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The certificates of a bundle, one by one, as update-ca-certificates takes them.
fn certificates(bundle: &str) -> impl Iterator<Item = &str> {
    let begins = bundle.match_indices("-----BEGIN CERTIFICATE-----").map(|(at, _)| at);
    begins.filter_map(|at| {
        let end = "-----END CERTIFICATE-----\n";
        Some(&bundle[at..at + bundle[at..].find(end)? + end.len()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_taken_apart() {
        let one = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";
        let two = one.replace("AA", "BB");
        let bundle = format!("# a comment\n{one}\n{two}-----BEGIN CERTIFICATE-----\ncut");
        assert_eq!(certificates(&bundle).collect::<Vec<_>>(), [one, two.as_str()]);
    }

    #[test]
    fn a_release_is_known_by_its_code_name() {
        let debian = "ID=debian\nVERSION_CODENAME=bookworm\n";
        assert!(is_release(debian, "bookworm") && !is_release(debian, "noble"));
        assert!(is_release("VERSION_CODENAME=\"noble\"", "noble") && !is_release("", "noble"));
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        remove(&path).unwrap();
        remove_any(&path).unwrap();
        std::fs::write(&path, "x").unwrap();
        remove_any(&path).unwrap();
        assert!(!path.exists());
    }
}
