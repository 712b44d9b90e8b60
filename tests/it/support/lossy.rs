//! A network that loses datagrams between clients and an SFU, as the test wants it.
//!
//! Clients know the SFU by the address of this relay; the SFU sees an address for each client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// Where the relay is; media is reached at the SFU's port under this address.
pub const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Longest datagram that is passed on.
const DATAGRAM: usize = 2048;

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToSfu,
    ToClient,
}

/// Says of each datagram whether it is lost.
pub type Loss = Arc<dyn Fn(Way, &[u8]) -> bool + Send + Sync>;

/// A running relay; it ends when it is dropped.
pub struct Lossy {
    outside: Option<UdpSocket>,
    /// The port on both sides.
    pub port: u16,
    tasks: JoinSet<()>,
}

impl Lossy {
    /// Takes a port that is free on both sides, for TCP and UDP.
    pub async fn bind() -> Self {
        for _ in 0..50 {
            let outside = UdpSocket::bind((OUTSIDE, 0)).await.unwrap();
            let port = outside.local_addr().unwrap().port();
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await;
            let tcp = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            if udp.is_ok() && tcp.is_ok() {
                return Self { outside: Some(outside), port, tasks: JoinSet::new() };
            }
        }
        panic!("no port is free on both sides");
    }

    /// Begins to carry datagrams.
    pub fn carry(&mut self, loss: Loss) {
        let outside = self.outside.take().expect("begun once");
        self.tasks.spawn(carry(Arc::new(outside), self.port, loss));
    }
}

/// Whether a datagram carries media, and not its control or the set-up (RFC 7983, RFC 5761).
pub fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, second, ..]
        if (128..192).contains(first) && !(64..96).contains(&(second & 0x7f)))
}

async fn carry(outside: Arc<UdpSocket>, port: u16, loss: Loss) {
    let mut upstream: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok((length, client)) = outside.recv_from(&mut buffer).await else { continue };
        let socket = match upstream.get(&client) {
            Some(socket) => Arc::clone(socket),
            None => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                socket.connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                let socket = Arc::new(socket);
                upstream.insert(client, Arc::clone(&socket));
                let (socket, outside) = (Arc::clone(&socket), Arc::clone(&outside));
                tasks.spawn(carry_back(socket, outside, client, Arc::clone(&loss)));
                Arc::clone(&upstream[&client])
            }
        };
        if !loss(Way::ToSfu, &buffer[..length]) {
            // An SFU that is gone takes no datagrams, like any network.
            let _ = socket.send(&buffer[..length]).await;
        }
    }
}

async fn carry_back(from: Arc<UdpSocket>, to: Arc<UdpSocket>, client: SocketAddr, loss: Loss) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        match from.recv(&mut buffer).await {
            Ok(length) if !loss(Way::ToClient, &buffer[..length]) => {
                let _ = to.send_to(&buffer[..length], client).await;
            }
            Ok(_) | Err(_) => tokio::task::yield_now().await,
        }
    }
}
