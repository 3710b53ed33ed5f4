//! Plans of virtual clips, kept for a moment: a player fetches one clip by many ranges, and planning reads
//! indexes each time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::making::Made;

/// Plans kept. One of an hour takes some 100 kB, one of 12 h at most a few MB.
const PLANS_MAX: usize = 32;
/// How long a plan is used again. Long enough for a player's next range, short enough that what a deletion
/// takes away is not promised for long.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// The plans of lately, by what was asked.
#[derive(Default)]
pub(crate) struct ClipPlans {
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    key: String,
    plan: Made,
    until: Duration,
}

impl ClipPlans {
    /// The plan of a key, if it is fresh.
    pub(crate) fn find(&self, key: &str) -> Option<Made> {
        let now = clock::mono();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|k| k.until > now);
        kept.iter().find(|k| k.key == key).map(|k| k.plan.clone())
    }

    /// Keeps a plan.
    pub(crate) fn keep(&self, key: String, plan: Made) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|k| k.key != key);
        if kept.len() >= PLANS_MAX {
            kept.pop_front();
        }
        kept.push_back(Kept { key, plan, until: clock::mono() + KEPT_FOR });
    }
}
