//! Grants in media paths: `/~{grant}/{app}/{stream}…`. Playlists name their segments by relative URLs,
//! which inherit a path but not a query, so a player that gave `?token=` once gets its children under a
//! path that carries what the token allows (and never the token).
//!
//! A path grant is a claim and an HMAC in base64url. The HMAC covers the stream's name as well, which the path has
//! already: a grant opens that one stream. The credential behind it must still stand, so revoking it closes its
//! paths too, and a path never outlives the credential. The claim is
//!
//! | bytes | |
//! |---|---|
//! | 1 | version |
//! | 1 | acts |
//! | 8 | end, in seconds since the epoch |
//! | 1 | what is behind it: 0 a token, 1 a signed token, 2 a signed token with a `jti` |
//! | 24 | the token's id, or the tags of key and `jti`, then zeros |
//! | 1 | how many networks |
//! | 18 each | their prefix length, 4 or 6, and the address, then zeros |

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ipnet::IpNet;
use media::{StreamName, WallTime};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use sea_orm::sea_query::OnConflict;
use sha2::Sha256;

use super::Keys;
use super::secret::same;
use crate::CatalogError;
use crate::access::{Act, Acts, Grant, Holder, JtiTag, KeyTag, NETWORKS_MAX, Networks, Pattern};
use crate::db::Db;
use crate::entity::secret;

/// How long a path grant holds at least, in nanoseconds, where its token does: twelve hours, longer than
/// anyone watches without a reload.
pub const PATH_GRANT_TTL: i64 = 12 * 3_600 * 1_000_000_000;

/// Expiries are rounded up to this, in nanoseconds, so that all playlists of an hour name the same paths
/// and caches keep them.
pub const PATH_GRANT_STEP: i64 = 3_600 * 1_000_000_000;

/// First byte of a grant; another layout gets another number.
const VERSION: u8 = 2;
/// Version, acts, end, credential, count of networks.
const HEAD_BYTES: usize = 1 + 1 + 8 + HOLDER_BYTES + 1;
const HOLDER_BYTES: usize = 1 + 8 + 16;
const NETWORK_BYTES: usize = 1 + 1 + 16;
/// A longest grant.
const GRANT_BYTES_MAX: usize = HEAD_BYTES + NETWORKS_MAX * NETWORK_BYTES + MAC_BYTES;
/// Of the 32 bytes of the HMAC these go into the path: 128 bits cannot be found by trying.
const MAC_BYTES: usize = 16;
const NS_PER_S: i64 = 1_000_000_000;

/// The text between `/~` and the next `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathGrant(String);

impl PathGrant {
    /// The text as it stands in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PathGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Keys {
    /// A path grant for one stream with what `grant` allows there of watching ([`Act::Play`],
    /// [`Act::Timeshift`]); `None` where that is nothing.
    pub fn path_grant(&self, grant: &Grant, stream: &StreamName, now: WallTime) -> Option<PathGrant> {
        let acts = grant.acts.and(Acts::of(&[Act::Play, Act::Timeshift]));
        if acts.is_empty() || !grant.streams.matches(stream) || grant.is_expired(now) {
            return None;
        }
        let rounded = now.0.saturating_add(PATH_GRANT_TTL).div_euclid(PATH_GRANT_STEP).saturating_add(1);
        let end = WallTime(rounded.saturating_mul(PATH_GRANT_STEP));
        let end = grant.expires_at.map_or(end, |token_end| token_end.min(end));
        let mut bytes = vec![VERSION, acts.bits()];
        bytes.extend(end.0.div_euclid(NS_PER_S).to_be_bytes());
        bytes.extend(holder_bytes(&grant.holder)?);
        bytes.push(u8::try_from(grant.networks.iter().len()).ok()?);
        bytes.extend(grant.networks.iter().flat_map(network_bytes));
        let mac = self.path_key.mac(&bytes, stream);
        bytes.extend(&mac[..MAC_BYTES]);
        Some(PathGrant(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What a path grant stands for on `stream`; `None` where it was not made here for that stream, or the
    /// credential behind it is gone. Whether it has expired is for the policy to say.
    pub fn open_path(&self, text: &str, stream: &StreamName) -> Option<Grant> {
        let mut bytes = [0; GRANT_BYTES_MAX];
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (claim, mac) = bytes[..length].split_at_checked(length.checked_sub(MAC_BYTES)?)?;
        if !same(mac, &self.path_key.mac(claim, stream)[..MAC_BYTES]) {
            return None;
        }
        let (&[VERSION, acts], rest) = claim.split_first_chunk()? else { return None };
        let (end_s, rest) = rest.split_first_chunk::<8>()?;
        let (holder, rest) = rest.split_first_chunk::<HOLDER_BYTES>()?;
        let (count, networks) = rest.split_first()?;
        if networks.len() != usize::from(*count) * NETWORK_BYTES {
            return None;
        }
        let networks = networks.as_chunks::<NETWORK_BYTES>().0.iter().map(network).collect::<Option<_>>()?;
        let grant = Grant {
            holder: read_holder(holder)?,
            acts: Acts::from_bits(acts)?,
            streams: Pattern::exactly(stream),
            networks: Networks::new(networks).ok()?,
            expires_at: Some(WallTime(i64::from_be_bytes(*end_s).saturating_mul(NS_PER_S))),
        };
        self.is_live(&grant).then_some(grant)
    }
}

fn holder_bytes(holder: &Holder) -> Option<[u8; HOLDER_BYTES]> {
    let mut bytes = [0; HOLDER_BYTES];
    match holder {
        Holder::Token(id) => bytes[1..9].copy_from_slice(&u64::from_str_radix(id, 16).ok()?.to_be_bytes()),
        Holder::Jwt { key, jti, .. } => {
            bytes[0] = 1 + u8::from(jti.is_some());
            bytes[1..9].copy_from_slice(&key.0);
            bytes[9..].copy_from_slice(&jti.map_or([0; 16], |jti| jti.0));
        }
    }
    Some(bytes)
}

fn read_holder(bytes: &[u8; HOLDER_BYTES]) -> Option<Holder> {
    let (kind, rest) = bytes.split_first()?;
    let (id, jti) = rest.split_first_chunk::<8>()?;
    let name = || format!("path:{:016x}", u64::from_be_bytes(*id));
    match kind {
        0 => Some(Holder::Token(format!("{:016x}", u64::from_be_bytes(*id)))),
        1 => Some(Holder::Jwt { key: KeyTag(*id), jti: None, name: name() }),
        2 => Some(Holder::Jwt { key: KeyTag(*id), jti: Some(JtiTag(jti.try_into().ok()?)), name: name() }),
        _ => None,
    }
}

fn network_bytes(net: &IpNet) -> [u8; NETWORK_BYTES] {
    let mut bytes = [0; NETWORK_BYTES];
    bytes[0] = net.prefix_len();
    match net.addr() {
        std::net::IpAddr::V4(addr) => {
            bytes[1] = 4;
            bytes[2..6].copy_from_slice(&addr.octets());
        }
        std::net::IpAddr::V6(addr) => {
            bytes[1] = 6;
            bytes[2..].copy_from_slice(&addr.octets());
        }
    }
    bytes
}

fn network(bytes: &[u8; NETWORK_BYTES]) -> Option<IpNet> {
    let addr = match bytes[1] {
        4 => std::net::IpAddr::from(*bytes[2..].first_chunk::<4>()?),
        6 => std::net::IpAddr::from(*bytes[2..].first_chunk::<16>()?),
        _ => return None,
    };
    IpNet::new(addr, bytes[0]).ok()
}

/// The key that signs path grants: one for all servers of a database, made by the first.
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) async fn of(db: &Db) -> Result<Self, CatalogError> {
        if let Some(key) = Self::read(db).await? {
            return Ok(key);
        }
        let write = db.begin().await?;
        let made = secret::ActiveModel {
            name: Set(secret::PATH_GRANTS.to_owned()),
            value: Set(crate::random::<32>().to_vec()),
        };
        let insert = secret::Entity::insert(made)
            .on_conflict(OnConflict::column(secret::Column::Name).do_nothing().to_owned())
            .try_insert();
        insert.exec_without_returning(&write).await.map_err(|e| db.fault(e))?;
        db.commit(write).await?;
        match Self::read(db).await? {
            Some(key) => Ok(key),
            None => Err(db.damaged("the table secret does not keep its row".to_owned())),
        }
    }

    async fn read(db: &Db) -> Result<Option<Self>, CatalogError> {
        let query = secret::Entity::find_by_id(secret::PATH_GRANTS);
        let row = query.one(db.read()).await.map_err(|e| db.fault(e))?;
        row.map(|row| match row.value.try_into() {
            Ok(key) => Ok(Self(key)),
            Err(_) => Err(db.damaged("the table secret holds a key that is not 32 bytes".to_owned())),
        })
        .transpose()
    }

    fn mac(&self, claim: &[u8], stream: &StreamName) -> [u8; 32] {
        // The claim says how long it is, so claim and name cannot be split in another way.
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.chain_update(claim).chain_update(stream.as_str()).finalize().into_bytes().into()
    }
}

/// Shows nothing: keys end up in logs through `{:?}`.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}
