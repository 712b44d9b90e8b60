//! Owns the media port: feeds datagrams, requests and time to the step functions and sends
//! what they say. It decides nothing.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time;

use super::config::SfuConfig;
use super::error::SfuError;
use super::handle::Command;
use super::handle::SfuEvent;
use super::hub::Hub;
use super::hub::MAX_DATAGRAM;

/// Datagrams read in one go before what they led to is sent and others get their turn.
const READ_BATCH: usize = 64;

/// Time to sleep when no connection waits for anything: until the next request or datagram.
const FOREVER: time::Duration = time::Duration::from_secs(24 * 3600);

/// A driver that has been started.
pub(super) struct Started {
    pub(super) local_addr: SocketAddr,
    pub(super) task: JoinHandle<()>,
}

/// Opens the port and starts the task; its owner is the handle.
pub(super) async fn spawn(
    config: SfuConfig,
    inbox: mpsc::Receiver<Command>,
    outbox: mpsc::Sender<SfuEvent>,
) -> Result<Started, SfuError> {
    let socket = UdpSocket::bind(config.bind).await.map_err(SfuError::Bind)?;
    let local_addr = socket.local_addr().map_err(SfuError::Bind)?;
    let mut addresses = config.advertise.clone();
    if addresses.is_empty() {
        addresses = own_addresses(local_addr.ip()).await;
    }
    let port = local_addr.port();
    let candidates = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    let hub = Hub::new(&config, port, candidates, rand::random())?;
    let driver = Driver {
        hub,
        socket,
        wide: local_addr.is_ipv6(),
        inbox,
        outbox,
        events: VecDeque::new(),
        buffer: vec![0; MAX_DATAGRAM + 1],
    };
    Ok(Started { local_addr, task: tokio::spawn(driver.run()) })
}

/// The addresses to tell clients if nobody named any.
async fn own_addresses(bound: IpAddr) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    // Connecting a datagram socket sends nothing; it only chooses the outward address.
    let outward = async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).await.ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let mut addresses: Vec<IpAddr> = outward.await.into_iter().collect();
    addresses.retain(|ip| !ip.is_unspecified() && !ip.is_loopback());
    addresses.push(Ipv4Addr::LOCALHOST.into());
    addresses
}

struct Driver {
    hub: Hub,
    socket: UdpSocket,
    /// The socket speaks IPv6, and IPv4 in IPv6 clothes.
    wide: bool,
    inbox: mpsc::Receiver<Command>,
    outbox: mpsc::Sender<SfuEvent>,
    /// Events that wait for the bridge.
    events: VecDeque<SfuEvent>,
    buffer: Vec<u8>,
}

impl Driver {
    async fn run(mut self) {
        let outbox = self.outbox.clone();
        loop {
            self.flush();
            let wake = self.hub.wake().unwrap_or_else(|| Instant::now() + FOREVER);
            tokio::select! {
                // Requests first: they are few, and media must not starve them.
                biased;
                command = self.inbox.recv() => match command {
                    Some(Command::Shutdown) | None => break,
                    Some(command) => self.execute(command, Instant::now()),
                },
                permit = outbox.reserve(), if !self.events.is_empty() => {
                    if let (Ok(permit), Some(event)) = (permit, self.events.pop_front()) {
                        permit.send(event);
                    } else {
                        // The bridge no longer listens; nobody needs the rest.
                        self.events.clear();
                    }
                }
                readable = self.socket.readable() => {
                    if readable.is_ok() {
                        self.read();
                    }
                    self.pass_time();
                }
                () = time::sleep_until(wake.into()) => self.pass_time(),
            }
        }
        self.hub.close(Instant::now());
        self.flush();
    }

    fn pass_time(&mut self) {
        let now = Instant::now();
        if self.hub.wake().is_some_and(|at| at <= now) {
            self.hub.handle_timeout(now);
        }
    }

    fn read(&mut self) {
        for _ in 0..READ_BATCH {
            // An error belongs to an earlier datagram that found nobody, and means nothing;
            // would-block is one of them.
            let Ok((length, from)) = self.socket.try_recv_from(&mut self.buffer) else { break };
            let from = SocketAddr::new(from.ip().to_canonical(), from.port());
            let data = self.buffer.get(..length).unwrap_or_default();
            self.hub.handle_packet(from, data, Instant::now());
            self.send();
        }
    }

    fn flush(&mut self) {
        self.send();
        while let Some(event) = self.hub.poll_event() {
            self.events.push_back(event);
        }
    }

    fn send(&mut self) {
        while let Some(datagram) = self.hub.poll_datagram() {
            let to = match datagram.to.ip() {
                IpAddr::V4(ip) if self.wide => ip.to_ipv6_mapped().into(),
                ip => ip,
            };
            let sent = self.socket.try_send_to(&datagram.data, (to, datagram.to.port()).into());
            let stats = self.hub.stats_mut();
            match sent {
                Ok(bytes) => {
                    stats.datagrams_out += 1;
                    stats.bytes_out += bytes as u64;
                }
                Err(_) => stats.dropped_unsent += 1,
            }
        }
    }

    /// Carries out a request; a caller that no longer waits loses the answer.
    fn execute(&mut self, command: Command, now: Instant) {
        let hub = &mut self.hub;
        match command {
            Command::Join(room, client, user, reply) => {
                let _ = reply.send(hub.join(room, client, user));
            }
            Command::Publish(room, client, offer, reply) => {
                let _ = reply.send(hub.publish(&room, client, &offer, now));
            }
            Command::Update(room, client, offer, reply) => {
                let _ = reply.send(hub.update(&room, client, &offer, now));
            }
            Command::Unpublish(room, client, reply) => {
                let _ = reply.send(hub.unpublish(&room, client, now));
            }
            Command::Subscribe(room, client, add, reply) => {
                let _ = reply.send(hub.subscribe(&room, client, &add, now));
            }
            Command::Modify(room, client, add, remove, reply) => {
                let _ = reply.send(hub.modify(&room, client, &add, &remove, now));
            }
            Command::AcceptOffer(client, session, answer, reply) => {
                let _ = reply.send(hub.accept_offer(client, session, &answer, now));
            }
            Command::Trickle(client, session, reply) => {
                let _ = reply.send(hub.trickle(client, session));
            }
            Command::Leave(room, client, reply) => {
                let _ = reply.send(hub.leave(&room, client, now));
            }
            Command::LeaveAll(client, reply) => {
                let _ = reply.send(hub.leave_all(client, now));
            }
            Command::List(room, reply) => {
                let _ = reply.send(hub.list(&room));
            }
            Command::RemoveRoom(room, reply) => {
                let _ = reply.send(hub.remove_room(&room, now));
            }
            Command::Record(room, sink, reply) => {
                hub.record(&room, sink);
                let _ = reply.send(());
            }
            Command::Stats(reply) => {
                let _ = reply.send(hub.stats());
            }
            Command::Shutdown => {}
        }
    }
}
