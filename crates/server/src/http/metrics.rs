//! `/metrics`: every number of the process in the text format of Prometheus (version 0.0.4). Open from this machine,
//! elsewhere for who may administer: numbers of viewers and refusals are nobody else's business.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use control::access::{Act, Resource};
use http::header::{self, HeaderValue};
use serde::Deserialize;

use super::problem::Problem;
use super::remote;
use crate::app::App;
use crate::clock;
use crate::meter::{Figure, Reading};

const TEXT_FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
}

/// Answers with all numbers.
pub(super) async fn get(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let token = Query::<Token>::try_from_uri(&parts.uri).ok().and_then(|query| query.0.token);
    let caller = app.gate.http(remote(&parts)?.ip(), &parts, token.as_deref());
    let allowed = app.gate.allow(&caller, Act::Admin, Resource::Server);
    allowed.map_err(|refusal| Problem::refused(&refusal))?;
    let work = Arc::clone(&app);
    let text = app.readers.blocking(move || render(&figures(&work))).await?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT_FORMAT);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What is counted as it happens, and what is looked up now.
fn figures(app: &App) -> Vec<Figure> {
    let mut all = app.meter.figures();
    all.extend(tape_figures(app));
    all.push(figure("build_info", "The version that runs.", Reading::Gauge(1.0)));
    if let Some(info) = all.last_mut() {
        info.label = Some(("version", env!("CARGO_PKG_VERSION")));
    }
    all
}

fn figure(name: &str, help: &'static str, reading: Reading) -> Figure {
    Figure { name: name.to_owned(), label: None, help, reading }
}

fn tape_figures(app: &App) -> Vec<Figure> {
    let (mut live, mut viewers, mut bytes, mut unwritten, mut dropped, mut bits) = (0, 0, 0, 0, 0, 0);
    let mut lag_ns = 0;
    let now = app.hub.now().mono;
    let streams = app.hub.streams();
    for stream in &streams {
        let stats = stream.stats(now);
        viewers += stream.viewers().load(Relaxed) + app.audience.count(stream.id(), clock::mono());
        (bytes, unwritten) = (bytes + stats.bytes, unwritten + stats.unwritten);
        (dropped, bits) = (dropped + stats.dropped, bits + stats.bitrate);
        if stats.publisher.is_some() {
            live += 1;
            let edge = stream.edge().map(|(_, _, wall)| wall);
            lag_ns = edge
                .zip(stats.durable_until)
                .map_or(lag_ns, |(edge, until)| lag_ns.max(edge.since_ns(until)));
        }
    }
    let commit = app.hub.commit_figures();
    let gauge = |n: u64| Reading::Gauge(n as f64);
    let faults = "Batches of a stream that the disk did not take, by kind.";
    let fault = |kind, n| Figure {
        label: Some(("kind", kind)),
        ..figure("tape_faults", faults, Reading::Counter(n))
    };
    vec![
        figure("streams_live", "Streams that are being published.", gauge(live)),
        figure("streams", "Streams that are live or recorded.", gauge(streams.len() as u64)),
        figure("viewers", "Viewers of all streams, as the API counts them.", gauge(viewers)),
        figure("ingest_bits_per_second", "Bit rate of all publishers over the last seconds.", gauge(bits)),
        figure(
            "ingest_packets_dropped",
            "Packets of the present publishers that were dropped.",
            gauge(dropped),
        ),
        figure("tape_bytes", "Bytes of all recordings.", gauge(bytes)),
        figure("tape_unwritten_bytes", "Bytes of media in memory that no file has yet.", gauge(unwritten)),
        figure(
            "tape_durable_lag_seconds",
            "How far the newest media is ahead of what survives a power cut, on the live stream where it is furthest.",
            Reading::Gauge(lag_ns as f64 / 1e9),
        ),
        figure("tape_commit_queued", "Operations that wait for the committer.", gauge(commit.queued)),
        figure(
            "tape_commit_seconds",
            "Seconds that the committer took to write and sync what all streams had queued.",
            Reading::Histogram {
                ends: &tape::ROUND_SECONDS,
                counts: commit.rounds.to_vec(),
                sum: commit.round_time.as_secs_f64(),
            },
        ),
        fault("full", commit.faults_full),
        fault("device", commit.faults_device),
    ]
}

/// The text format: HELP and TYPE once a name, its samples below.
fn render(figures: &[Figure]) -> String {
    let mut by_name: BTreeMap<String, Vec<&Figure>> = BTreeMap::new();
    for figure in figures {
        by_name.entry(exported(figure)).or_default().push(figure);
    }
    let mut text = String::new();
    for (name, figures) in &by_name {
        let first = figures[0];
        let kind = match first.reading {
            Reading::Counter(_) => "counter",
            Reading::Gauge(_) => "gauge",
            Reading::Histogram { .. } => "histogram",
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", first.help);
        for figure in figures {
            sample(&mut text, name, figure);
        }
    }
    text
}

/// The name as Prometheus wants it: one prefix for the program, `_total` on what only rises.
fn exported(figure: &Figure) -> String {
    let end = if matches!(figure.reading, Reading::Counter(_)) { "_total" } else { "" };
    format!("tapeline_{}{end}", figure.name)
}

fn sample(text: &mut String, name: &str, figure: &Figure) {
    let label = figure.label.map(|(key, value)| format!("{{{key}=\"{value}\"}}")).unwrap_or_default();
    let _ = match &figure.reading {
        Reading::Counter(n) => writeln!(text, "{name}{label} {n}"),
        Reading::Gauge(n) => writeln!(text, "{name}{label} {n}"),
        Reading::Histogram { ends, counts, sum } => {
            let mut all = 0;
            for (n, count) in counts.iter().enumerate() {
                all += count;
                let end = ends.get(n).map_or("+Inf".to_owned(), ToString::to_string);
                let _ = writeln!(text, "{name}_bucket{{le=\"{end}\"}} {all}");
            }
            writeln!(text, "{name}_sum {sum}\n{name}_count {all}")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_one_name_stand_together_under_one_head() {
        let counter = |value, n| Figure {
            label: Some(("class", value)),
            ..figure("http_answers", "Answers.", Reading::Counter(n))
        };
        let histogram = Reading::Histogram { ends: &[0.5, 1.0], counts: vec![1, 0, 2], sum: 7.5 };
        let figures = [counter("2xx", 3), figure("b", "B.", histogram), counter("4xx", 0)];
        assert_eq!(
            render(&figures),
            "# HELP tapeline_b B.\n# TYPE tapeline_b histogram\ntapeline_b_bucket{le=\"0.5\"} 1\n\
             tapeline_b_bucket{le=\"1\"} 1\ntapeline_b_bucket{le=\"+Inf\"} 3\ntapeline_b_sum 7.5\ntapeline_b_count 3\n\
             # HELP tapeline_http_answers_total Answers.\n# TYPE tapeline_http_answers_total counter\n\
             tapeline_http_answers_total{class=\"2xx\"} 3\ntapeline_http_answers_total{class=\"4xx\"} 0\n"
        );
    }
}
