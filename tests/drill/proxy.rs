//! A network that can be broken: TCP and UDP between clients and the bridge pass through here.
//!
//! Clients know the bridge by the proxy's address, the bridge sees an address of its own for each
//! client, as behind an address translator.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where the proxy is. All of 127/8 is this machine; media is reached at the same port by the
/// number of the address alone.
pub const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Longest datagram that is passed on.
const DATAGRAM: usize = 2048;

/// What is wrong with the network at present.
#[derive(Default)]
struct Faults {
    /// Datagrams vanish.
    udp_blocked: AtomicBool,
    /// Counts how often clients got new addresses.
    mapping: AtomicU64,
}

/// How often connections were ended, and whether the bridge was told the last time.
#[derive(Clone, Copy, Default)]
struct Cut {
    count: u64,
    bridge_is_told: bool,
}

/// A running proxy.
pub struct Proxy {
    runtime: Option<Runtime>,
    faults: Arc<Faults>,
    /// Connections end when this changes.
    cut: watch::Sender<Cut>,
    /// Nothing moves on connections while this is set.
    stalled: watch::Sender<bool>,
    /// The port on both sides.
    pub port: u16,
}

impl Proxy {
    /// Takes a port that is free on both sides, for TCP and UDP.
    pub fn start() -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (tcp, udp, port) = runtime.block_on(bind())?;
        let faults = Arc::new(Faults::default());
        let (cut, stalled) = (watch::Sender::new(Cut::default()), watch::Sender::new(false));
        let inside = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        runtime.spawn(carry_streams(tcp, inside, cut.subscribe(), stalled.subscribe()));
        runtime.spawn(carry_datagrams(udp, inside, Arc::clone(&faults)));
        Ok(Self { runtime: Some(runtime), faults, cut, stalled, port })
    }

    /// Ends every connection; new ones are accepted.
    pub fn cut_streams(&self) {
        self.cut(true);
    }

    /// The same, and the bridge does not learn of it, as when a client changes its network.
    pub fn lose_streams(&self) {
        self.cut(false);
    }

    fn cut(&self, bridge_is_told: bool) {
        self.cut.send_modify(|cut| *cut = Cut { count: cut.count + 1, bridge_is_told });
    }

    /// Lets nothing through on connections, old and new.
    pub fn stall_streams(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// Drops all datagrams.
    pub fn block_datagrams(&self, blocked: bool) {
        self.faults.udp_blocked.store(blocked, Ordering::Relaxed);
    }

    /// Gives each client a new address towards the bridge, as a new network does.
    pub fn change_addresses(&self) {
        self.faults.mapping.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn bind() -> io::Result<(TcpListener, Arc<UdpSocket>, u16)> {
    const ATTEMPTS: usize = 50;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let tcp = TcpListener::bind((OUTSIDE, 0)).await?;
        let port = tcp.local_addr()?.port();
        let inside = async {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await?;
            UdpSocket::bind((OUTSIDE, port)).await
        };
        match inside.await {
            Ok(udp) => return Ok((tcp, Arc::new(udp), port)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

async fn carry_streams(
    listener: TcpListener,
    inside: SocketAddr,
    cut: watch::Receiver<Cut>,
    stalled: watch::Receiver<bool>,
) {
    let mut streams = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while streams.try_join_next().is_some() {}
        let (mut cut, stalled) = (cut.clone(), stalled.clone());
        cut.mark_unchanged();
        // What the bridge believes to be open: it ends when the bridge gives it up.
        let kept = Mutex::new(None);
        streams.spawn(async move {
            tokio::select! {
                _ = cut.changed() => {}
                _ = carry_stream(client, inside, stalled, &kept) => return,
            }
            let is_told = cut.borrow().bridge_is_told;
            let bridge = kept.lock().unwrap().take();
            if let (Some(bridge), false) = (bridge, is_told) {
                let mut lost = [0; 1024];
                while bridge.readable().await.is_ok() {
                    match bridge.try_read(&mut lost) {
                        Ok(0) => break,
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                        Ok(_) | Err(_) => {}
                    }
                }
            }
        });
    }
}

async fn carry_stream(
    client: TcpStream,
    inside: SocketAddr,
    mut stalled: watch::Receiver<bool>,
    kept: &Mutex<Option<TcpStream>>,
) -> io::Result<()> {
    flowing(&mut stalled).await;
    let bridge = std::net::TcpStream::connect(inside)?;
    bridge.set_nonblocking(true)?;
    // A second descriptor keeps it open when the first is closed.
    *kept.lock().unwrap() = Some(TcpStream::from_std(bridge.try_clone()?)?);
    let bridge = TcpStream::from_std(bridge)?;
    client.set_nodelay(true)?;
    bridge.set_nodelay(true)?;
    let (client_out, client_in) = client.into_split();
    // These halves don't shut anything down when they are dropped.
    let (bridge_out, bridge_in) = tokio::io::split(bridge);
    let up = copy(client_out, bridge_in, stalled.clone());
    let down = copy(bridge_out, client_in, stalled);
    tokio::select! {
        done = up => done,
        done = down => done,
    }
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut stalled: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        flowing(&mut stalled).await;
        to.write_all(&buffer[..length]).await?;
    }
}

async fn flowing(stalled: &mut watch::Receiver<bool>) {
    // The sender lives as long as the proxy.
    let _ = stalled.wait_for(|stalled| !stalled).await;
}

async fn carry_datagrams(outside: Arc<UdpSocket>, inside: SocketAddr, faults: Arc<Faults>) {
    let mut mapping = 0;
    let mut upstream: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok((length, client)) = outside.recv_from(&mut buffer).await else { continue };
        let now = faults.mapping.load(Ordering::Relaxed);
        if now != mapping {
            mapping = now;
            upstream.clear();
            tasks.abort_all();
        }
        while tasks.try_join_next().is_some() {}
        if faults.udp_blocked.load(Ordering::Relaxed) {
            continue;
        }
        let socket = match upstream.get(&client) {
            Some(socket) => Arc::clone(socket),
            None => {
                let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await else { continue };
                if socket.connect(inside).await.is_err() {
                    continue;
                }
                let socket = Arc::new(socket);
                upstream.insert(client, Arc::clone(&socket));
                let back = (Arc::clone(&socket), Arc::clone(&outside), Arc::clone(&faults), client);
                tasks.spawn(carry_back(back));
                socket
            }
        };
        // A bridge that is gone takes no datagrams, like any network.
        let _ = socket.send(&buffer[..length]).await;
    }
}

async fn carry_back(
    (from, to, faults, client): (Arc<UdpSocket>, Arc<UdpSocket>, Arc<Faults>, SocketAddr),
) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        match from.recv(&mut buffer).await {
            Ok(length) if !faults.udp_blocked.load(Ordering::Relaxed) => {
                let _ = to.send_to(&buffer[..length], client).await;
            }
            // Nobody listens at the bridge's port at the moment.
            Ok(_) | Err(_) => tokio::task::yield_now().await,
        }
    }
}
