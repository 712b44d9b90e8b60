//! Where the interfaces of a bridge are, given the address that a user types
//! (transport.md 1.3).

use std::fmt;

const API_PATH: &str = "api/v2.0";
const MANAGEMENT_PATH: &str = "/api";
/// Longer addresses are a mistake.
const LENGTH_MAX: usize = 2048;

/// The base address of a bridge, taken apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BridgeUrl {
    tls: bool,
    authority: String,
    host: String,
    port: u16,
    path: String,
}

/// Why a text is not the address of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither `http://` nor `https://`.
    #[error("the address must start with http:// or https://")]
    Scheme,
    /// Nothing where a host should be, or something that is no host.
    #[error("the address names no usable host")]
    Host,
    /// Something after the host's colon that is no port.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// A user name, query, fragment, blank or control character.
    #[error("the address must not contain a user name, query, fragment or blanks")]
    Surplus,
}

impl BridgeUrl {
    /// Reads a base address such as `https://bridge.example.org/privmx`.
    ///
    /// # Errors
    ///
    /// [`UrlError`], whose text tells the user what to change.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(UrlError::Scheme),
        };
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"?#@\\".contains(c);
        if text.len() > LENGTH_MAX || !rest.chars().all(plain) {
            return Err(UrlError::Surplus);
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority)?;
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?,
            None if tls => 443,
            None => 80,
        };
        let (authority, path) = (authority.to_owned(), path.to_owned());
        Ok(Self { tls, authority, host: host.to_owned(), port, path })
    }

    /// The address for HTTP; also what signed objects name as the bridge.
    #[must_use]
    pub fn http(&self) -> String {
        format!("{}://{}{}", if self.tls { "https" } else { "http" }, self.authority, self.api())
    }

    /// The address for the WebSocket.
    #[must_use]
    pub fn web_socket(&self) -> String {
        format!("{}://{}{}", if self.tls { "wss" } else { "ws" }, self.authority, self.api())
    }

    /// The address of the management interface.
    #[must_use]
    pub fn management(&self) -> String {
        format!("{}{MANAGEMENT_PATH}", self.origin())
    }

    /// Scheme, host and port: the sockets of one origin can be shared.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }

    /// The host, without brackets if it is an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own if none was written.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the carrier is encrypted.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    fn api(&self) -> String {
        let slash = if self.path.ends_with('/') { "" } else { "/" };
        format!("{}{slash}{API_PATH}", self.path)
    }
}

impl fmt::Display for BridgeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

impl fmt::Debug for BridgeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BridgeUrl({self})")
    }
}

/// Host and port of an authority; IPv6 addresses stand in brackets.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
        let address = host.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c));
        if !address {
            return Err(UrlError::Host);
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(UrlError::Host),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() { Err(UrlError::Host) } else { Ok((host, port)) }
}
