//! What is known of the other end of a connection, and whether that makes it this machine's own user.
//!
//! A peer address of 127.0.0.1 alone proves little: a reverse proxy on this machine comes from there with
//! the requests of strangers, and so does every page that the operator's browser shows, which can send
//! requests to 127.0.0.1 by itself or reach it under its own name (DNS rebinding).

use std::net::IpAddr;

use thiserror::Error;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address, as the socket gives it.
    pub addr: IpAddr,
    /// What its HTTP request says; absent for protocols that a browser cannot speak (RTMP, SRT).
    pub http: Option<HttpFacts>,
}

/// The parts of an HTTP request that tell where it comes from. A field that was sent twice holds both
/// values with a comma between them, which is no valid value and so never counts as loopback.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpFacts {
    /// The name of a header that says the request was passed on.
    pub forwarded_by: Option<String>,
    /// `Host`, or `:authority` of HTTP/2.
    pub host: Option<String>,
    /// `Origin`.
    pub origin: Option<String>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<String>,
}

/// Why a peer does not count as loopback.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotLoopback {
    /// It is another machine (or a container).
    #[error("it came from {0}")]
    Address(IpAddr),
    /// Something on this machine passed it on.
    #[error("it came through a proxy, as its header {0} says")]
    Forwarded(String),
    /// It was addressed to a name that is not this machine's own.
    #[error("it was addressed to {0:?}, not to localhost")]
    Host(String),
    /// A page of another site sent it.
    #[error("a page of another site sent it ({0})")]
    CrossSite(String),
}

impl Peer {
    /// A peer of a protocol other than HTTP.
    pub fn raw(addr: IpAddr) -> Self {
        Self { addr, http: None }
    }

    /// A peer with an HTTP request, from **all** headers of it. HTTP/2 gives its authority as `host`.
    pub fn http<'h>(addr: IpAddr, headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Self {
        let mut facts = HttpFacts::default();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "host" | ":authority" => add(&mut facts.host, value),
                "origin" => add(&mut facts.origin, value),
                "sec-fetch-site" => add(&mut facts.fetch_site, value),
                "forwarded" | "via" | "x-real-ip" => facts.forwarded_by = Some(name),
                _ if name.starts_with("x-forwarded") => facts.forwarded_by = Some(name),
                _ => {}
            }
        }
        Self { addr, http: Some(facts) }
    }

    /// Whether this is a program or a page of this machine, speaking for itself.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn loopback(&self) -> Result<(), NotLoopback> {
        let addr = self.addr.to_canonical();
        if !addr.is_loopback() {
            return Err(NotLoopback::Address(addr));
        }
        match &self.http {
            Some(facts) => facts.of_this_machine(),
            None => Ok(()),
        }
    }
}

fn add(field: &mut Option<String>, value: &[u8]) {
    let value = String::from_utf8_lossy(value);
    match field {
        Some(first) => *first = format!("{first}, {value}"),
        None => *field = Some(value.into_owned()),
    }
}

impl HttpFacts {
    fn of_this_machine(&self) -> Result<(), NotLoopback> {
        if let Some(header) = &self.forwarded_by {
            return Err(NotLoopback::Forwarded(header.clone()));
        }
        let host = self.host.as_deref().unwrap_or_default();
        let here = LocalHost::of(host).ok_or_else(|| NotLoopback::Host(host.to_owned()))?;
        if let Some(origin) = &self.origin
            && LocalHost::of_origin(origin) != Some(here)
        {
            return Err(NotLoopback::CrossSite(format!("Origin: {origin}")));
        }
        match self.fetch_site.as_deref() {
            // `none` is the user's own doing: an address typed, a bookmark.
            None | Some("same-origin" | "same-site" | "none") => Ok(()),
            Some(site) => Err(NotLoopback::CrossSite(format!("Sec-Fetch-Site: {site}"))),
        }
    }
}

/// A name of this machine for itself. Two ports of one name are one site, as browsers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LocalHost {
    Name,
    Addr(IpAddr),
}

impl LocalHost {
    /// Of `HOST` or `HOST:PORT` (RFC 9110 §7.2).
    fn of(authority: &str) -> Option<Self> {
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        if host.eq_ignore_ascii_case("localhost") {
            return Some(Self::Name);
        }
        let addr = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => IpAddr::V6(v6.parse().ok()?),
            None => IpAddr::V4(host.parse().ok()?),
        };
        let addr = addr.to_canonical();
        addr.is_loopback().then_some(Self::Addr(addr))
    }

    /// Of an `Origin` (RFC 6454 §7): `null` and schemes of extensions and files are none.
    fn of_origin(origin: &str) -> Option<Self> {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
        Self::of(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1";

    fn request(addr: &str, headers: &[(&str, &str)]) -> Result<(), NotLoopback> {
        Peer::http(addr.parse().unwrap(), headers.iter().map(|(name, value)| (*name, value.as_bytes())))
            .loopback()
    }

    #[test]
    fn this_machine_under_its_own_names_is_loopback() {
        for addr in [HERE, "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(Peer::raw(addr.parse().unwrap()).loopback(), Ok(()), "{addr}");
            for host in ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080"]
            {
                assert_eq!(request(addr, &[("Host", host)]), Ok(()), "{addr} {host}");
            }
        }
    }

    #[test]
    fn other_machines_are_not() {
        for addr in ["172.17.0.1", "10.0.0.1", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0", "::"] {
            assert!(
                matches!(Peer::raw(addr.parse().unwrap()).loopback(), Err(NotLoopback::Address(_))),
                "{addr}"
            );
            assert!(request(addr, &[("Host", "localhost")]).is_err(), "{addr}");
        }
    }

    #[test]
    fn what_a_proxy_passes_on_is_not() {
        for header in ["Forwarded", "X-Forwarded-For", "x-forwarded-host", "X-Real-IP", "Via"] {
            let verdict = request(HERE, &[("Host", "localhost"), (header, "for=127.0.0.1")]);
            assert_eq!(verdict, Err(NotLoopback::Forwarded(header.to_ascii_lowercase())));
        }
    }

    #[test]
    fn a_name_that_was_rebound_to_this_machine_is_not() {
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example:80@localhost",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "::1",
            "127.1",
            "0x7f.0.0.1",
            "localhost:8o",
            "localhost, localhost",
            "127.0.0.1:8080:1",
            "[127.0.0.1]",
            "localhost.",
        ] {
            assert!(matches!(request(HERE, &[("Host", host)]), Err(NotLoopback::Host(_))), "{host}");
        }
        assert!(request(HERE, &[]).is_err(), "no Host at all");
        assert!(request(HERE, &[("Host", "localhost"), ("Host", "localhost")]).is_err(), "two of them");
    }

    #[test]
    fn pages_of_other_sites_are_not() {
        let with_origin = |host, origin| request(HERE, &[("Host", host), ("Origin", origin)]);
        assert_eq!(with_origin("localhost:8080", "http://localhost:8080"), Ok(()));
        assert_eq!(with_origin("localhost:8080", "http://localhost:5173"), Ok(()));
        assert_eq!(with_origin("[::1]:8080", "https://[::1]"), Ok(()));
        for origin in [
            "null",
            "",
            "http://evil.example",
            "https://localhost.evil.example",
            "http://127.0.0.1:8080",
            "file://localhost",
            "http://localhost/x",
            "http://localhost@evil.example",
            "localhost",
        ] {
            assert!(
                matches!(with_origin("localhost:8080", origin), Err(NotLoopback::CrossSite(_))),
                "{origin}"
            );
        }
        let with_site = |site| request(HERE, &[("Host", "localhost"), ("Sec-Fetch-Site", site)]);
        for site in ["same-origin", "same-site", "none"] {
            assert_eq!(with_site(site), Ok(()));
        }
        for site in ["cross-site", "", "Same-Origin", "same-origin, cross-site"] {
            assert!(matches!(with_site(site), Err(NotLoopback::CrossSite(_))), "{site}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_not_loopback() {
        let peer = Peer::http(HERE.parse().unwrap(), [("host", b"local\xffhost".as_slice())]);
        assert!(matches!(peer.loopback(), Err(NotLoopback::Host(_))));
    }
}
