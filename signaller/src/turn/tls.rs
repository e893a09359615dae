// SPDX-License-Identifier: MIT OR Apache-2.0
//! The certificate for TLS.

use super::error::TurnError;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where certificate and key are, both in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificates: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    pub(super) fn load(&self) -> Result<Arc<ServerConfig>, TurnError> {
        let chain = CertificateDer::pem_file_iter(&self.certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable("certificate", &self.certificates, &error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| unreadable("private key", &self.key, &error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(chain, key)
            })
            .map(Arc::new)
            .map_err(|error| {
                TurnError::Config(format!(
                    "the certificate in {} and the key in {} cannot be used: {error}. Do they belong together?",
                    self.certificates.display(),
                    self.key.display()
                ))
            })
    }
}

fn unreadable(what: &str, path: &Path, error: &rustls::pki_types::pem::Error) -> TurnError {
    TurnError::Config(format!(
        "the {what} in {} cannot be read: {error:?}. It must be a PEM file that this user may read.",
        path.display()
    ))
}
