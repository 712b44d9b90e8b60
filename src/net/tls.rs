//! One TLS set-up for both transports: rustls with ring and the system's certificates.
//!
//! The frame layer encrypts and authenticates by itself (transport.md §1.1), so plain
//! `http://` is a legal choice; where the URL says `https://` the certificate is checked.

use std::sync::Once;

/// Makes ring the process-wide provider of rustls, unless the program chose one before.
///
/// Both HTTP and WebSocket take their provider from there; without one they would panic
/// as soon as two providers are linked in.
pub fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that the application has installed a provider already: its choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Whether an error chain of a client library is about certificates or the handshake.
pub(super) fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(error) = current {
        if error.is::<rustls::Error>() {
            return true;
        }
        if let Some(inner) =
            error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
            && is_tls(inner)
        {
            return true;
        }
        current = error.source();
    }
    false
}

/// The innermost message of an error chain, which is the one that names the cause.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut current = error.source();
    while let Some(error) = current {
        text = error.to_string();
        current = error.source();
    }
    text
}
