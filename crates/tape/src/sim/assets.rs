//! The files of assets over the simulated volume: written, replaced and removed while the machine goes down. What was
//! acknowledged is there, what was not may be, and nothing is ever half.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::fs::SimIo;
use super::{FaultAt, Hits};
use crate::read::Piece;
use crate::store::Store;

const ASSETS: u128 = 3;
const CRASHES: usize = 3;
const STEPS: usize = 24;

/// The content of one asset's file; `None` where there is no file.
type Content = Option<Vec<u8>>;

struct World {
    sim: SimIo,
    rng: fastrand::Rng,
    data: PathBuf,
    /// What each asset's file may hold: what was acknowledged last, and what was tried since.
    allowed: BTreeMap<Uuid, Vec<Content>>,
}

/// Lives through the history of a seed.
pub(super) fn live(seed: u64) -> Result<Hits, String> {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0xa55e7);
    let sim = SimIo::new(rng.u64(..));
    let allowed = (0..ASSETS).map(|n| (Uuid::from_u128(n + 1), vec![None])).collect();
    let mut world = World { sim, rng, data: PathBuf::from("/data"), allowed };
    for _ in 0..CRASHES {
        world.until_crash()?;
    }
    Ok(world.sim.hits())
}

impl World {
    fn open(&self) -> Result<Store, String> {
        Store::open_on(Arc::new(self.sim.clone()), &self.data).map_err(|e| format!("files of assets: {e}"))
    }

    fn until_crash(&mut self) -> Result<(), String> {
        let store = self.open()?;
        self.check(&store)?;
        let fault = if self.rng.bool() { FaultAt::Kill } else { FaultAt::PowerCut };
        self.sim.plan_crash(self.rng.u64(0..40), fault);
        for _ in 0..STEPS {
            self.step(&store);
            if self.sim.is_down() {
                break;
            }
            self.check(&store)?;
        }
        // A history without a crash ends with one.
        while !self.sim.is_down() {
            drop(self.sim.insert());
        }
        self.sim.reboot();
        Ok(())
    }

    fn step(&mut self, store: &Store) {
        let asset = Uuid::from_u128(self.rng.u128(1..=ASSETS));
        match self.rng.u8(0..8) {
            0..5 => {
                let len = self.rng.usize(1..3000);
                let content: Vec<u8> = std::iter::repeat_with(|| self.rng.u8(..)).take(len).collect();
                let cut = self.rng.usize(0..content.len());
                let pieces = [&content[..cut], &content[cut..]]
                    .map(|p| Ok::<_, Infallible>(Piece::Mem(Bytes::copy_from_slice(p))));
                let written = store.write(asset, content.len() as u64, pieces);
                self.note(asset, Some(content), written.is_ok());
            }
            5 | 6 => {
                let removed = store.remove(asset);
                self.note(asset, None, removed.is_ok());
            }
            _ => {
                let weather = [None, Some(FaultAt::Full), Some(FaultAt::Error)];
                self.sim.weather(weather[self.rng.usize(0..weather.len())]);
            }
        }
    }

    fn note(&mut self, asset: Uuid, content: Content, acknowledged: bool) {
        let allowed = self.allowed.get_mut(&asset).expect("one of the assets");
        if acknowledged {
            allowed.clear();
        }
        allowed.push(content);
    }

    fn check(&self, store: &Store) -> Result<(), String> {
        let listed = store.list().map_err(|e| e.to_string())?;
        for (asset, allowed) in &self.allowed {
            let found = match store.read(*asset) {
                Ok((file, bytes)) => {
                    let mut content = vec![0; usize::try_from(bytes).map_err(|e| e.to_string())?];
                    file.read_exact_at(&mut content, 0).map_err(|e| e.to_string())?;
                    Some(content)
                }
                Err(_) => None,
            };
            if !allowed.contains(&found) {
                let bytes = found.map(|c| c.len());
                return Err(format!(
                    "the file of asset {asset} holds what was never acknowledged or tried: {bytes:?} bytes"
                ));
            }
            if listed.contains(asset) != found.is_some() {
                return Err(format!("asset {asset} is listed and has no file, or the other way round"));
            }
        }
        Ok(())
    }
}
