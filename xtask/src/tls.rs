//! The process's TLS provider.

/// Makes `ring` the process's default provider; reqwest is built without one. Calling it again changes nothing.
pub(crate) fn install() {
    // An error means that somebody installed one before us, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
}
