//! How much of what was written still waits in the connection that the user came by.
//!
//! Over SSH a write to the terminal hardly ever waits: what the line does not take piles up in
//! the SSH server and in its socket, seconds of it on a slow line, and the echo of a key comes
//! after all that. The kernel tells anybody who asks how much of it is not acknowledged yet.

#[cfg(target_os = "linux")]
pub use linux::Connection;
#[cfg(not(target_os = "linux"))]
pub use none::Connection;

#[cfg(any(target_os = "linux", test))]
mod address {
    use std::net::IpAddr;

    /// The two ends of a TCP connection.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Ends {
        /// Address and port here.
        pub local: (IpAddr, u16),
        /// Address and port of the other side.
        pub remote: (IpAddr, u16),
    }

    /// Reads `SSH_CONNECTION`: client's address and port, server's address and port.
    pub fn of_ssh(variable: &str) -> Option<Ends> {
        let mut words = variable.split(' ');
        let mut end = || {
            let address = words.next()?.split('%').next()?.parse::<IpAddr>().ok()?;
            let port = words.next()?.parse().ok()?;
            Some((address.to_canonical(), port))
        };
        let (remote, local) = (end()?, end()?);
        Some(Ends { local, remote })
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::net::IpAddr;
    use std::ops::Range;
    use std::time::Duration;

    use netlink_packet_core::NLM_F_REQUEST;
    use netlink_packet_core::NetlinkHeader;
    use netlink_packet_core::NetlinkMessage;
    use netlink_packet_core::NetlinkPayload;
    use netlink_packet_sock_diag::AF_INET;
    use netlink_packet_sock_diag::AF_INET6;
    use netlink_packet_sock_diag::IPPROTO_TCP;
    use netlink_packet_sock_diag::SockDiagMessage;
    use netlink_packet_sock_diag::inet::ExtensionFlags;
    use netlink_packet_sock_diag::inet::InetRequest;
    use netlink_packet_sock_diag::inet::SocketId;
    use netlink_packet_sock_diag::inet::StateFlags;
    use netlink_packet_sock_diag::inet::nlas::Nla;
    use netlink_sys::Socket;
    use netlink_sys::SocketAddr;
    use netlink_sys::protocols::NETLINK_SOCK_DIAG;

    use super::address;
    use super::address::Ends;
    use crate::ui::canvas::Reading;

    /// Where the kernel's `tcp_info` has the time there and back in microseconds, the bytes
    /// that were not sent yet, and the shortest time there and back, all ones while it is not
    /// known. The last two are there since Linux 4.9.
    const RTT: Range<usize> = 68..72;
    const NOT_SENT: Range<usize> = 144..148;
    const MIN_RTT: Range<usize> = 148..152;

    /// A way that takes so much longer than it could has something waiting on it.
    const LATE_US: u32 = 50_000;

    /// The sending side of a TCP connection that another process of this machine has.
    pub struct Connection {
        kernel: Socket,
        request: Vec<u8>,
    }

    impl Connection {
        /// That of the SSH connection by which this process was started, if it is on this
        /// machine and the kernel tells about it.
        #[must_use]
        pub fn of_ssh() -> Option<Self> {
            let ends = address::of_ssh(&std::env::var("SSH_CONNECTION").ok()?)?;
            Self::new(ends).inspect_err(|error| tracing::info!(%error, "the line is not seen")).ok()
        }

        pub(super) fn new(ends: Ends) -> io::Result<Self> {
            let mut kernel = Socket::new(NETLINK_SOCK_DIAG)?;
            kernel.bind_auto()?;
            kernel.connect(&SocketAddr::new(0, 0))?;
            kernel.set_non_blocking(true)?;
            let connection = Self { kernel, request: request(ends) };
            connection.ask()?;
            Ok(connection)
        }

        /// How it stands; `None` if the kernel does not tell. Takes microseconds and never
        /// waits.
        #[must_use]
        pub fn read(&self) -> Option<Reading> {
            self.ask().ok()
        }

        fn ask(&self) -> io::Result<Reading> {
            self.kernel.send(&self.request, 0)?;
            // The kernel has answered by the time that the request is sent.
            let (answer, _) = self.kernel.recv_from_full()?;
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(&answer);
            match message.map_err(io::Error::other)?.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    let info = response.nlas.iter().find_map(|nla| match nla {
                        Nla::TcpInfo(info) => Some(info.as_slice()),
                        _ => None,
                    });
                    let number = |place: Range<usize>| {
                        let bytes = info?.get(place)?.try_into().ok()?;
                        Some(u32::from_ne_bytes(bytes))
                    };
                    let unknown = || io::Error::from(io::ErrorKind::Unsupported);
                    let rtt = number(RTT).ok_or_else(unknown)?;
                    let way = number(MIN_RTT).ok_or_else(unknown)?.min(rtt);
                    let waits = number(NOT_SENT) > Some(0) || rtt - way >= LATE_US;
                    let queued = response.header.send_queue as usize;
                    Ok(Reading { queued, way: Duration::from_micros(way.into()), waits })
                }
                NetlinkPayload::Error(error) => Err(error.to_io()),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    /// Asks for one connection.
    fn request(ends: Ends) -> Vec<u8> {
        let family = if matches!(ends.local.0, IpAddr::V4(_)) { AF_INET } else { AF_INET6 };
        let socket_id = SocketId {
            source_port: ends.local.1,
            destination_port: ends.remote.1,
            source_address: ends.local.0,
            destination_address: ends.remote.0,
            interface_id: 0,
            // Any.
            cookie: [0xff; 8],
        };
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::INFO,
            states: StateFlags::all(),
            socket_id,
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        let request = SockDiagMessage::InetRequest(request);
        let mut message = NetlinkMessage::new(header, request.into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    /// Nobody tells on this system.
    pub enum Connection {}

    impl Connection {
        /// Never.
        #[must_use]
        pub const fn of_ssh() -> Option<Self> {
            None
        }

        /// Never.
        #[must_use]
        pub const fn read(&self) -> Option<crate::ui::canvas::Reading> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_is_found_in_the_environment() {
        let ends = address::of_ssh("192.0.2.7 50122 198.51.100.1 22").unwrap();
        assert_eq!(ends.remote, ([192, 0, 2, 7].into(), 50122));
        assert_eq!(ends.local, ([198, 51, 100, 1].into(), 22));
        let mapped = address::of_ssh("::ffff:192.0.2.7 1 fe80::1%eth0 2").unwrap();
        assert_eq!(mapped.remote.0, ends.remote.0);
        assert_eq!(mapped.local.0.to_string(), "fe80::1");
        for odd in ["", "a b c d", "192.0.2.7 50122 198.51.100.1", "1.2.3.4 70000 1.2.3.4 22"] {
            assert_eq!(address::of_ssh(odd), None, "{odd}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_other_side_does_not_take_is_counted() {
        use std::io::Read as _;
        use std::io::Write as _;
        use std::net::TcpListener;
        use std::net::TcpStream;

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut ours, remote) = listener.accept().unwrap();
        let local = ours.local_addr().unwrap();
        let ends = address::Ends {
            local: (local.ip(), local.port()),
            remote: (remote.ip(), remote.port()),
        };
        let connection = match Connection::new(ends) {
            Ok(connection) => connection,
            Err(error) => return println!("SKIPPED: this kernel does not tell: {error}"),
        };
        let queued = || connection.read().map(|reading| reading.queued);
        assert!(!connection.read().unwrap().waits);
        assert_eq!(queued(), Some(0));
        ours.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(bytes) = ours.write(&[7; 65_536]) {
            written += bytes;
        }
        let waiting = queued().unwrap();
        assert!(waiting > 0 && waiting <= written, "{waiting} of {written}");
        assert!(connection.read().unwrap().waits);
        drop(ours);
        theirs.read_to_end(&mut Vec::new()).unwrap();
        drop(theirs);
        // Its end may live on in the kernel for a while, with nothing in it.
        assert!(queued().is_none_or(|bytes| bytes == 0));
    }
}
