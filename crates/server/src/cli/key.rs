//! `tapeline key`: the keys that signed tokens are checked with, straight in the catalog. A server that runs on it
//! takes note within seconds.

use std::path::PathBuf;

use clap::Subcommand;
use control::keys::{Algorithm, Key, Keys, NewKey};
use media::WallTime;
use view::query::format_wall;

use super::{Stop, say, token};
use crate::clock;
use crate::config::Config;

/// `tapeline key …`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key: a shared secret, printed once, or the public half of a key that signs elsewhere.
    #[command(after_help = "\
Examples:
  tapeline key new --algorithm HS256 --name site
  tapeline key new --algorithm EdDSA --public-key site.pem --issuer https://id.example.com
Tokens name the key by its id as `kid` and say exp, act (publish play timeshift clip admin) and path (live/*).
Whoever holds a shared secret can sign; with EdDSA, ES256 and RS256 only the issuer can.")]
    New {
        /// How it signs: HS256, HS384, HS512, RS256, ES256 or EdDSA.
        #[arg(long, value_name = "ALG")]
        algorithm: Algorithm,
        /// A file with the public key in PEM.
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
        /// The id, which is the `kid` of its tokens; drawn if not given.
        #[arg(long)]
        id: Option<String>,
        /// A name to know it by in the list.
        #[arg(long, default_value = "")]
        name: String,
        /// What `iss` of its tokens has to be.
        #[arg(long)]
        issuer: Option<String>,
        /// What `aud` of its tokens has to name.
        #[arg(long)]
        audience: Option<String>,
    },
    /// List the keys, without their secrets.
    List,
    /// Revoke a key with all its tokens, or one of its tokens; connections that use them end within seconds.
    Revoke {
        /// The id that `key list` shows.
        id: String,
        /// Only the token with this `jti`.
        #[arg(long)]
        jti: Option<String>,
        /// How much longer that token would have held, e.g. 12h; then it need not be remembered for ever.
        #[arg(long, value_name = "TIME", value_parser = token::lifetime, requires = "jti")]
        expires: Option<i64>,
    },
}

/// Runs one of them.
pub(super) fn run(config: &Config, command: Command) -> Result<(), Stop> {
    token::with_keys(config, async |keys| execute(keys, command).await)
}

async fn execute(keys: &Keys, command: Command) -> Result<(), Stop> {
    let now = clock::wall();
    match command {
        Command::New { algorithm, public_key, id, name, issuer, audience } => {
            let public_key = public_key.map(|file| {
                std::fs::read_to_string(&file).map_err(|e| Stop::refused(format!("{}: {e}", file.display())))
            });
            let public_key = public_key.transpose()?;
            let new = NewKey { id, name, algorithm, public_key, issuer, audience };
            let (secret, key) = keys.create_key(&new, now).await.map_err(Stop::refused)?;
            if let Some(secret) = secret {
                say(&secret);
                super::say_error("the secret above is shown only now");
            }
            super::say_error(&format!("made key {} ({})", key.id, key.algorithm));
        }
        Command::List => {
            for key in keys.list_keys().await.map_err(Stop::failed)? {
                say(&line(&key));
            }
        }
        Command::Revoke { id, jti: Some(jti), expires } => {
            let until = expires.map(|ns| now.plus_ns(ns));
            keys.revoke_jwt(&id, &jti, until, now).await.map_err(Stop::refused)?;
            say(&format!("revoked the token {jti} of key {id}"));
        }
        Command::Revoke { id, jti: None, .. } => {
            match keys.revoke_key(&id, now).await.map_err(Stop::failed)? {
                Some(key) => say(&format!("revoked {} ({}) and all its tokens", key.id, key.algorithm)),
                None => {
                    return Err(Stop::refused(format!(
                        "there is no key {id:?}; `tapeline key list` shows them"
                    )));
                }
            }
        }
    }
    Ok(())
}

fn line(key: &Key) -> String {
    let state = if key.revoked_at.is_some() { "revoked" } else { "valid" };
    let when = |at: WallTime| format_wall(at);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "{}\t{state}\t{}\tmade {}\tissuer {}\taudience {}\t{}",
        key.id,
        key.algorithm,
        when(key.created_at),
        or_dash(&key.issuer),
        or_dash(&key.audience),
        key.name
    )
}
