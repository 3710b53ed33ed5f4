//! A start that cannot succeed says why in one line and ends with code 2; settings behave as documented.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::server::{self, Setup};

fn refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let lines: Vec<&str> = said.lines().filter(|l| l.starts_with("tapeline:")).collect();
    assert_eq!(lines.len(), 1, "one line that says what to do: {said}");
    for word in words {
        assert!(lines[0].contains(word), "{word:?} in {:?}", lines[0]);
    }
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
}

fn serve(dir: &std::path::Path, settings: &[(&str, &str)], args: &[&str]) -> Output {
    server::command()
        .arg("serve")
        .arg("--data")
        .arg(dir)
        .args(args)
        .env("TAPELINE_HTTP__LISTEN", "127.0.0.1:0")
        .env("TAPELINE_RTMP__LISTEN", "127.0.0.1:0")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tapeline.toml");
    std::fs::write(&file, "[http]\nlisten = \"127.0.0.1:0\"\n\n[rtmp]\nlistn = \"x\"\n").unwrap();
    let output = serve(dir.path(), &[], &["--config", file.to_str().unwrap()]);
    refused(&output, &["tapeline.toml:5:", "unknown key rtmp.listn", "did you mean rtmp.listen?"]);
}

#[test]
fn bad_values_are_refused_wherever_they_come_from() {
    let dir = tempfile::tempdir().unwrap();
    refused(
        &serve(dir.path(), &[("TAPELINE_TAPE__PART_MS", "forever")], &[]),
        &["TAPELINE_TAPE__PART_MS", "\"forever\"", "500"],
    );
    refused(&serve(dir.path(), &[("TAPELINE_HTTP__LISTEN", "nonsense")], &[]), &["HOST:PORT"]);
    refused(
        &serve(dir.path(), &[("TAPELINE_DATABASE", "mysql://x")], &[]),
        &["TAPELINE_DATABASE", "sqlite:"],
    );
    refused(
        &serve(dir.path(), &[("TAPELINE_ACCESS__OPEN", "fly live/*")], &[]),
        &["TAPELINE_ACCESS__OPEN", "fly"],
    );
    refused(
        &serve(dir.path(), &[], &["--config", "/nonexistent/t.toml"]),
        &["/nonexistent/t.toml", "--config"],
    );
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    for (section, variable) in [("http", "TAPELINE_HTTP__LISTEN"), ("rtmp", "TAPELINE_RTMP__LISTEN")] {
        let output = serve(dir.path(), &[(variable, &address)], &[]);
        refused(&output, &[&address, section, "in use", variable]);
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_data_directory() {
    let first = Setup::new().start().await;
    let output = serve(&first.data, &[], &[]);
    refused(&output, &["another tapeline", first.data.to_str().unwrap(), "--data DIR"]);
}

#[test]
fn an_unwritable_data_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    // Root writes everywhere, so a file in the way stands for what permissions do to others.
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    refused(&serve(&file.join("data"), &[], &[]), &["data directory", "--data DIR"]);
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
    let writable = std::fs::write(closed.join("probe"), "").is_ok();
    if !writable {
        refused(&serve(&closed.join("data"), &[], &[]), &["data directory", "--data DIR"]);
    }
}

#[tokio::test]
async fn unknown_environment_names_and_unbuilt_listeners_only_warn() {
    let server = Setup::new()
        .env("TAPELINE_SERVICE_PORT", "tcp://10.0.0.1:1")
        .env("TAPELINE_HTTP__LISTN", "x")
        .env("TAPELINE_SRT__LISTEN", "127.0.0.1:8890")
        .start()
        .await;
    server.log.wait("TAPELINE_HTTP__LISTN is not a setting; did you mean TAPELINE_HTTP__LISTEN?").await;
    server.log.wait("TAPELINE_SERVICE_PORT is not a setting").await;
    server.log.wait("srt.listen: this version has no srt listener; nothing is opened").await;
    assert!(server.log.find("10.0.0.1").is_none(), "values of unknown variables are not logged");
}

#[tokio::test]
async fn sighup_applies_what_it_can_and_names_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.toml");
    let write = |cors: &str, part: u32| {
        std::fs::write(&file, format!("[http]\ncors = \"{cors}\"\n[tape]\npart_ms = {part}\n")).unwrap();
    };
    write("*", 500);
    let server = Setup::new().args(&["--config", file.to_str().unwrap()]).start().await;
    let allowed = async || {
        let answer = server.get("/live/x.m3u8").await;
        answer.headers().get("access-control-allow-origin").map(|v| v.to_str().unwrap().to_owned())
    };
    assert_eq!(allowed().await.as_deref(), Some("*"));
    write("off", 400);
    server.signal("HUP");
    server.log.wait("settings read again").await;
    assert_eq!(allowed().await, None);
    let waits = server.log.wait("it takes a restart").await;
    assert!(waits.contains("tape.part_ms"), "{waits}");
    std::fs::write(&file, "[http]\ncrs = 1\n").unwrap();
    server.signal("HUP");
    server.log.wait("were not read again").await;
    assert_eq!(allowed().await, None);
}

#[tokio::test]
async fn sigterm_ends_in_order_and_quickly() {
    let mut server = Setup::new().start().await;
    let _idle = tokio::net::TcpStream::connect(server.http).await.unwrap();
    server.signal("TERM");
    let status = server.ended(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(0), "{:?}", server.log.all());
}

#[test]
fn the_printed_template_is_accepted() {
    let template = server::command().arg("config").output().unwrap();
    assert!(template.status.success());
    let text = String::from_utf8(template.stdout).unwrap();
    for section in [
        "[http]",
        "[rtmp]",
        "[rtsp]",
        "[srt]",
        "[webrtc]",
        "[tape]",
        "[hls]",
        "[retention]",
        "[store]",
        "[access]",
        "[[policy]]",
    ] {
        assert!(text.contains(section), "{section}");
    }
    let help = server::command().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("serve") && help.contains("token") && help.contains("Quick start"), "{help}");
}
