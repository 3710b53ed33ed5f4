//! A seeded simulator that drives the production code of the log and of asset files over a simulated volume: crashes of the
//! process and of the power at every operation, torn writes, full and failing disks, slow commits. After each
//! crash the recovered streams must hold everything that was acknowledged and nothing that was not recorded.
//! Single-threaded; the same seed gives the same history.

mod assets;
mod fs;
mod oracle;
mod source;
mod world;

use std::collections::BTreeMap;
use std::fmt;

pub use fs::Site;

use crate::plant::{Bug, plant};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultAt {
    /// The process ends during the operation; what was written stays.
    Kill,
    /// The power goes during the operation; what was not synced may be lost, in part and out of order.
    PowerCut,
    /// The volume is full.
    Full,
    /// The device fails.
    Error,
}

/// How often each fault hit each kind of operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits(pub BTreeMap<(FaultAt, Site), u64>);

impl Hits {
    /// Adds another count to this one.
    pub fn add(&mut self, other: &Self) {
        for (key, n) in &other.0 {
            *self.0.entry(*key).or_default() += n;
        }
    }
}

impl fmt::Display for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10}", "")?;
        for site in Site::ALL {
            write!(f, "{:>10}", format!("{site:?}").to_lowercase())?;
        }
        for fault in [FaultAt::Kill, FaultAt::PowerCut, FaultAt::Full, FaultAt::Error] {
            write!(f, "\n{:<10}", format!("{fault:?}").to_lowercase())?;
            for site in Site::ALL {
                write!(f, "{:>10}", self.0.get(&(fault, site)).copied().unwrap_or(0))?;
            }
        }
        Ok(())
    }
}

/// Runs one seed, with a planted fault if asked. Gives the hits, or what was violated.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<Hits, String> {
    plant(bug);
    let result = world::World::new(seed).live().and_then(|mut hits| {
        hits.add(&assets::live(seed)?);
        Ok(hits)
    });
    plant(None);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_hold_and_hit_every_site() {
        let mut hits = Hits::default();
        for seed in 0..300 {
            hits.add(&run(seed, None).unwrap_or_else(|e| panic!("seed {seed}: {e}")));
        }
        for site in Site::ALL {
            assert!(hits.0.contains_key(&(FaultAt::Kill, site)), "no kill at {site:?}\n{hits}");
        }
    }

    #[test]
    fn every_planted_bug_is_found() {
        for bug in Bug::ALL {
            let only_with_it = |seed: &u64| run(*seed, Some(bug)).is_err() && run(*seed, None).is_ok();
            let found = (0..2000).find(only_with_it);
            assert!(found.is_some(), "{bug:?} is not found within 2000 seeds");
        }
    }
}
