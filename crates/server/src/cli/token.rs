//! `tapeline token`: makes, lists and revokes tokens, straight in the catalog. A server that runs on it takes
//! note within seconds.

use std::path::Path;

use clap::Subcommand;
use control::access::{Acts, Pattern};
use control::catalog::Catalog;
use control::keys::{Keys, NewJwt, NewToken, Token, parse_lifetime};
use media::WallTime;
use view::query::format_wall;

use super::{Stop, say};
use crate::clock;
use crate::config::Config;

/// `tapeline token …`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token and print its secret, once.
    #[command(after_help = "\
Examples:
  tapeline token new --act publish --stream 'live/*' --name obs
  tapeline token new --act 'play timeshift clip' --stream live/cam1 --expires 30d
  tapeline token new --act admin --stream '*'
  tapeline token new --key KID --act play --stream live/cam1 --expires 12h    a signed one, see tapeline key
The secret goes where a key is asked for: as ?token=SECRET behind a stream's name or URL, or as
Authorization: Bearer SECRET.")]
    New {
        /// What it lets its holder do: publish, play, timeshift, clip, admin; several with blanks between them or by
        /// repeating the flag.
        #[arg(long = "act", value_name = "ACTS", required = true)]
        acts: Vec<Acts>,
        /// The streams it is for: a name such as live/cam1, live/* for all below live, * for everything.
        #[arg(long = "stream", value_name = "PATTERN", default_value = "*")]
        streams: Pattern,
        /// A name to know it by in the list.
        #[arg(long, default_value = "")]
        name: String,
        /// How long it holds, e.g. 12h, 30d, 8w; for ever if not given.
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<i64>,
        /// Make a signed token (JWT) with this key instead, which `tapeline key list` shows; it needs --expires.
        #[arg(long, value_name = "KID", requires = "expires", conflicts_with = "name")]
        key: Option<String>,
        /// Whom a signed token is for.
        #[arg(long, requires = "key")]
        subject: Option<String>,
        /// The networks that a signed token is good from, e.g. 10.0.0.0/8; may be repeated.
        #[arg(long = "cidr", value_name = "NETWORK", requires = "key")]
        networks: Vec<ipnet::IpNet>,
    },
    /// List the tokens, without their secrets.
    List,
    /// Revoke a token by its id; connections that use it end within seconds.
    Revoke {
        /// The id that `token list` shows.
        id: String,
    },
}

pub(super) fn lifetime(text: &str) -> Result<i64, String> {
    parse_lifetime(text).map_err(|e| e.to_string())
}

/// Runs one of them.
pub(super) fn run(config: &Config, command: Command) -> Result<(), Stop> {
    with_keys(config, async |keys| execute(keys, command).await)
}

/// Does something with the keys of the catalog.
pub(super) fn with_keys(
    config: &Config,
    work: impl AsyncFnOnce(&Keys) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Stop::failed(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        let catalog = open(config).await?;
        let keys = Keys::load(&catalog).await.map_err(Stop::failed)?;
        keys.set_fixed(Vec::new(), crate::access::rules(&config.access));
        let done = work(&keys).await;
        drop(keys);
        catalog.close().await.map_err(Stop::failed)?;
        done
    })
}

/// A token in a catalog that no server uses would open nothing, so a data directory that does not exist is an
/// error and is not made.
async fn open(config: &Config) -> Result<Catalog, Stop> {
    let missing = config.database.starts_with("sqlite:") && !Path::new(&config.data).is_dir();
    if missing {
        return Err(Stop::refused(format!(
            "there is no data directory {}; name the server's with --data DIR",
            config.data.display()
        )));
    }
    Catalog::open(&config.database).await.map_err(Stop::refused)
}

async fn execute(keys: &Keys, command: Command) -> Result<(), Stop> {
    match command {
        Command::New { acts, streams, name, expires, key, subject, networks } => {
            let now = clock::wall();
            let acts = acts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let acts = acts.parse().map_err(Stop::refused)?;
            let expires_at = expires.map(|ns| now.plus_ns(ns));
            if let (Some(key), Some(expires_at)) = (key, expires_at) {
                return sign(keys, &NewJwt { key, acts, streams, networks, subject, expires_at }, now);
            }
            let new = NewToken { name, acts, streams, expires_at };
            let (secret, token) = keys.create(&new, now).await.map_err(Stop::failed)?;
            say(&secret.reveal());
            super::say_error(&format!(
                "made token {} ({}); the secret above is shown only now",
                token.id,
                about(&token)
            ));
        }
        Command::List => {
            for token in keys.list().await.map_err(Stop::failed)? {
                say(&line(&token));
            }
        }
        Command::Revoke { id } => match keys.revoke(&id, clock::wall()).await.map_err(Stop::failed)? {
            Some(token) => say(&format!("revoked {} ({})", token.id, about(&token))),
            None => {
                return Err(Stop::refused(format!(
                    "there is no token {id:?}; `tapeline token list` shows them"
                )));
            }
        },
    }
    Ok(())
}

fn sign(keys: &Keys, new: &NewJwt, now: WallTime) -> Result<(), Stop> {
    let (token, jti) = keys.sign(new, now).map_err(Stop::refused)?;
    say(&token);
    super::say_error(&format!(
        "signed a token ({} on {}); `tapeline key revoke {} --jti {jti}` revokes it",
        new.acts, new.streams, new.key
    ));
    Ok(())
}

fn about(token: &Token) -> String {
    format!("{} on {}", token.acts, token.streams)
}

fn line(token: &Token) -> String {
    let when = |at: Option<WallTime>| at.map_or("-".to_owned(), format_wall);
    let state = if token.revoked_at.is_some() { "revoked" } else { "valid" };
    format!(
        "{}\t{state}\t{}\tmade {}\texpires {}\t{}",
        token.id,
        about(token),
        format_wall(token.created_at),
        when(token.expires_at),
        token.name
    )
}
