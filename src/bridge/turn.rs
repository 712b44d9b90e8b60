//! Credentials for TURN servers that share a secret with the bridge (streams.md 5.5).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use serde_json::Value;
use serde_json::json;
use sha1::Sha1;

use super::config::TurnServer;
use crate::crypto::hash;
use crate::model::Timestamp;

/// Credentials of one key for one server, good for `ttl` from `now` on.
#[must_use]
pub fn credentials(server: &TurnServer, ttl: Duration, pub_key: &str, now: Timestamp) -> Value {
    let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    let expires = (now.0 / 1000).saturating_add(ttl);
    let (username, password) = pair(server.secret.expose(), pub_key, expires);
    json!({
        "url": server.url,
        "username": username,
        "password": password,
        "expirationTime": expires,
    })
}

fn pair(secret: &str, pub_key: &str, expires: i64) -> (String, String) {
    let username = format!("{expires}:{}", hex::encode(hash::sha256(pub_key.as_bytes())));
    // TURN's shared-secret scheme is defined over SHA-1; here it is a MAC, not a digest.
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(username.as_bytes());
    (username, BASE64.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_shared_secret_scheme() {
        let key = "8Qsc1FFQ4bS5nXhVfWzYkq3mAa5yQ1kq2jXkP1dYx9c2Zs";
        let (username, password) = pair("s3cret", key, 1_780_000_000);
        assert_eq!(
            username,
            "1780000000:6f2c1e1f2bbcd641762a2d0555dbd08249b88aa0a5624317a468b6942f0adaa2"
        );
        assert_eq!(password, "Sg8xboBWO/pXLVV+TQLmwcD9klw=");
    }
}
