//! What the server says of itself: the description of its API and the page that shows it, and its numbers.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;

use crate::ffmpeg;
use crate::server::{DEADLINE, TestServer, eventually, read_problem};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

#[tokio::test]
async fn each_described_call_is_there_and_no_other_method_is() {
    let server = TestServer::start().await;
    let api = server.json("/api/v1/openapi.json").await;
    assert_eq!(api["openapi"], "3.1.0");
    for (path, item) in api["paths"].as_object().unwrap() {
        let mut url = format!("/api/v1{path}");
        for name in ["app", "stream", "id", "key", "jti"] {
            url = url.replace(&format!("{{{name}}}"), "none");
        }
        for method in METHODS {
            let request = server.client.request(method.parse::<Method>().unwrap(), server.url(&url));
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let described = &item[method.to_lowercase()];
            if described.is_null() {
                assert_eq!(status, 405, "{method} {url} is not described");
                assert!(answer.headers().contains_key("allow"), "{method} {url}");
                continue;
            }
            let responses = described["responses"].as_object().unwrap();
            assert!(responses.contains_key(&status.to_string()), "{method} {url}: {status} is not described");
            if status >= 400 {
                let kind = read_problem(answer).await.1["type"].clone();
                let schema = &responses[&status.to_string()]["content"]["application/problem+json"]["schema"];
                let types = schema["allOf"][1]["properties"]["type"]["enum"].as_array().unwrap();
                assert!(types.contains(&kind), "{method} {url}: {kind} is not described");
                assert_ne!(kind, "/problems/no-such-page", "{method} {url}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_of_the_api_needs_nothing_from_elsewhere() {
    let server = TestServer::start().await;
    for (path, kind) in [
        ("/api/docs", "text/html; charset=utf-8"),
        ("/api/docs/page.js", "text/javascript; charset=utf-8"),
        ("/api/docs/page.css", "text/css; charset=utf-8"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], kind);
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} names another host");
    }
}

/// A family of the text format: its type, its help, its samples.
#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    samples: Vec<(String, f64)>,
}

/// Reads the text format of Prometheus as strictly as promtool does: HELP and TYPE before their samples, each once,
/// names of the grammar, no sample twice, buckets that rise and end in +Inf and agree with the count.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
            assert!(
                families
                    .insert(name.to_owned(), Family { help: help.to_owned(), ..Family::default() })
                    .is_none(),
                "{name} twice"
            );
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.get_mut(name).unwrap_or_else(|| panic!("TYPE before HELP: {line}")).kind =
                kind.to_owned();
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(seen.insert(sample.to_owned()), "{sample} twice");
        let name = sample.split('{').next().unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        let ends = ["_bucket", "_sum", "_count"];
        let base =
            ends.iter().find_map(|end| name.strip_suffix(end)).filter(|base| families.contains_key(*base));
        let family = families.get_mut(base.unwrap_or(name)).unwrap_or_else(|| panic!("no HELP for {name}"));
        family.samples.push((sample.to_owned(), value));
    }
    for (name, family) in &families {
        assert!(
            ["counter", "gauge", "histogram"].contains(&family.kind.as_str()),
            "{name}: {:?}",
            family.kind
        );
        assert!(!family.help.is_empty() && !family.samples.is_empty(), "{name}");
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
        if family.kind == "histogram" {
            check_histogram(name, family);
        }
    }
    families
}

fn check_histogram(name: &str, family: &Family) {
    let buckets: Vec<f64> = family
        .samples
        .iter()
        .filter(|(s, _)| s.starts_with(&format!("{name}_bucket")))
        .map(|(_, v)| *v)
        .collect();
    assert!(buckets.is_sorted(), "{name}: {buckets:?}");
    let of = |end: &str| family.samples.iter().find(|(s, _)| *s == format!("{name}{end}")).map(|(_, v)| *v);
    assert_eq!(of("_bucket{le=\"+Inf\"}"), of("_count"), "{name}");
    assert!(of("_sum").is_some(), "{name}");
}

#[tokio::test]
async fn the_numbers_are_well_formed_told_in_the_reference_and_move() {
    let server = TestServer::start().await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    server.get("/live/none.m3u8").await;
    let far = server.client.get(server.url("/api/v1/streams")).header("x-forwarded-for", "192.0.2.1");
    assert_eq!(far.send().await.unwrap().status(), 401);
    let families = eventually("parts have been committed", DEADLINE, async || {
        let answer = server.get("/metrics").await;
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let families = parse(&answer.text().await.ok()?);
        let commits = &families["tapeline_tape_commit_seconds"];
        (commits.samples.iter().any(|(s, n)| s.ends_with("_count") && *n >= 3.0)).then_some(families)
    })
    .await;
    let value = |sample: &str| {
        let all = families.values().flat_map(|family| &family.samples);
        all.clone().find(|(s, _)| s == sample).unwrap_or_else(|| panic!("no {sample}")).1
    };
    for (sample, at_least) in [
        ("tapeline_streams_live", 1.0),
        ("tapeline_rtmp_publishers", 1.0),
        ("tapeline_rtmp_packets_total", 10.0),
        ("tapeline_rtmp_received_bytes_total", 1000.0),
        ("tapeline_ingest_bits_per_second", 1000.0),
        ("tapeline_tape_bytes", 1000.0),
        ("tapeline_http_answers_total{class=\"2xx\"}", 1.0),
        ("tapeline_http_answers_total{class=\"4xx\"}", 2.0),
        ("tapeline_http_answer_seconds_count", 2.0),
        ("tapeline_access_refused_total{type=\"token-required\"}", 1.0),
    ] {
        assert!(value(sample) >= at_least, "{sample} is {}", value(sample));
    }
    assert_eq!(value("tapeline_tape_faults_total{kind=\"full\"}"), 0.0);
    let reference = include_str!("../../../../docs/metrics.md");
    let told: BTreeSet<String> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next().map(str::to_owned))
        .collect();
    assert_eq!(told, families.keys().cloned().collect(), "docs/metrics.md");
}

#[tokio::test]
async fn the_log_has_a_stable_line_for_what_matters() {
    let server = crate::server::Setup::new()
        .env("TAPELINE_LOG__LEVEL", "info")
        .env("TAPELINE_LOG__FORMAT", "json")
        .start()
        .await;
    let mut publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    publisher.kill();
    let line = async |event: &str| {
        eventually(event, DEADLINE, async || {
            let lines = server.log.all();
            let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            parsed.into_iter().find(|line| line["event"] == event)
        })
        .await
    };
    line("unpublish").await;
    let _again = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    let far = server.client.get(server.url("/live/cam1.mp4?start=1&end=2&token=secret-secret"));
    far.header("via", "1.1 proxy").send().await.unwrap();
    for (event, level, fields) in [
        ("publish", "INFO", &["protocol", "conn", "peer", "stream"][..]),
        ("unpublish", "INFO", &["stream", "reason", "packets", "dropped", "jumps"]),
        ("gap", "INFO", &["stream", "start", "end", "reason"]),
        ("refused", "WARN", &["protocol", "peer", "type", "unsaid", "method", "url"]),
    ] {
        let line = line(event).await;
        assert_eq!(line["level"], level, "{line}");
        for field in ["timestamp", "message"].iter().chain(fields) {
            assert!(!line[field].is_null(), "{field}: {line}");
        }
        let row = format!("| `{event}` | {level} |");
        assert!(include_str!("../../../../docs/log.md").contains(&row), "docs/log.md lacks {row}");
    }
    assert!(server.log.find("secret-secret").is_none());
    assert_eq!(line("refused").await["url"], "/live/cam1.mp4?start=1&end=2&token=***");
}
