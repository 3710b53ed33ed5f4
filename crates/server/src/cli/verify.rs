//! `tapeline verify`: whether the files of the tape are what they say. Reads only, also beside a running server.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tape::log::{Finding, Io, StdIo, Written, streams, verify_stream};

use super::progress::Progress;
use super::{Stop, say};
use crate::config::Config;
use crate::data_dir;

/// How the findings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line each.
    Lines,
    /// One JSON object.
    Json,
}

/// Checks one stream, or all of them. Fails when anything is found.
pub(super) fn run(config: &Config, wanted: Option<&str>, form: Form) -> Result<(), Stop> {
    let tape = config.data.join("tape");
    if !tape.is_dir() {
        let data = config.data.display();
        return Err(Stop::refused(format!(
            "there is no tape in {data}; name the data directory with --data DIR"
        )));
    }
    let written = if data_dir::is_taken(&config.data) { Written::Now } else { Written::Nobody };
    let io: Arc<dyn Io> = Arc::new(StdIo);
    let failed = |e: std::io::Error| Stop::failed(format!("the tape cannot be read: {e}"));
    let mut all = streams(&io, &tape).map_err(failed)?;
    all.retain(|(id, name, _)| wanted.is_none_or(|w| w == name || w == id.to_string()));
    if let (Some(wanted), true) = (wanted, all.is_empty()) {
        return Err(Stop::refused(format!(
            "the tape has no stream {wanted:?}; without a name all are checked"
        )));
    }
    let mut progress = Progress::new(all.iter().map(|s| s.2).sum());
    let (mut findings, mut files, mut bytes) = (Vec::new(), 0u64, 0u64);
    for (id, name, _) in &all {
        progress.about(name);
        let mut note = |more| {
            (files, bytes) = (files + 1, bytes + more);
            progress.add(more);
        };
        let found = verify_stream(&io, &tape, *id, written, &mut note).map_err(failed)?;
        findings.extend(found.into_iter().map(|f| (name.clone(), f)));
    }
    progress.end();
    tell(&config.data, &findings, form, (all.len(), files, bytes));
    match findings.len() {
        0 => Ok(()),
        n => Err(Stop::failed(format!("{n} finding{} in the tape", if n == 1 { "" } else { "s" }))),
    }
}

fn tell(
    data: &Path,
    findings: &[(String, Finding)],
    form: Form,
    (streams, extents, bytes): (usize, u64, u64),
) {
    if form == Form::Json {
        let told = findings.iter().map(|(stream, f)| {
            json!({"stream": stream, "file": f.file, "offset": f.offset, "what": f.what, "next": f.next})
        });
        let told: Vec<_> = told.collect();
        say(&json!({"streams": streams, "extents": extents, "bytes": bytes, "findings": told}).to_string());
        return;
    }
    for (stream, f) in findings {
        let file = f.file.strip_prefix(data).unwrap_or(&f.file).display();
        let at = f.offset.map_or(String::new(), |at| format!(", byte {at}"));
        say(&format!("{stream}: {file}{at}: {}; {}", f.what, f.next));
    }
    let ends = if findings.is_empty() { "nothing is wrong" } else { "see above" };
    say(&format!("{streams} streams, {extents} extents, {} MB: {ends}", bytes >> 20));
}
