//! The address that an invite names, and its QR code.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;

use qrcode::EcLevel;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// Host and port under which others reach a bridge that listens on `listen`.
///
/// An unspecified address (0.0.0.0) can't be dialled, so it is replaced by the address
/// that this machine would use towards the network; nothing is sent to find it.
pub fn advertised(listen: SocketAddr, wanted: Option<&str>) -> String {
    let port = listen.port();
    if let Some(host) = wanted {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return SocketAddr::new(ip, port).to_string();
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        return if has_port { host.to_owned() } else { format!("{host}:{port}") };
    }
    let ip = if listen.ip().is_unspecified() { outward(listen) } else { listen.ip() };
    SocketAddr::new(ip, port).to_string()
}

fn outward(listen: SocketAddr) -> IpAddr {
    // Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket only looks up a route.
    let (any, far) =
        if listen.is_ipv4() { ("0.0.0.0:0", "192.0.2.1:9") } else { ("[::]:0", "[2001:db8::1]:9") };
    let route = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect(far)?;
        socket.local_addr()
    };
    let loopback = if listen.is_ipv4() {
        [127, 0, 0, 1].into()
    } else {
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
    };
    route().map_or(loopback, |local| local.ip())
}

/// The link as a QR code in half blocks, one line per two rows; `None` if it is too long for one.
pub fn qr(link: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().quiet_zone(true).build())
}
