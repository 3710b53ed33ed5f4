//! Keys of signed tokens in the database: make, list, revoke; revoke one signed token by its `jti`; make one with a
//! key whose secret is here.

use media::WallTime;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::{Map, Value, json};

use super::claims::SKEW_NS_MAX;
use super::signer::{Algorithm, ID_BYTES_MAX, KeyParts, Signer, check_id, jti_tag};
use super::{Keys, raise_generation};
use crate::CatalogError;
use crate::access::{Acts, JtiTag, Pattern};
use crate::asset::{Invalid, LABEL_BYTES_MAX, check_text};
use crate::db::Db;
use crate::entity::{revoked_jwt, signing_key};

/// Most keys of a database, revoked ones that are still listed included: issuers are few, and each request with a
/// signed token looks among them.
pub const KEYS_MAX: u64 = 1_000;
/// Most signed tokens that are revoked one by one and have not run out: their tags in memory stay within a few
/// megabytes. Past it the key is what has to go.
pub const REVOKED_MAX: u64 = 100_000;
/// How long a revoked key is still listed, in nanoseconds (30 days), as revoked tokens are.
const KEY_KEPT: i64 = super::TOKEN_KEPT;

/// A key to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its id; absent for one that is drawn.
    pub id: Option<String>,
    /// What people call it; may be empty.
    pub name: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// A public key in PEM; absent for an HMAC, whose secret is drawn here.
    pub public_key: Option<String>,
    /// What `iss` has to be.
    pub issuer: Option<String>,
    /// What `aud` has to name.
    pub audience: Option<String>,
}

/// A key as it is listed. A shared secret is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The `kid` of its tokens.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// What `iss` has to be.
    pub issuer: Option<String>,
    /// What `aud` has to name.
    pub audience: Option<String>,
    /// When it was made.
    pub created_at: WallTime,
    /// Since when it is revoked.
    pub revoked_at: Option<WallTime>,
}

/// A signed token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJwt {
    /// The id of a key whose secret is in the database.
    pub key: String,
    /// What it allows.
    pub acts: Acts,
    /// For which streams.
    pub streams: Pattern,
    /// From where; none named is everywhere.
    pub networks: Vec<ipnet::IpNet>,
    /// For whom.
    pub subject: Option<String>,
    /// When it ends.
    pub expires_at: WallTime,
}

impl Keys {
    /// Makes a key. The secret, where one was drawn, is returned here and never again.
    pub async fn create_key(
        &self,
        new: &NewKey,
        now: WallTime,
    ) -> Result<(Option<String>, Key), CatalogError> {
        let (parts, name) = parts(new)?;
        let secret = parts.algorithm.is_shared().then(|| parts.material.clone());
        let signer = Signer::new(parts.clone())?;
        let key = Key {
            id: parts.id.clone(),
            name,
            algorithm: parts.algorithm,
            issuer: parts.issuer.clone(),
            audience: parts.audience.clone(),
            created_at: now,
            revoked_at: None,
        };
        let write = self.db.begin().await?;
        raise_generation(&self.db, &write).await?;
        self.forget_keys(&write, now).await?;
        let count = signing_key::Entity::find().count(&write).await.map_err(|e| self.db.fault(e))?;
        if count >= KEYS_MAX {
            return Err(CatalogError::TooManyKeys(count));
        }
        let taken =
            signing_key::Entity::find_by_id(&key.id).one(&write).await.map_err(|e| self.db.fault(e))?;
        if taken.is_some() {
            return Err(
                Invalid::new("id", format!("{:?} is taken; a key's id is never used again", key.id)).into()
            );
        }
        let insert = signing_key::Entity::insert(row(&key, &parts.material));
        insert.exec_without_returning(&write).await.map_err(|e| self.db.fault(e))?;
        self.db.commit(write).await?;
        self.amend(|copy| copy.add_signer(signer)).await;
        Ok((secret, key))
    }

    /// All keys of the database, the newest first, with those that were revoked within 30 days.
    pub async fn list_keys(&self) -> Result<Vec<Key>, CatalogError> {
        let query = signing_key::Entity::find()
            .order_by(signing_key::Column::CreatedNs, Order::Desc)
            .order_by(signing_key::Column::Id, Order::Asc);
        let rows = query.limit(KEYS_MAX).all(self.db.read()).await.map_err(|e| self.db.fault(e))?;
        rows.into_iter().map(|row| key(&self.db, &row)).collect()
    }

    /// Revokes a key, and with it every token that it signed. Its secret is forgotten. `None` when there is none.
    pub async fn revoke_key(&self, id: &str, now: WallTime) -> Result<Option<Key>, CatalogError> {
        let write = self.db.begin().await?;
        raise_generation(&self.db, &write).await?;
        let found = signing_key::Entity::find_by_id(id).lock_exclusive().one(&write).await;
        let Some(found) = found.map_err(|e| self.db.fault(e))? else { return Ok(None) };
        let mut key = key(&self.db, &found)?;
        if key.revoked_at.is_none() {
            key.revoked_at = Some(now);
            let revoked = signing_key::ActiveModel {
                revoked_ns: Set(Some(now.0)),
                material: Set(String::new()),
                ..Default::default()
            };
            let update =
                signing_key::Entity::update_many().set(revoked).filter(signing_key::Column::Id.eq(id));
            update.exec(&write).await.map_err(|e| self.db.fault(e))?;
        }
        self.db.commit(write).await?;
        self.amend(|copy| copy.remove_signer(id)).await;
        Ok(Some(key))
    }

    /// Revokes the signed token of a key that has this `jti`. `until` is when it would have run out; from then on it
    /// need not be remembered. Whether there is such a token nobody knows here.
    pub async fn revoke_jwt(
        &self,
        key_id: &str,
        jti: &str,
        until: Option<WallTime>,
        now: WallTime,
    ) -> Result<(), CatalogError> {
        check_id("key", key_id)?;
        check_text("jti", jti, ID_BYTES_MAX)?;
        if jti.is_empty() {
            return Err(Invalid::new("jti", "is empty").into());
        }
        let write = self.db.begin().await?;
        raise_generation(&self.db, &write).await?;
        let past = now.0.saturating_sub(SKEW_NS_MAX);
        let ended = revoked_jwt::Entity::delete_many().filter(revoked_jwt::Column::UntilNs.lt(past));
        ended.exec(&write).await.map_err(|e| self.db.fault(e))?;
        let count = revoked_jwt::Entity::find().count(&write).await.map_err(|e| self.db.fault(e))?;
        if count >= REVOKED_MAX {
            return Err(CatalogError::TooManyRevoked(count));
        }
        let before = revoked_jwt::Entity::find_by_id((key_id.to_owned(), jti.to_owned())).one(&write).await;
        // A second revocation with an earlier end must not bring the token back.
        let until = match before.map_err(|e| self.db.fault(e))? {
            Some(before) => before.until_ns.zip(until).map(|(before, until)| WallTime(before).max(until)),
            None => until,
        };
        let revoked = revoked_jwt::ActiveModel {
            key_id: Set(key_id.to_owned()),
            jti: Set(jti.to_owned()),
            revoked_ns: Set(now.0),
            until_ns: Set(until.map(|at| at.0)),
        };
        let columns = [revoked_jwt::Column::KeyId, revoked_jwt::Column::Jti];
        let again = OnConflict::columns(columns).update_column(revoked_jwt::Column::UntilNs).to_owned();
        let insert = revoked_jwt::Entity::insert(revoked).on_conflict(again);
        insert.exec_without_returning(&write).await.map_err(|e| self.db.fault(e))?;
        self.db.commit(write).await?;
        let tag = jti_tag(key_id, jti);
        self.amend(|copy| copy.revoke(tag)).await;
        Ok(())
    }

    /// Makes a signed token: the token and its `jti`.
    pub fn sign(&self, new: &NewJwt, now: WallTime) -> Result<(String, String), CatalogError> {
        let Some(signer) = self.signer(&new.key) else {
            return Err(Invalid::new("key", "there is no such key, or it is revoked").into());
        };
        if new.acts.is_empty() {
            return Err(Invalid::new("act", "a token needs at least one act, e.g. publish").into());
        }
        if new.expires_at <= now {
            return Err(Invalid::new("expires", "lies in the past").into());
        }
        let jti = format!("{:032x}", u128::from_be_bytes(crate::random()));
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        put("jti", json!(jti));
        put("iat", json!(now.0.div_euclid(1_000_000_000)));
        put("exp", json!(new.expires_at.0.div_euclid(1_000_000_000)));
        put("act", json!(new.acts.to_string()));
        put("path", json!(new.streams.as_str()));
        if !new.networks.is_empty() {
            put("cidr", json!(new.networks.iter().map(ToString::to_string).collect::<Vec<_>>()));
        }
        for (name, value) in
            [("sub", &new.subject), ("iss", &signer.parts().issuer), ("aud", &signer.parts().audience)]
        {
            if let Some(value) = value {
                put(name, json!(value));
            }
        }
        let token = signer.sign(&claims)?;
        // What would not be taken back is not given out: the limits of the claims are those of their reader.
        match self.find(&token, now) {
            Ok(_) => Ok((token, jti)),
            Err(void) => Err(Invalid::new("token", format!("of these values {void}")).into()),
        }
    }

    async fn forget_keys(&self, write: &DatabaseTransaction, now: WallTime) -> Result<(), CatalogError> {
        let kept_since = now.0.saturating_sub(KEY_KEPT);
        let ended = signing_key::Entity::delete_many().filter(signing_key::Column::RevokedNs.lt(kept_since));
        ended.exec(write).await.map_err(|e| self.db.fault(e))?;
        Ok(())
    }
}

fn parts(new: &NewKey) -> Result<(KeyParts, String), Invalid> {
    let name = new.name.trim().to_owned();
    check_text("name", &name, LABEL_BYTES_MAX)?;
    for (field, text) in [("issuer", &new.issuer), ("audience", &new.audience)] {
        if let Some(text) = text {
            check_text(field, text, LABEL_BYTES_MAX)?;
            if text.is_empty() {
                return Err(Invalid::new(field, "is empty; leave it out"));
            }
        }
    }
    let material = match (&new.public_key, new.algorithm.is_shared()) {
        (None, true) => super::secret::draw_shared(),
        (Some(pem), false) => pem.trim().to_owned(),
        (Some(_), true) => {
            return Err(Invalid::new("public_key", "is of no use to an HMAC; its secret is drawn here"));
        }
        (None, false) => {
            let why = format!("is missing: {} is checked with a public key in PEM", new.algorithm);
            return Err(Invalid::new("public_key", why));
        }
    };
    let id = new.id.clone().unwrap_or_else(|| format!("{:016x}", u64::from_be_bytes(crate::random())));
    let (issuer, audience) = (new.issuer.clone(), new.audience.clone());
    Ok((KeyParts { id, algorithm: new.algorithm, material, issuer, audience }, name))
}

/// Every key that is not revoked.
pub(super) async fn signers(db: &Db) -> Result<Vec<Signer>, CatalogError> {
    let query = signing_key::Entity::find().filter(signing_key::Column::RevokedNs.is_null()).limit(KEYS_MAX);
    let rows = query.all(db.read()).await.map_err(|e| db.fault(e))?;
    let signer = |row: signing_key::Model| {
        let key = key(db, &row)?;
        let parts = KeyParts {
            id: key.id,
            algorithm: key.algorithm,
            material: row.material,
            issuer: key.issuer,
            audience: key.audience,
        };
        Signer::new(parts).map_err(|e| db.damaged(format!("signing key {:?}: {e}", row.id)))
    };
    rows.into_iter().map(signer).collect()
}

/// Every signed token that is revoked.
pub(super) async fn revoked(db: &Db) -> Result<Vec<JtiTag>, CatalogError> {
    let rows =
        revoked_jwt::Entity::find().limit(REVOKED_MAX).all(db.read()).await.map_err(|e| db.fault(e))?;
    Ok(rows.into_iter().map(|row| jti_tag(&row.key_id, &row.jti)).collect())
}

fn key(db: &Db, row: &signing_key::Model) -> Result<Key, CatalogError> {
    let algorithm = row.algorithm.parse();
    let damaged =
        |e: crate::UnknownWord| db.damaged(format!("signing key {:?}, column algorithm: {e}", row.id));
    Ok(Key {
        id: row.id.clone(),
        name: row.name.clone(),
        algorithm: algorithm.map_err(damaged)?,
        issuer: row.issuer.clone(),
        audience: row.audience.clone(),
        created_at: WallTime(row.created_ns),
        revoked_at: row.revoked_ns.map(WallTime),
    })
}

fn row(key: &Key, material: &str) -> signing_key::ActiveModel {
    signing_key::ActiveModel {
        id: Set(key.id.clone()),
        name: Set(key.name.clone()),
        algorithm: Set(key.algorithm.as_str().to_owned()),
        material: Set(material.to_owned()),
        issuer: Set(key.issuer.clone()),
        audience: Set(key.audience.clone()),
        created_ns: Set(key.created_at.0),
        revoked_ns: Set(None),
    }
}
