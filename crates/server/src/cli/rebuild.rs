//! `tapeline rebuild`: everything that is made from the tape is made again: cached indexes, and the facts of the
//! catalog. Titles, tags, people and tokens that the catalog still has stay.

use std::sync::Arc;
use std::time::Instant;

use tape::log::{Io, StdIo, rebuild_indexes, streams};

use super::progress::Progress;
use super::{Stop, say};
use crate::config::Config;
use crate::data_dir::DataDir;

/// Rebuilds a data directory that no server uses.
pub(super) fn run(config: Config) -> Result<(), Stop> {
    let tape = config.data.join("tape");
    if !tape.is_dir() {
        let data = config.data.display();
        return Err(Stop::refused(format!(
            "there is no tape in {data}; name the data directory with --data DIR"
        )));
    }
    let _data = DataDir::take(&config.data).map_err(Stop::refused)?;
    let io: Arc<dyn Io> = Arc::new(StdIo);
    let failed = |e: std::io::Error| Stop::failed(format!("the tape cannot be rebuilt: {e}"));
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Stop::failed(format!("cannot start threads: {e}")))?;
    // A tape that was not closed is first: its last extents are cut and sealed.
    let catalog = runtime.block_on(crate::rebuild::catalog(config))?;
    let all = streams(&io, &tape).map_err(failed)?;
    let mut progress = Progress::new(all.iter().map(|s| s.2).sum());
    let (mut extents, mut segments) = (0, 0);
    for (id, name, _) in &all {
        progress.about(name);
        let made = rebuild_indexes(&io, &tape, *id, &mut |bytes| progress.add(bytes)).map_err(failed)?;
        (extents, segments) = (extents + made.0, segments + made.1);
    }
    progress.end();
    say(&format!(
        "{} streams, {extents} extents, {segments} segments, {} recordings, {} clips in {:.1} s",
        all.len(),
        catalog.recordings,
        catalog.clips,
        begun.elapsed().as_secs_f64()
    ));
    for left in &catalog.left {
        say(&format!("{left}: the catalog has it and the tape does not; delete it if it is not wanted"));
    }
    Ok(())
}
