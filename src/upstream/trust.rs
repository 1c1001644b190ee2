//! Whom https trusts: the certificate authorities of the machine.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::error::{Error, Result};

/// The settings of all TLS connections to providers, without the protocols that a client offers.
///
/// Without certificate authorities on the machine every https call fails, and a warning says why.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) when TLS cannot be set up.
pub(super) fn settings() -> Result<ClientConfig> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()
    };
    match builder().map_err(Error::internal)?.with_platform_verifier() {
        Ok(trusting) => Ok(trusting.with_no_client_auth()),
        Err(error) => {
            tracing::warn!(%error, "no certificate authorities were found: https calls will fail");
            let nobody = builder().map_err(Error::internal)?.with_root_certificates(RootCertStore::empty());
            Ok(nobody.with_no_client_auth())
        }
    }
}
