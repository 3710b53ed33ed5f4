//! Going through a stream's extents from the oldest on, a few at a time: a stream may hold tens of thousands, and most
//! passes look at one.

use std::collections::VecDeque;

use media::{StreamName, WallTime};

use crate::ids::{ExtentNo, PartNo};
use crate::state::Held;

/// Extents fetched at once.
const FETCHED: usize = 64;

/// An extent as the plan sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub no: ExtentNo,
    pub first_part: PartNo,
    pub start: WallTime,
    pub end: WallTime,
    pub bytes: u64,
}

/// What the plan asks of a stream.
pub(crate) trait Fetch {
    fn name(&self) -> &StreamName;
    /// Bytes of all extents.
    fn bytes(&self) -> u64;
    /// The oldest extents whose first part is at or after `from`, at most `max`.
    fn oldest(&self, from: PartNo, max: usize) -> Vec<View>;
    /// Who holds an extent now.
    fn held(&self, no: ExtentNo) -> Held;
}

/// A place in a stream's extents.
pub(crate) struct Walk<'a> {
    pub(crate) stream: &'a dyn Fetch,
    ahead: VecDeque<View>,
    next: PartNo,
    ended: bool,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(stream: &'a dyn Fetch) -> Self {
        Self { stream, ahead: VecDeque::new(), next: PartNo(0), ended: false }
    }

    /// The next extent, not yet taken.
    pub(crate) fn peek(&mut self) -> Option<View> {
        if self.ahead.is_empty() && !self.ended {
            self.ahead.extend(self.stream.oldest(self.next, FETCHED));
            self.ended = self.ahead.len() < FETCHED;
            if let Some(last) = self.ahead.back() {
                self.next = last.first_part.next();
            }
        }
        self.ahead.front().copied()
    }

    pub(crate) fn skip(&mut self) {
        self.ahead.pop_front();
    }
}
