//! TLS: rustls with ring. The files are read as a whole and replaced as a whole.

use super::files;
use crate::config::http::Tls;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::Path;
use std::sync::Arc;

/// What the files say.
///
/// # Errors
/// One line with the key of the configuration and what to do.
pub fn load(tls: &Tls) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates("http.tls_cert_file", &tls.cert_file)?;
    let key = key(&tls.key_file)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("http.tls_cert_file: {error}"))?;
    let builder = match &tls.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let failed =
                |error: &dyn std::fmt::Display| format!("http.client_ca_file: {}: {error}", file.display());
            let mut roots = RootCertStore::empty();
            for certificate in certificates("http.client_ca_file", file)? {
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if tls.client_required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| failed(&error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        let (cert, key) = (tls.cert_file.display(), tls.key_file.display());
        format!("http.tls_key_file: {key} is not the key of {cert} ({error})")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = files::read(file).map_err(|line| format!("{key}: {line}"))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| format!("{key}: {}: {error}", file.display()))?;
    if found.is_empty() {
        return Err(format!("{key}: {}: holds no certificate in PEM", file.display()));
    }
    Ok(found)
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = files::read(file).map_err(|line| format!("http.tls_key_file: {line}"))?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| format!("http.tls_key_file: {}: holds no key in PEM without a password", file.display()))
}
