//! Credentials: opaque tokens, made by a person and stored as hashes; signed tokens (JWT) of keys that are stored
//! here or stand in the configuration; grants in paths. All are looked up without a query.
//!
//! The tables belong to the catalog's database, so a token that a command line adds or revokes is seen by
//! every running server: each change raises a generation number in its own transaction, and
//! [`Keys::refresh`], called every [`REFRESH_EVERY`], reads that number and, when it moved, the tokens.
//! Between two refreshes the database is not asked: while it is away, tokens go on working and changes wait.

mod claims;
mod lifetime;
mod path;
mod secret;
mod signer;
mod signing;
mod token;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub use claims::{AUDIENCE, Rules, SKEW_NS_MAX};
pub use lifetime::{LifetimeError, parse_lifetime};
pub use path::{PATH_GRANT_STEP, PATH_GRANT_TTL, PathGrant};
use sea_orm::EntityTrait;
use secret::{Hash, same};
pub use secret::{SECRET_PREFIX, SHARED_PREFIX, Secret};
pub use signer::{Algorithm, ID_BYTES_MAX, JWT_BYTES_MAX, KeyParts, Signer};
pub use signing::{KEYS_MAX, Key, NewJwt, NewKey, REVOKED_MAX};
pub use token::{NewToken, TOKEN_KEPT, TOKENS_MAX, Token};
use tokio::sync::Mutex;

use media::WallTime;

use crate::access::{Grant, Holder, JtiTag, KeyTag, Void};
use crate::db::Db;
use crate::entity::generation;
use crate::{Catalog, CatalogError};

/// How often a server calls [`Keys::refresh`]. Half of what is promised (a revocation shows within 5 s),
/// so that one slow read does not break the promise.
pub const REFRESH_EVERY: Duration = Duration::from_secs(2);

/// The access tokens of a database, with a copy in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Keys {
    db: Db,
    cache: Arc<RwLock<Arc<Snapshot>>>,
    /// Held while the copy is renewed, so that an older read never replaces a newer one.
    renewing: Arc<Mutex<()>>,
    path_key: Arc<path::Key>,
    fixed: Arc<RwLock<Arc<Fixed>>>,
}

/// What the configuration says about signed tokens.
#[derive(Debug, Default)]
struct Fixed {
    signers: HashMap<String, Signer>,
    rules: Rules,
}

/// Whether [`Keys::refresh`] found changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The copy was up to date.
    Unchanged,
    /// Tokens were added or revoked since.
    Changed,
}

/// All tokens and keys that are not revoked, and the signed tokens that are, as of one generation. Bounded by
/// [`TOKENS_MAX`], [`KEYS_MAX`] and [`REVOKED_MAX`].
#[derive(Debug, Clone, Default)]
struct Snapshot {
    /// Absent where the copy was amended: the next refresh reads all of it.
    generation: Option<i64>,
    /// By the first eight bytes of the hash; the whole hash is compared afterwards.
    by_hash: HashMap<[u8; 8], Vec<(Hash, Grant)>>,
    by_id: HashSet<String>,
    signers: HashMap<String, Signer>,
    revoked: HashSet<JtiTag>,
}

impl Keys {
    /// The tokens of the catalog's database.
    pub async fn load(catalog: &Catalog) -> Result<Self, CatalogError> {
        let db = catalog.db().clone();
        let path_key = Arc::new(path::Key::of(&db).await?);
        let snapshot = read_snapshot(&db).await?;
        Ok(Self {
            db,
            cache: Arc::new(RwLock::new(Arc::new(snapshot))),
            renewing: Arc::new(Mutex::new(())),
            path_key,
            fixed: Arc::default(),
        })
    }

    /// Takes the keys and rules of the configuration. Its keys go before those of the database.
    pub fn set_fixed(&self, signers: Vec<Signer>, rules: Rules) {
        let signers = signers.into_iter().map(|signer| (signer.id().to_owned(), signer)).collect();
        *self.fixed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Fixed { signers, rules });
    }

    /// The keys of the configuration, by their ids.
    pub fn fixed_keys(&self) -> Vec<KeyParts> {
        let mut keys: Vec<_> = self.fixed().signers.values().map(|signer| signer.parts().clone()).collect();
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        keys
    }

    /// What a credential stands for. Asks no database. Whether the grant has expired is for the policy to say.
    ///
    /// # Errors
    /// When it stands for nothing, and why.
    pub fn find(&self, secret: &str, now: WallTime) -> Result<Grant, Void> {
        match signer::is_jwt(secret) {
            true => self.find_jwt(secret, now),
            false => self.find_token(secret).ok_or(Void::Unknown),
        }
    }

    fn find_token(&self, secret: &str) -> Option<Grant> {
        let hash = Secret::parse(secret)?.hash();
        let snapshot = self.snapshot();
        let candidates = snapshot.by_hash.get(&first_bytes(&hash))?;
        candidates.iter().find(|(stored, _)| same(stored, &hash)).map(|(_, grant)| grant.clone())
    }

    fn find_jwt(&self, token: &str, now: WallTime) -> Result<Grant, Void> {
        let signer = signer::key_of(token).and_then(|id| self.signer(&id)).ok_or(Void::Unsigned)?;
        let grant = signer.open(token, &self.fixed().rules, now)?;
        if self.is_live(&grant) { Ok(grant) } else { Err(Void::Unknown) }
    }

    /// Whether the credential behind a grant still stands: what a long connection asks now and then.
    pub fn is_live(&self, grant: &Grant) -> bool {
        match &grant.holder {
            Holder::Token(id) => self.snapshot().by_id.contains(id),
            Holder::Jwt { key, jti, .. } => {
                let snapshot = self.snapshot();
                self.has_signer(&snapshot, *key) && jti.is_none_or(|jti| !snapshot.revoked.contains(&jti))
            }
        }
    }

    fn has_signer(&self, snapshot: &Snapshot, tag: KeyTag) -> bool {
        let fixed = self.fixed();
        // A key of the configuration hides one of the database.
        let hidden = |signer: &Signer| fixed.signers.contains_key(signer.id());
        fixed.signers.values().any(|signer| signer.tag() == tag)
            || snapshot.signers.values().any(|signer| signer.tag() == tag && !hidden(signer))
    }

    fn signer(&self, id: &str) -> Option<Signer> {
        let fixed = self.fixed().signers.get(id).cloned();
        fixed.or_else(|| self.snapshot().signers.get(id).cloned())
    }

    fn fixed(&self) -> Arc<Fixed> {
        self.fixed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Renews the copy where the database has changed.
    pub async fn refresh(&self) -> Result<Refreshed, CatalogError> {
        let _turn = self.renewing.lock().await;
        if Some(generation(&self.db).await?) == self.snapshot().generation {
            return Ok(Refreshed::Unchanged);
        }
        self.replace(read_snapshot(&self.db).await?);
        Ok(Refreshed::Changed)
    }

    /// Brings a change that this process has just made into the copy, without a query that could fail after
    /// the change has succeeded. Whatever others did meanwhile, the next refresh reads everything.
    async fn amend(&self, change: impl FnOnce(&mut Snapshot)) {
        let _turn = self.renewing.lock().await;
        let mut amended = Snapshot::clone(&self.snapshot());
        change(&mut amended);
        amended.generation = None;
        self.replace(amended);
    }

    fn replace(&self, renewed: Snapshot) {
        *self.cache.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Snapshot {
    fn add(&mut self, hash: Hash, grant: Grant) {
        if let Holder::Token(id) = &grant.holder {
            self.by_id.insert(id.clone());
        }
        self.by_hash.entry(first_bytes(&hash)).or_default().push((hash, grant));
    }

    fn remove(&mut self, token_id: &str) {
        self.by_id.remove(token_id);
        self.by_hash.retain(|_, grants| {
            grants.retain(|(_, grant)| !matches!(&grant.holder, Holder::Token(id) if id == token_id));
            !grants.is_empty()
        });
    }

    fn add_signer(&mut self, signer: Signer) {
        self.signers.insert(signer.id().to_owned(), signer);
    }

    fn revoke(&mut self, jti: JtiTag) {
        self.revoked.insert(jti);
    }

    fn remove_signer(&mut self, id: &str) {
        self.signers.remove(id);
    }
}

fn first_bytes(hash: &Hash) -> [u8; 8] {
    *hash.first_chunk().expect("a hash has 32 bytes")
}

async fn generation(db: &Db) -> Result<i64, CatalogError> {
    let query = generation::Entity::find_by_id(generation::TOKENS);
    match query.one(db.read()).await.map_err(|e| db.fault(e))? {
        Some(row) => Ok(row.value),
        None => Err(db.damaged("the table generation lacks its row".to_owned())),
    }
}

/// Reads the generation before the tokens: a change between the two is then read again, never missed.
async fn read_snapshot(db: &Db) -> Result<Snapshot, CatalogError> {
    let mut snapshot = Snapshot { generation: Some(generation(db).await?), ..Snapshot::default() };
    for (hash, grant) in token::grants(db).await? {
        snapshot.add(hash, grant);
    }
    for signer in signing::signers(db).await? {
        snapshot.add_signer(signer);
    }
    snapshot.revoked.extend(signing::revoked(db).await?);
    Ok(snapshot)
}

/// Marks the tokens as changed, inside the transaction that changes them.
async fn raise_generation(db: &Db, write: &sea_orm::DatabaseTransaction) -> Result<(), CatalogError> {
    use sea_orm::sea_query::Expr;
    use sea_orm::{ColumnTrait, ExprTrait, QueryFilter};
    let raised = generation::Entity::update_many()
        .col_expr(generation::Column::Value, Expr::col(generation::Column::Value).add(1))
        .filter(generation::Column::Name.eq(generation::TOKENS));
    raised.exec(write).await.map_err(|e| db.fault(e))?;
    Ok(())
}
