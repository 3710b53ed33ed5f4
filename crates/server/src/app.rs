//! What every handler shares: the hub, the catalog, the policy point, the settings that can change while the
//! server runs, and the caches of views. It holds and lends; it decides nothing.

use std::sync::{Arc, PoisonError, RwLock};

use control::catalog::Catalog;
use media::StreamName;
use tape::{Hub, Store, Stream};

use crate::access::Gate;
use crate::config::Config;
use crate::http::audience::Audience;
use crate::http::body::Readers;
use crate::http::clip_plans::ClipPlans;
use crate::http::gzip::GzipCache;
use crate::http::problem::{Kind, Problem};
use crate::log::Budget;
use crate::meter::Meter;
use crate::retention::{Keeper, Rules};
use crate::settle::Settling;

/// The running server, shared by its connections.
pub(crate) struct App {
    pub(crate) hub: Arc<Hub>,
    pub(crate) catalog: Catalog,
    pub(crate) gate: Gate,
    pub(crate) playlists: RwLock<Arc<view::hls::Playlists>>,
    pub(crate) audience: Audience,
    pub(crate) plans: ClipPlans,
    pub(crate) gzip: GzipCache,
    pub(crate) readers: Readers,
    pub(crate) settling: Settling,
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    pub(crate) keeper: Keeper,
    /// Held by the one copy to a file that is being made.
    pub(crate) copying: tokio::sync::Mutex<()>,
    pub(crate) meter: &'static Meter,
    pub(crate) refusals: Budget,
    config: RwLock<Arc<Config>>,
}

/// What an [`App`] is made of.
pub(crate) struct Parts {
    pub(crate) hub: Arc<Hub>,
    pub(crate) catalog: Catalog,
    pub(crate) gate: Gate,
    pub(crate) config: Config,
    pub(crate) settling: Settling,
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    pub(crate) meter: &'static Meter,
}

impl App {
    /// Puts it together.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            hub: parts.hub,
            catalog: parts.catalog,
            gate: parts.gate,
            playlists: RwLock::new(Arc::new(playlists(&parts.config))),
            audience: Audience::new(&parts.meter.http.viewers_uncounted),
            plans: ClipPlans::default(),
            gzip: GzipCache::default(),
            readers: Readers::new(parts.meter),
            settling: parts.settling,
            store: parts.store,
            rules: parts.rules,
            keeper: Keeper::default(),
            copying: tokio::sync::Mutex::default(),
            meter: parts.meter,
            refusals: Budget::default(),
            config: RwLock::new(Arc::new(parts.config)),
        })
    }

    /// The settings now.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes changed settings, where they can change while the server runs.
    pub(crate) fn reconfigure(&self, config: Config) {
        self.gate.reload(&config);
        if self.config().hls.window != config.hls.window {
            *self.playlists.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(playlists(&config));
        }
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// The playlists of every stream.
    pub(crate) fn playlists(&self) -> Arc<view::hls::Playlists> {
        Arc::clone(&self.playlists.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A stream that has been published at some time.
    pub(crate) fn stream(&self, name: &StreamName) -> Result<Arc<Stream>, Problem> {
        self.hub.stream(name).ok_or_else(|| {
            Problem::new(
                Kind::NoSuchStream,
                format!("nothing has been published as {name} yet; GET /api/v1/streams lists what there is"),
            )
        })
    }
}

fn playlists(config: &Config) -> view::hls::Playlists {
    let window_ns = i64::try_from(config.hls.window.as_nanos()).unwrap_or(i64::MAX);
    view::hls::Playlists::new(view::hls::HlsConfig { window_ns, ..Default::default() })
}
