//! Whom https trusts: the certificate authorities of the machine.
//!
//! Machines keep hundreds of files of them, and to read these takes longer than the rest of a start. So they are read when
//! the first https connection needs them or [`read_authorities`] was called, once for the process.

use std::sync::{Arc, LazyLock};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;

use crate::error::{Error, Result};

/// The settings of all TLS connections to providers, without the protocols that a client offers.
///
/// Without certificate authorities on the machine every https call fails, and a warning says why.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) when TLS cannot be set up.
pub(super) fn settings() -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER)).with_safe_default_protocol_versions();
    let builder = builder.map_err(Error::internal)?.dangerous();
    // Nothing less is verified: it is the platform's verifier, made later.
    Ok(builder.with_custom_certificate_verifier(Arc::new(Machine)).with_no_client_auth())
}

/// Reads the certificate authorities now, in a thread of its own, so that no call waits for them.
pub fn read_authorities() {
    let reading = std::thread::Builder::new().name("authorities".to_owned()).spawn(|| {
        LazyLock::force(&VERIFIER);
    });
    if let Err(error) = reading {
        tracing::debug!(%error, "certificate authorities are read when they are needed");
    }
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));

/// `None`: nobody is trusted.
static VERIFIER: LazyLock<Option<Arc<dyn ServerCertVerifier>>> =
    LazyLock::new(|| match Verifier::new(Arc::clone(&PROVIDER)) {
        Ok(verifier) => Some(Arc::new(verifier)),
        Err(error) => {
            tracing::warn!(%error, "no certificate authorities were found: https calls will fail");
            None
        }
    });

/// The machine's verifier, once it is needed.
#[derive(Debug)]
struct Machine;

impl Machine {
    fn verifier() -> Result<&'static Arc<dyn ServerCertVerifier>, TlsError> {
        VERIFIER.as_ref().ok_or(TlsError::InvalidCertificate(rustls::CertificateError::UnknownIssuer))
    }
}

impl ServerCertVerifier for Machine {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Self::verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Self::verifier()?.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Self::verifier()?.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}
