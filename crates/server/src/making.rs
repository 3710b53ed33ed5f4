//! A clip as it is asked for and as it is made: one MP4, or a ZIP with one for each set of codec configurations. What
//! either holds is the view's.

use std::ops::Range;
use std::sync::Arc;

use media::WallTime;
use tape::{Piece, Stream};
use view::clip::{
    self, BodyError, ClipBody, ClipEpoch, ClipGap, ClipOptions, ClipPlan, ClipSpans, PlanError, Source,
    SplitBody, SplitPlan,
};

/// What becomes of changes of the codec configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Layout {
    /// One file, with the parameter sets before each key frame where they change.
    #[default]
    InBand,
    /// One file per set of configurations, in a ZIP.
    Split,
}

impl Layout {
    /// The word in URLs and in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InBand => "inband",
            Self::Split => "split",
        }
    }
}

/// How a clip is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Making {
    pub(crate) options: ClipOptions,
    pub(crate) layout: Layout,
}

/// A clip, planned.
#[derive(Debug, Clone)]
pub(crate) enum Made {
    One(Arc<ClipPlan>),
    Split(Arc<SplitPlan>),
}

impl Making {
    /// Plans a range.
    pub(crate) fn plan(self, stream: &Stream, range: Range<WallTime>) -> Result<Made, PlanError> {
        Ok(match self.layout {
            Layout::InBand => Made::One(clip::plan(stream, range, self.options)?.into()),
            Layout::Split => {
                Made::Split(clip::plan_split(stream, range, self.options, &prefix(stream))?.into())
            }
        })
    }

    /// Plans stored spans.
    pub(crate) fn plan_spans(self, stream: &Stream, spans: &ClipSpans) -> Result<Made, PlanError> {
        Ok(match self.layout {
            Layout::InBand => Made::One(clip::plan_spans(stream, spans, self.options)?.into()),
            Layout::Split => {
                Made::Split(clip::plan_split_spans(stream, spans, self.options, &prefix(stream))?.into())
            }
        })
    }
}

/// What names of files begin with.
pub(crate) fn prefix(stream: &Stream) -> String {
    stream.name().as_str().replace('/', "_")
}

impl Made {
    pub(crate) fn making(&self) -> Making {
        match self {
            Self::One(plan) => Making { options: plan.options, layout: Layout::InBand },
            Self::Split(plan) => Making { options: plan.options, layout: Layout::Split },
        }
    }

    pub(crate) fn requested(&self) -> &Range<WallTime> {
        match self {
            Self::One(plan) => &plan.requested,
            Self::Split(plan) => &plan.requested,
        }
    }

    /// The actual range.
    pub(crate) fn range(&self) -> Range<WallTime> {
        match self {
            Self::One(plan) => plan.start..plan.end,
            Self::Split(plan) => plan.range(),
        }
    }

    pub(crate) fn duration_ns(&self) -> i64 {
        match self {
            Self::One(plan) => plan.duration_ns,
            Self::Split(plan) => plan.duration_ns(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::One(plan) => plan.bytes(),
            Self::Split(plan) => plan.bytes(),
        }
    }

    pub(crate) fn etag(&self) -> &str {
        match self {
            Self::One(plan) => plan.etag(),
            Self::Split(plan) => plan.etag(),
        }
    }

    pub(crate) fn gaps(&self) -> &[ClipGap] {
        match self {
            Self::One(plan) => &plan.gaps,
            Self::Split(plan) => &plan.gaps,
        }
    }

    pub(crate) fn spans(&self) -> &ClipSpans {
        match self {
            Self::One(plan) => &plan.spans,
            Self::Split(plan) => &plan.spans,
        }
    }

    pub(crate) fn epochs(&self) -> Vec<&ClipEpoch> {
        match self {
            Self::One(plan) => plan.epochs.iter().collect(),
            Self::Split(plan) => plan.epochs().collect(),
        }
    }

    /// The bytes of a range.
    pub(crate) fn pieces(
        &self,
        stream: Arc<dyn Source>,
        range: Range<u64>,
    ) -> Box<dyn Iterator<Item = Result<Piece, BodyError>> + Send> {
        match self {
            Self::One(plan) => Box::new(ClipBody::new(Arc::clone(plan), stream).pieces(range)),
            Self::Split(plan) => Box::new(SplitBody::new(Arc::clone(plan), stream).pieces(range)),
        }
    }
}
