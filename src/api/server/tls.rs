//! TLS for the listener: certificate and key from PEM files, read anew when they change.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    app::Watch,
    config::Server,
    error::{Error, Kind, Result},
};

/// What a listener needs for its handshakes. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files that the settings name; `None` where they name none.
    ///
    /// # Errors
    /// [`Kind::Internal`] with a text that names the file and what is wrong with it.
    pub fn load(server: &Server) -> Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&server.tls_cert_file, &server.tls_key_file) else { return Ok(None) };
        let current = Arc::new(ArcSwap::from_pointee(read(certificate, key)?));
        Ok(Some(Self { certificate: certificate.clone(), key: key.clone(), current }))
    }

    /// What accepts a handshake with the certificate in force.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reads the files anew; new connections get the new certificate. On a fault the old one stays.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<()> {
        self.current.store(Arc::new(read(&self.certificate, &self.key)?));
        Ok(())
    }

    /// Reads the files anew whenever they change, until `stop`.
    pub async fn follow(self, stop: CancellationToken) {
        // Secrets are often put in place by swapping a link beside them: the directories are watched, not the files.
        let parent = |path: &Path| match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut directories = vec![parent(&self.certificate), parent(&self.key)];
        directories.dedup();
        let watch = match Watch::new(&directories, false) {
            Ok(watch) => watch,
            Err(error) => return tracing::warn!("changes of the TLS certificate are not noticed: {error}"),
        };
        while stop.run_until_cancelled(watch.changed()).await.is_some() {
            self.reload_and_tell();
        }
    }

    /// [`Tls::reload`], with a line in the log.
    pub fn reload_and_tell(&self) {
        match self.reload() {
            Ok(()) => tracing::info!("the TLS certificate was read anew"),
            Err(error) => tracing::error!("the TLS certificate stays as it was: {}", error.public()),
        }
    }
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig> {
    let fault = |path: &Path, what: &str, error: &dyn std::fmt::Display| {
        Error::new(Kind::Internal, format!("{}: {what}: {error}", path.display()))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| fault(certificate, "no certificates in PEM could be read", &error))?;
    if chain.is_empty() {
        return Err(fault(certificate, "no certificate in PEM is in it", &"expected BEGIN CERTIFICATE"));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| fault(key, "no private key in PEM could be read", &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| fault(certificate, "certificate and key cannot be used together", &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
