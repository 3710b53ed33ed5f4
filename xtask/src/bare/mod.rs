//! `cargo xtask bare`: proves that a newcomer's machine is enough. A bare Debian is set up in a folder, the
//! committed tree is cloned into it, and the README's shell blocks run there in order, as they are written.
//! Run by hand: it takes as long as a first build does, and needs root for the folder's mounts.
//!
//! The machine has this one's network and package configuration and nothing else of it.

mod machine;
mod readme;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;
use machine::Machine;

/// What to set up and what to do there.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The release of Debian, or of Ubuntu
    #[arg(long, default_value = "bookworm")]
    suite: String,
    /// Which of its components; Ubuntu's Rust is in universe
    #[arg(long, default_value = "main")]
    components: String,
    /// Where its packages come from; a mirror that this machine can reach
    #[arg(long, default_value = "http://deb.debian.org/debian")]
    mirror: String,
    /// Keep the machine of an earlier run with what was installed there; the clone is made anew
    #[arg(long)]
    again: bool,
    /// Instead of the README, run one command in the clone, such as `scripts/setup build`
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
}

/// Sets up the machine and runs what was asked there.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    ensure!(rustix::process::geteuid().is_root(), "a bare machine needs root: `sudo cargo xtask bare`");
    let status =
        Command::new(root.join("scripts/setup")).arg("bare").status().context("cannot run scripts/setup")?;
    ensure!(status.success(), "scripts/setup bare failed ({status})");

    let machine = machine(root, options)?;
    let work = Work::read(root, options)?;
    machine.write("root/bare.sh", &work.script)?;
    serve_clone(root, &machine, &work.repository)?;

    let begun = Instant::now();
    let status = machine.run(&["bash", "/root/bare.sh"])?;
    println!(
        "== bare: {status} after {:.0} s; the machine is left in {}",
        begun.elapsed().as_secs_f64(),
        machine.folder().display()
    );
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is run there.
struct Work {
    script: String,
    /// The address that the README clones from.
    repository: String,
}

impl Work {
    fn read(root: &Path, options: &Options) -> Result<Work> {
        let repository = workspace::package_field(&workspace::manifest(root)?, "repository")?;
        let script = match &options.run {
            Some(command) => readme::script_of_command(command),
            None => readme::script(&readme_blocks(root)?),
        };
        Ok(Work { script, repository })
    }
}

fn readme_blocks(root: &Path) -> Result<Vec<readme::Block>> {
    let text = std::fs::read_to_string(root.join("README.md")).context("cannot read README.md")?;
    let blocks = readme::blocks(&text)?;
    if blocks.is_empty() {
        bail!("README.md has no ```sh block to run");
    }
    Ok(blocks)
}

fn machine(root: &Path, options: &Options) -> Result<Machine> {
    let folder = root.join("target/bare");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let pristine: PathBuf = folder.join(format!("{}.pristine", options.suite));
    let machine = Machine::at(folder.join(&options.suite));
    if options.again && machine.folder().exists() {
        return Ok(machine);
    }
    if !pristine.exists() {
        machine::bootstrap(&pristine, &options.suite, &options.components, &options.mirror)?;
    }
    machine.reset_to(&pristine)?;
    machine.take_configuration(&options.suite)?;
    Ok(machine)
}

/// Puts the committed tree where the README's `git clone` finds it, under the address that the README names.
fn serve_clone(root: &Path, machine: &Machine, repository: &str) -> Result<()> {
    let inside = "srv/tapeline.git";
    let clone = machine.folder().join(inside);
    if clone.exists() {
        std::fs::remove_dir_all(&clone).with_context(|| format!("cannot remove {}", clone.display()))?;
    }
    let mut command = Command::new("git");
    let status = command.args(["clone", "--quiet", "--bare", "--no-local"]).arg(root).arg(&clone).status();
    let status = status.context("cannot start git")?;
    ensure!(status.success(), "cannot clone the checkout ({status})");
    let config = format!("[url \"/{inside}\"]\n\tinsteadOf = {repository}\n[safe]\n\tdirectory = *\n");
    machine.write("etc/gitconfig", &config)
}
