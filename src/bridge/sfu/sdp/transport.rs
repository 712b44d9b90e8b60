//! The transport half of a description: ICE, DTLS and candidates.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt::Write;
use std::net::IpAddr;
use std::net::SocketAddr;

use str0m::IceCreds;
use str0m::config::Fingerprint;

use super::parse::Description;
use super::parse::Section;

/// Type preference of a host candidate (RFC 8445 §5.1.2.2).
const HOST_PREFERENCE: u32 = 126;

/// Who starts the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Setup {
    ActPass,
    Active,
    Passive,
}

impl Setup {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// What a description of the other side says about its transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteTransport {
    pub(super) credentials: IceCreds,
    pub(super) fingerprint: Fingerprint,
    pub(super) setup: Setup,
}

impl RemoteTransport {
    /// Reads the transport of one section; candidates are ignored on purpose.
    pub(super) fn read(
        description: &Description<'_>,
        section: &Section<'_>,
    ) -> Result<Self, &'static str> {
        let ufrag = description.effective(section, "ice-ufrag").ok_or("no ice-ufrag")?;
        let pass = description.effective(section, "ice-pwd").ok_or("no ice-pwd")?;
        let legal = |text: &str, at_least: usize| {
            (at_least..=256).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        };
        if !legal(ufrag, 4) || !legal(pass, 22) {
            return Err("unusable ICE credentials");
        }
        let fingerprint = description.effective(section, "fingerprint").ok_or("no fingerprint")?;
        let setup = match description.effective(section, "setup") {
            Some("active") => Setup::Active,
            Some("passive") => Setup::Passive,
            Some("actpass") | None => Setup::ActPass,
            Some(_) => return Err("unusable setup"),
        };
        Ok(Self {
            credentials: IceCreds { ufrag: ufrag.to_owned(), pass: pass.to_owned() },
            fingerprint: read_fingerprint(fingerprint)?,
            setup,
        })
    }
}

fn read_fingerprint(text: &str) -> Result<Fingerprint, &'static str> {
    let (hash, digest) = text.split_once(' ').ok_or("unusable fingerprint")?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return Err("fingerprint isn't sha-256");
    }
    let bytes: Result<Vec<u8>, _> =
        digest.trim().split(':').take(33).map(|pair| u8::from_str_radix(pair, 16)).collect();
    let bytes = bytes.map_err(|_| "unusable fingerprint")?;
    if bytes.len() != 32 {
        return Err("unusable fingerprint");
    }
    Ok(Fingerprint { hash_func: "sha-256".to_owned(), bytes })
}

/// Our side of a connection, as it is written into descriptions.
#[derive(Clone, Debug)]
pub(in super::super) struct LocalTransport<'a> {
    pub(in super::super) credentials: IceCreds,
    pub(in super::super) fingerprint: Fingerprint,
    pub(in super::super) setup: Setup,
    /// Where clients reach the media port, best first.
    pub(in super::super) candidates: &'a [SocketAddr],
}

impl LocalTransport<'_> {
    /// Appends the lines that open a description.
    pub(super) fn write_head(&self, out: &mut String, session: i64, version: u64, name: &str) {
        let address = self.candidates.first().map(SocketAddr::ip);
        let (family, ip) = match address {
            Some(IpAddr::V4(ip)) => ("IP4", IpAddr::V4(ip)),
            Some(IpAddr::V6(ip)) => ("IP6", IpAddr::V6(ip)),
            None => ("IP4", IpAddr::V4([0, 0, 0, 0].into())),
        };
        // Writing to a string can't fail.
        let _ =
            write!(out, "v=0\r\no=- {session} {version} IN {family} {ip}\r\ns={name}\r\nt=0 0\r\n");
    }

    /// Appends the lines that every section of a bundle carries.
    pub(super) fn write(&self, out: &mut String) {
        let IceCreds { ufrag, pass } = &self.credentials;
        let setup = self.setup.as_str();
        let _ = write!(
            out,
            "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pass}\r\na=ice-options:trickle\r\n\
             a=fingerprint:{}\r\na=setup:{setup}\r\n",
            self.fingerprint
        );
        for (index, address) in (0_u32..).zip(self.candidates) {
            let priority = HOST_PREFERENCE
                .wrapping_shl(24)
                .wrapping_add(65_535_u32.saturating_sub(index).wrapping_shl(8))
                .wrapping_add(255);
            let _ = write!(
                out,
                "a=candidate:{} 1 udp {priority} {} {} typ host\r\n",
                index.wrapping_add(1),
                address.ip(),
                address.port()
            );
        }
        out.push_str("a=end-of-candidates\r\n");
    }
}
