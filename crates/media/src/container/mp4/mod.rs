//! ISO base media files as this server writes and re-reads them: sample entries, initialisation
//! segments, movie fragments and the walk over boxes. Sample tables of whole movies belong to the view
//! that makes such movies.

mod entry;
mod fragment;
mod init;
mod walk;

pub use entry::{EntryFacts, read_sample_entry, sample_entry};
pub use fragment::{FragmentError, FragmentSample, TrackFragment, read_fragment, write_fragment_header};
pub use init::{InitError, MOVIE_TIMESCALE, init_segment, read_init, sample_table_free_track};
pub use walk::{BoxHeader, WalkError, read_box_header};

/// The `creation_time` of every file: a fixed instant, so that equal tracks give equal bytes.
pub(crate) const EPOCHLESS: shiguredo_mp4::Mp4FileTime = shiguredo_mp4::Mp4FileTime::from_secs(0);
