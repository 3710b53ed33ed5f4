//! Tokens in the database: make, list, revoke.

use media::WallTime;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::secret::{Hash, Secret};
use super::{Keys, raise_generation};
use crate::CatalogError;
use crate::access::{Acts, Grant, Holder, Networks, Pattern};
use crate::asset::{Invalid, LABEL_BYTES_MAX, check_text};
use crate::db::Db;
use crate::entity::access_token::{ActiveModel, Column, Entity, Model};

/// Most tokens of a database, those kept after their end included: their copy in memory stays within a few
/// megabytes.
pub const TOKENS_MAX: u64 = 10_000;

/// How long a token is still listed after it was revoked or expired, in nanoseconds (30 days): long enough
/// to find out what it was. Later ones go when the next token is made.
pub const TOKEN_KEPT: i64 = 30 * 86_400 * 1_000_000_000;

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What people call it; may be empty.
    pub name: String,
    /// What it allows: at least one act.
    pub acts: Acts,
    /// For which streams.
    pub streams: Pattern,
    /// First instant at which it is void; absent for ever.
    pub expires_at: Option<WallTime>,
}

/// A token as it is listed. Its secret is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Names it for listing and revoking: 16 hexadecimal digits. Not secret.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub acts: Acts,
    /// For which streams.
    pub streams: Pattern,
    /// When it was made.
    pub created_at: WallTime,
    /// First instant at which it is void; absent for ever.
    pub expires_at: Option<WallTime>,
    /// Since when it is revoked.
    pub revoked_at: Option<WallTime>,
}

impl Token {
    fn grant(&self) -> Grant {
        Grant {
            holder: Holder::Token(self.id.clone()),
            acts: self.acts,
            streams: self.streams.clone(),
            networks: Networks::default(),
            expires_at: self.expires_at,
        }
    }
}

impl Keys {
    /// Makes a token. The secret is returned here and never again. It works at once in this process, and
    /// within [`REFRESH_EVERY`](super::REFRESH_EVERY) in others.
    pub async fn create(&self, new: &NewToken, now: WallTime) -> Result<(Secret, Token), CatalogError> {
        check_new(new, now)?;
        let secret = Secret::generate();
        let token = Token {
            id: format!("{:016x}", u64::from_be_bytes(crate::random())),
            name: new.name.trim().to_owned(),
            acts: new.acts,
            streams: new.streams.clone(),
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
        };
        let write = self.db.begin().await?;
        // First, so that its row lock puts the makers of tokens in a line and the count below is exact.
        raise_generation(&self.db, &write).await?;
        self.forget_ended(&write, now).await?;
        let count = Entity::find().count(&write).await.map_err(|e| self.db.fault(e))?;
        if count >= TOKENS_MAX {
            return Err(CatalogError::TooManyTokens(count));
        }
        let insert = Entity::insert(row(&token, secret.hash()));
        insert.exec_without_returning(&write).await.map_err(|e| self.db.fault(e))?;
        self.db.commit(write).await?;
        self.amend(|copy| copy.add(secret.hash(), token.grant())).await;
        Ok((secret, token))
    }

    /// All tokens, the newest first, with those that ended within [`TOKEN_KEPT`].
    pub async fn list(&self) -> Result<Vec<Token>, CatalogError> {
        let query = Entity::find().order_by(Column::CreatedNs, Order::Desc).order_by(Column::Id, Order::Asc);
        let rows = query.limit(TOKENS_MAX).all(self.db.read()).await.map_err(|e| self.db.fault(e))?;
        rows.into_iter().map(|row| token(&self.db, row)).collect()
    }

    /// Revokes a token by its id; one that is revoked already stays as it is. `None` when there is none of
    /// this id.
    pub async fn revoke(&self, id: &str, now: WallTime) -> Result<Option<Token>, CatalogError> {
        let write = self.db.begin().await?;
        raise_generation(&self.db, &write).await?;
        let found =
            Entity::find_by_id(id).lock_exclusive().one(&write).await.map_err(|e| self.db.fault(e))?;
        let Some(found) = found else { return Ok(None) };
        let mut token = token(&self.db, found)?;
        if token.revoked_at.is_none() {
            token.revoked_at = Some(now);
            let revoked = ActiveModel { revoked_ns: Set(Some(now.0)), ..ActiveModel::default() };
            let update = Entity::update_many().set(revoked).filter(Column::Id.eq(id));
            update.exec(&write).await.map_err(|e| self.db.fault(e))?;
        }
        self.db.commit(write).await?;
        self.amend(|copy| copy.remove(id)).await;
        Ok(Some(token))
    }

    async fn forget_ended(&self, write: &DatabaseTransaction, now: WallTime) -> Result<(), CatalogError> {
        let kept_since = now.0.saturating_sub(TOKEN_KEPT);
        let ended =
            Condition::any().add(Column::RevokedNs.lt(kept_since)).add(Column::ExpiresNs.lt(kept_since));
        Entity::delete_many().filter(ended).exec(write).await.map_err(|e| self.db.fault(e))?;
        Ok(())
    }
}

fn check_new(new: &NewToken, now: WallTime) -> Result<(), Invalid> {
    check_text("name", new.name.trim(), LABEL_BYTES_MAX)?;
    if new.acts.is_empty() {
        return Err(Invalid::new("act", "a token needs at least one act, e.g. --act publish"));
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(Invalid::new("expires", "lies in the past"));
    }
    Ok(())
}

/// Every token that is not revoked, with the hash of its secret.
pub(super) async fn grants(db: &Db) -> Result<Vec<(Hash, Grant)>, CatalogError> {
    let query = Entity::find().filter(Column::RevokedNs.is_null()).limit(TOKENS_MAX);
    let rows = query.all(db.read()).await.map_err(|e| db.fault(e))?;
    rows.into_iter().map(|row| grant(db, row)).collect()
}

fn grant(db: &Db, row: Model) -> Result<(Hash, Grant), CatalogError> {
    let hash = Hash::try_from(row.secret_hash.as_slice())
        .map_err(|_| db.damaged(format!("token {:?}, column secret_hash: not 32 bytes", row.id)))?;
    Ok((hash, token(db, row)?.grant()))
}

fn token(db: &Db, row: Model) -> Result<Token, CatalogError> {
    let damaged = |column, why: String| db.damaged(format!("token {:?}, column {column}: {why}", row.id));
    Ok(Token {
        acts: row.acts.parse().map_err(|e: crate::UnknownWord| damaged("acts", e.to_string()))?,
        streams: Pattern::parse(&row.streams).map_err(|e| damaged("streams", e.to_string()))?,
        created_at: WallTime(row.created_ns),
        expires_at: row.expires_ns.map(WallTime),
        revoked_at: row.revoked_ns.map(WallTime),
        id: row.id,
        name: row.name,
    })
}

fn row(token: &Token, hash: Hash) -> ActiveModel {
    ActiveModel {
        id: Set(token.id.clone()),
        secret_hash: Set(hash.to_vec()),
        name: Set(token.name.clone()),
        acts: Set(token.acts.to_string()),
        streams: Set(token.streams.as_str().to_owned()),
        created_ns: Set(token.created_at.0),
        expires_ns: Set(token.expires_at.map(|end| end.0)),
        revoked_ns: Set(token.revoked_at.map(|at| at.0)),
    }
}
