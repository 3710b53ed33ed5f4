//! The rows of the tables, one module each, exactly as the migrations make them. Meaning and checks live
//! with the types they are turned into; nothing outside this crate sees a row.

pub(crate) mod access_token;
pub(crate) mod asset;
pub(crate) mod asset_tag;
pub(crate) mod generation;
pub(crate) mod revoked_jwt;
pub(crate) mod secret;
pub(crate) mod signing_key;
pub(crate) mod stream_rule;
