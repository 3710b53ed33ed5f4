//! The API against its own description: schemathesis makes requests from it, good and bad, and checks every answer.

use std::path::{Path, PathBuf};
use std::process::Command;

use jsonwebtoken::Algorithm;

use crate::credentials::{Issuer, SECRET, sign, tapeline};
use crate::ffmpeg;
use crate::server::{DEADLINE, Setup, TestServer, eventually};

/// The same requests each time.
const SEED: &str = "20261121";
/// Requests of each kind for each call; a few thousand in all.
const EXAMPLES: &str = "12";

fn program() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let program = tools.join("schemathesis/bin/schemathesis");
    assert!(program.is_file(), "{} is missing: scripts/setup test", program.display());
    program
}

/// Runs all checks and gives what was said.
fn run(server: &TestServer, token: Option<&str>) -> String {
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis");
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(program());
    command
        .current_dir(place.path())
        .env("SCHEMATHESIS_HOOKS", settings.join("hooks.py"))
        .arg("--config-file")
        .arg(settings.join("schemathesis.toml"))
        .args(["run", &server.url("/api/v1/openapi.json"), "--checks", "all", "--no-color"])
        .args(["--seed", SEED, "--max-examples", EXAMPLES, "--request-timeout", "10", "--no-shrink"])
        .args([
            "--generation-database",
            "none",
            "--generation-with-security-parameters",
            "false",
            "--suppress-health-check",
            "all",
        ]);
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_description_says() {
    let mut setup = Setup::new()
        .env("TAPELINE_ACCESS__LOOPBACK_OPEN", "false")
        .env("TAPELINE_LOG__LEVEL", "info")
        .env("TAPELINE_ACCESS__OPEN", "publish live/*");
    for (name, value) in Issuer::settings() {
        setup = setup.env(name, value);
    }
    // The key of the credential is not the one that the description takes as its example, so it is not revoked.
    let server = setup.env("TAPELINE_JWT__0__KID", "issuer").start().await;
    let admin = sign(Algorithm::HS256, "issuer", SECRET.as_bytes(), &Issuer::claims("admin", "*"));
    tapeline(&server, &["key", "new", "--algorithm", "HS256", "--id", "site"]);
    let mut publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    eventually("live/cam1 is there", DEADLINE, async || {
        let ask = server.client.get(server.url("/api/v1/streams/live/cam1/timeline")).bearer_auth(&admin);
        let timeline: serde_json::Value = ask.send().await.ok()?.json().await.ok()?;
        timeline["end"].is_string().then_some(())
    })
    .await;
    publisher.kill();
    for token in [Some(&*admin), None] {
        let said = run(&server, token);
        println!("{}", said.lines().rev().take(12).collect::<Vec<_>>().join("\n"));
    }
    assert!(server.log.find("a bug ended").is_none());
}
