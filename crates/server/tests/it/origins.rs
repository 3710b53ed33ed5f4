//! Web pages of others against the openness of loopback: a real Chromium shows a page of another site that tries to read
//! and to change things on 127.0.0.1, by its address and under a name of its own that leads there (DNS rebinding).

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::ffmpeg;
use crate::server::{DEADLINE, TestServer, eventually};

/// What the page of the other site does; `TARGET` is where the server listens. It reports each attempt's outcome.
const ATTACK: &str = r#"<!doctype html><title>attack</title><body><script>
const results = {};
async function attempt(name, url, options) {
  try {
    const answer = await fetch(url, options);
    results[name] = answer.type === 'opaque' ? 'opaque' : `${answer.status} ${(await answer.text()).slice(0, 200)}`;
  } catch (error) { results[name] = 'blocked'; }
}
function socket(name, url) {
  return new Promise((done) => {
    const socket = new WebSocket(url);
    socket.onopen = () => { results[name] = 'open'; done(); };
    socket.onerror = () => { results[name] = 'blocked'; done(); };
  });
}
(async () => {
  const json = { 'content-type': 'application/json' };
  for (const [from, base] of [['address', 'http://TARGET'], ['rebound', 'http://rebound.example:PORT']]) {
    const split = `${base}/api/v1/streams/live/cam1/split`;
    await attempt(`${from}: read`, `${base}/api/v1/streams`);
    await attempt(`${from}: read with no-cors`, `${base}/api/v1/streams`, { mode: 'no-cors' });
    await attempt(`${from}: read history`, `${base}/live/cam1.mp4?start=-1s&end=now`);
    await attempt(`${from}: post text`, split, { method: 'POST', body: '{}' });
    await attempt(`${from}: post with no-cors`, split, { method: 'POST', mode: 'no-cors', body: '{}' });
    await attempt(`${from}: post nothing with no-cors`, split, { method: 'POST', mode: 'no-cors' });
    await attempt(`${from}: post json`, split, { method: 'POST', headers: json, body: '{}' });
    await attempt(`${from}: delete`, `${base}/api/v1/streams/live/cam1`, { method: 'DELETE' });
    await attempt(`${from}: make a token`, `${base}/api/v1/tokens`, { method: 'POST', mode: 'no-cors', body: '{"act":"admin"}' });
    await attempt(`${from}: read numbers`, `${base}/metrics`);
    await socket(`${from}: socket`, `${base.replace('http', 'ws')}/live/cam1.flv`);
    const form = Object.assign(document.createElement('form'), { action: split, method: 'post', target: 'f', enctype: 'text/plain' });
    const frame = Object.assign(document.createElement('iframe'), { name: 'f' });
    document.body.append(frame, form);
    const loaded = new Promise((done) => { frame.onload = done; });
    form.submit();
    await Promise.race([loaded, new Promise((done) => setTimeout(done, 2000))]);
    form.remove(); frame.remove();
  }
  await fetch('/results', { method: 'POST', body: JSON.stringify(results) });
})();
</script>"#;

/// The other site: one page, and an ear for what it found out.
async fn other_site(target: SocketAddr) -> (SocketAddr, Arc<Mutex<Option<Value>>>) {
    let page = ATTACK.replace("TARGET", &target.to_string()).replace("PORT", &target.port().to_string());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard: Arc<Mutex<Option<Value>>> = Arc::default();
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (page, kept) = (page.clone(), Arc::clone(&kept));
            tokio::spawn(async move {
                let mut got = Vec::new();
                let mut buffer = [0; 65536];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    got.extend_from_slice(&buffer[..n]);
                    let text = String::from_utf8_lossy(&got);
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    if head.starts_with("GET") {
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                            page.len()
                        );
                        let _ = stream.write_all(answer.as_bytes()).await;
                        return;
                    }
                    if let Ok(found) = serde_json::from_str(body) {
                        *kept.lock().unwrap() = Some(found);
                        let _ =
                            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
                        return;
                    }
                }
            });
        }
    });
    (address, heard)
}

/// A browser on a page; dropping it ends it.
struct Browser {
    child: Child,
    _profile: tempfile::TempDir,
}

fn chromium() -> (Command, tempfile::TempDir) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-quic"])
        .arg("--host-resolver-rules=MAP rebound.example 127.0.0.1, MAP evil.example 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .stdin(Stdio::null());
    (command, profile)
}

impl Browser {
    fn on(url: &str) -> Self {
        let (mut command, profile) = chromium();
        let child = command
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed");
        Self { child, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the browser shows at an address that its user opened.
fn shown(url: &str) -> String {
    let (mut command, _profile) = chromium();
    let done =
        command.args(["--dump-dom", url]).stderr(Stdio::null()).output().expect("chromium is installed");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[tokio::test]
async fn a_page_of_another_site_neither_reads_nor_changes_anything() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let (site, heard) = other_site(server.http).await;
    let _browser = Browser::on(&format!("http://evil.example:{}/", site.port()));
    let found =
        eventually("the page has tried everything", DEADLINE * 2, async || heard.lock().unwrap().clone())
            .await;
    let found = found.as_object().unwrap();
    assert_eq!(found.len(), 22, "{found:?}");
    for (what, outcome) in found {
        let outcome = outcome.as_str().unwrap();
        // History is answered to every origin that may read it, which says that it may not.
        let refused = outcome.starts_with("401 ") && !outcome.contains("items");
        assert!(outcome == "blocked" || outcome == "opaque" || refused, "{what}: {outcome}");
    }
    // What the page could not read it may have done.
    let assets = server.json("/api/v1/assets").await;
    assert_eq!(assets["items"].as_array().unwrap().len(), 1, "nothing was split: {assets}");
    assert_eq!(server.json("/api/v1/tokens").await["items"], serde_json::json!([]));
    assert_eq!(server.json("/api/v1/streams/live/cam1").await["state"], "live", "nobody was kicked");
    let refused = server.log.all().iter().filter(|line| line.contains("event=\"refused\"")).count();
    assert!(refused >= 16, "{refused} of its requests came and were refused");
}

#[tokio::test]
async fn the_user_opens_this_machine_by_its_own_names_and_by_no_other() {
    let server = TestServer::start().await;
    let port = server.http.port();
    for host in ["127.0.0.1", "localhost"] {
        let page = shown(&format!("http://{host}:{port}/api/v1/streams"));
        assert!(page.contains("\"items\":[]"), "{host}: {page}");
    }
    let page = shown(&format!("http://rebound.example:{port}/api/v1/streams"));
    assert!(page.contains("token-required") && !page.contains("items"), "{page}");
}
