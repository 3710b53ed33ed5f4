//! Where things are: `tape/<stream id>/journal`, `…/<extent>.mp4`, `…/<extent>.idx`. Names are made of opaque
//! ids only.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::ids::{ExtentNo, StreamId};

/// What the name of an extent's draft ends with.
const DRAFT: &str = ".new";

/// The folder of one stream.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub(crate) fn new(tape: &Path, id: StreamId) -> Self {
        Self { dir: tape.join(id.to_string()) }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    pub(crate) fn extent(&self, no: ExtentNo) -> PathBuf {
        self.dir.join(format!("{:010}.mp4", no.0))
    }

    /// The cached index of a sealed extent.
    pub(crate) fn sidecar(&self, no: ExtentNo) -> PathBuf {
        self.dir.join(format!("{:010}.idx", no.0))
    }

    /// An extent that is written beside, to take the place of a part of a deleted one.
    pub(crate) fn extent_draft(&self, no: ExtentNo) -> PathBuf {
        self.dir.join(format!("{:010}.mp4{DRAFT}", no.0))
    }

    /// Where an extent goes that does not continue its run.
    pub(crate) fn aside(&self, no: ExtentNo) -> PathBuf {
        self.dir.join(format!("{:010}.mp4.aside", no.0))
    }

    pub(crate) fn sidecar_draft(&self, no: ExtentNo) -> PathBuf {
        self.dir.join(format!("{:010}.idx.new", no.0))
    }

    /// The extent that a file name in the folder stands for.
    pub(crate) fn extent_of(name: &str) -> Option<ExtentNo> {
        name.strip_suffix(".mp4")?.parse().ok().map(ExtentNo)
    }

    /// The extent that a draft in the folder stands for.
    pub(crate) fn draft_of(name: &str) -> Option<ExtentNo> {
        Self::extent_of(name.strip_suffix(DRAFT)?)
    }

    /// The stream that a folder name stands for.
    pub(crate) fn stream_of(name: &str) -> Option<StreamId> {
        Uuid::parse_str(name).ok().map(StreamId)
    }
}
