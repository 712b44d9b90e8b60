//! What every peer connection has: configuration, state, and the addresses it listens on.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::error::RtcError;
use crate::model::TurnCredentials;

/// Most sockets of a connection: every one adds a candidate, and every candidate adds checks.
const MAX_SOCKETS: usize = 8;

/// How to reach the SFU.
#[derive(Clone, Debug, Default)]
pub struct PeerConfig {
    /// TURN servers that the bridge told us of.
    pub ice_servers: Vec<TurnCredentials>,
    /// The bridge seems to be on this machine: offer 127.0.0.1 too, and prefer it. Relayed
    /// addresses are not waited for then, but used where it turns out that only they work:
    /// behind a forwarded port the bridge is elsewhere.
    pub loopback: bool,
    /// Take relayed paths only, and tell nobody an address of ours.
    pub relay_only: bool,
}

/// State of a connection as a whole: ICE and DTLS together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerState {
    /// Not negotiated yet.
    #[default]
    New,
    /// Looking for a path, or shaking hands on it.
    Connecting,
    /// Media flows.
    Connected,
    /// Nothing has come for five seconds; it may come back by itself.
    Disconnected,
    /// Given up. An ICE restart or a new connection is needed.
    Failed,
    /// Closed, by either side.
    Closed,
}

/// A bound socket and what it is bound to.
pub(super) struct Listening {
    pub(super) socket: UdpSocket,
    pub(super) address: SocketAddr,
}

/// Binds one UDP socket per usable local address, loopback first.
pub(super) fn bind(config: &PeerConfig) -> Result<Vec<Listening>, RtcError> {
    if config.relay_only {
        // The sockets that talk to relays are made later.
        return if config.ice_servers.is_empty() { Err(RtcError::NoRelay) } else { Ok(Vec::new()) };
    }
    let mut addresses = Vec::new();
    if config.loopback {
        addresses.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    addresses.extend(interface_addresses().unwrap_or_default());
    if addresses.is_empty() {
        // Offline. Somebody on this machine, or a relay that comes up later, may still be reached.
        addresses.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    addresses.truncate(MAX_SOCKETS);
    let mut error = None;
    let mut sockets = Vec::with_capacity(addresses.len());
    for address in addresses {
        match listen(address) {
            Ok(listening) => sockets.push(listening),
            // An address that went away a moment ago is no reason to fail while others work.
            Err(e) => error = Some(e),
        }
    }
    if sockets.is_empty() {
        return Err(error.map_or(RtcError::NoAddress, RtcError::Socket));
    }
    Ok(sockets)
}

/// Binds a UDP socket that reaches whatever the system can reach.
pub(super) fn listen_anywhere(ipv6: bool) -> io::Result<Listening> {
    listen(if ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() })
}

/// Whether descriptions wait for relayed addresses.
pub(super) const fn waits_for_relays(config: &PeerConfig) -> bool {
    config.relay_only || !config.loopback
}

fn listen(address: IpAddr) -> io::Result<Listening> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(address, 0))?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    let address = socket.local_addr()?;
    Ok(Listening { socket, address })
}

/// Addresses that a peer elsewhere could reach, IPv4 first.
fn interface_addresses() -> io::Result<Vec<IpAddr>> {
    let interfaces = rtc::shared::ifaces::ifaces()?;
    let mut addresses: Vec<IpAddr> = interfaces
        .into_iter()
        .filter_map(|interface| interface.addr)
        .map(|address| address.ip())
        .filter(|address| is_usable(*address))
        .collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.dedup();
    Ok(addresses)
}

fn is_usable(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !address.is_loopback() && !address.is_unspecified() && !address.is_multicast() && !link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_others_can_dial_are_used() {
        let cases = [
            ("192.168.1.2", true),
            ("10.0.0.1", true),
            ("2001:db8::1", true),
            ("127.0.0.1", false),
            ("169.254.3.4", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("::1", false),
        ];
        for (address, usable) in cases {
            assert_eq!(is_usable(address.parse().unwrap()), usable, "{address}");
        }
    }
}
