//! TLS for listeners: a certificate from files, taken again on reload without a connection being closed, and the
//! handshake within its deadline. TLS 1.2 and 1.3 by rustls on aws-lc-rs. What is spoken inside is the listeners'
//! business.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;
use crate::meter::Counter;

/// How long a handshake may take: as long as an HTTP head or an RTMP handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Most certificates of a chain; public ones have three.
const CHAIN_MAX: usize = 16;

/// Why a certificate cannot be used; one line that says what to do.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {why}; name certificate and key in PEM, as tls = [\"cert.pem\", \"key.pem\"]", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// They do not go together.
    #[error("the certificate {} cannot be used with the key {}: {why}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Accepts connections inside TLS. Clones share the certificate.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

/// The certificate of now.
#[derive(Debug)]
struct Certificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Of a certificate in files. `protocols` are offered by ALPN.
    pub(crate) fn load(files: &TlsFiles, protocols: &[&[u8]]) -> Result<Self, TlsError> {
        let provider = provider();
        let certificate = Arc::new(Certificate(RwLock::new(Arc::new(certified(files, &provider)?))));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of both versions")
            .with_no_client_auth();
        let mut config = config.with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// Takes the certificate of files from now on; connections that are open keep theirs.
    pub(crate) fn reload(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let renewed = Arc::new(certified(files, &provider())?);
        *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }

    /// Does the handshake; `None`, counted, where it fails or does not end.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        failed: &Counter,
    ) -> Option<TlsStream<TcpStream>> {
        let why = match tokio::time::timeout(HANDSHAKE_DEADLINE, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it did not end within {} s", HANDSHAKE_DEADLINE.as_secs()),
        };
        failed.add();
        tracing::debug!(%peer, why, "tls handshake failed");
        None
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certified(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let wrong = |path: &Path, why: String| TlsError::File { path: path.to_owned(), why };
    let read = |path: &Path| std::fs::read(path).map_err(|e| wrong(path, e.to_string()));
    let (chain, key) = (read(&files.certificate)?, read(&files.key)?);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).take(CHAIN_MAX).collect();
    let chain = chain.map_err(|e| wrong(&files.certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(&files.certificate, "it holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| wrong(&files.key, e.to_string()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|e| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        why: e.to_string(),
    })
}
