//! The task behind a connection: owns its sockets and its clock, feeds a step function.
//!
//! One task per connection, for as long as the connection: it ends when it is cancelled or when
//! its handle is gone, says goodbye to the peer, and takes its sockets with it. It never waits
//! for anything but input: a datagram that cannot be sent at once is lost, as on any network,
//! and an event that nobody fetches stays in a bounded backlog.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::outbox::Outbox;
use super::peer;
use super::peer::Listening;
use super::peer::PeerConfig;
use super::publisher::Frame;
use super::relay;
use super::relay::GATHER_WAIT;
use super::relay::MAX_SERVERS;
use super::relay::Relay;
use super::sockets::Datagram;
use super::sockets::Sockets;
use crate::model::TurnCredentials;

/// Datagrams taken from a socket before what they caused is sent.
const BURST: usize = 64;
/// Timers of the engine count milliseconds; one that claims to be due more often would spin.
const TIMER_GRAIN: Duration = Duration::from_millis(1);
/// Without a timer, look around once an hour.
const IDLE: Duration = Duration::from_secs(3600);

/// What distinguishes a publisher from a subscriber.
pub(super) trait Role: Send + 'static {
    type Command: Send + 'static;
    type Event: Send + Sync + 'static;

    fn engine(&mut self) -> Option<&mut Engine>;
    /// A relay has given us an address to be reached at.
    fn add_relay(&mut self, address: SocketAddr);
    fn handle_command(
        &mut self,
        now: Instant,
        command: Self::Command,
        out: &mut Outbox<Self::Event>,
    );
    fn handle_frame(&mut self, now: Instant, frame: Frame);
    fn handle_message(&mut self, now: Instant, message: Bytes);
    fn takes_messages(&mut self) -> bool;
    /// When [`handle_timeout`](Self::handle_timeout) is due, besides the engine's timers.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// Lets time pass.
    fn handle_timeout(&mut self, _now: Instant) {}
    /// Hands on what the engine has produced.
    fn pump(&mut self, now: Instant, out: &mut Outbox<Self::Event>);
}

/// Where input comes from, besides sockets.
pub(super) struct Inputs<C> {
    pub(super) commands: mpsc::Receiver<C>,
    pub(super) frames: Option<mpsc::Receiver<Frame>>,
    pub(super) messages: Option<mpsc::Receiver<Bytes>>,
}

/// The running task and the means to end it.
pub(super) struct Task {
    stop: CancellationToken,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Task {
    pub(super) fn spawn<R: Role>(
        role: R,
        sockets: Vec<Listening>,
        config: &PeerConfig,
        inputs: Inputs<R::Command>,
        out: Outbox<R::Event>,
    ) -> Self {
        let stop = CancellationToken::new();
        let driver = Driver {
            role,
            sockets: Sockets::new(sockets),
            relays: Vec::new(),
            gather_until: Instant::now(),
            waits: peer::waits_for_relays(config),
            inputs,
            out,
            stop: stop.clone(),
            timer_ran: None,
        };
        let servers = config.ice_servers.clone();
        Self { stop, handle: Mutex::new(Some(tokio::spawn(driver.run(servers)))) }
    }

    /// Ends the task and waits until it is gone.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle
            && let Err(error) = handle.await
        {
            tracing::error!(%error, "peer connection task");
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // The task sees it and ends by itself, goodbye included; nothing is left to wait for it.
        self.stop.cancel();
    }
}

struct Driver<R: Role> {
    role: R,
    sockets: Sockets,
    relays: Vec<Relay>,
    /// Until then commands wait for relays, so that descriptions are complete.
    gather_until: Instant,
    /// Whether they do.
    waits: bool,
    inputs: Inputs<R::Command>,
    out: Outbox<R::Event>,
    stop: CancellationToken,
    timer_ran: Option<Instant>,
}

impl<R: Role> Driver<R> {
    async fn run(mut self, servers: Vec<TurnCredentials>) {
        if !servers.is_empty() {
            if self.waits {
                self.gather_until = Instant::now() + GATHER_WAIT;
            }
            let open = tokio::time::timeout(GATHER_WAIT, self.open_relays(&servers));
            drop(open.await);
        }
        let timer = tokio::time::sleep(IDLE);
        tokio::pin!(timer);
        while self.turn(timer.as_mut()).await {}
        if let Some(engine) = self.role.engine() {
            engine.close();
        }
        self.transmit();
        for relay in &mut self.relays {
            relay.close(Instant::now());
        }
        self.transmit();
        self.out.flush();
    }

    /// Asks every server that can be reached for an address.
    async fn open_relays(&mut self, servers: &[TurnCredentials]) {
        for credentials in servers.iter().take(MAX_SERVERS) {
            let Some(name) = relay::server_name(&credentials.url) else {
                continue;
            };
            let addresses = tokio::net::lookup_host(name).await;
            let Some(server) = addresses.ok().and_then(|mut addresses| addresses.next()) else {
                tracing::warn!("a TURN server has no address");
                continue;
            };
            // A socket of its own: which interface leads to the server is the system's business.
            let Ok(listening) = peer::listen_anywhere(server.is_ipv6()) else {
                continue;
            };
            match Relay::new(Instant::now(), listening.address, server, credentials) {
                Ok(relay) => {
                    self.sockets.add(listening);
                    self.relays.push(relay);
                }
                Err(error) => tracing::warn!(%error, "TURN"),
            }
        }
    }

    fn is_gathering(&self) -> bool {
        Instant::now() < self.gather_until && self.relays.iter().any(Relay::is_gathering)
    }

    /// One round: hand on all output, wait for one input. `false` when it is time to end.
    async fn turn(&mut self, mut timer: std::pin::Pin<&mut Sleep>) -> bool {
        self.settle(Instant::now());
        timer.as_mut().reset(tokio::time::Instant::from_std(self.run_timers()));
        let takes_commands = !self.is_gathering();
        let takes_messages = self.inputs.messages.is_some() && self.role.takes_messages();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return false,
            () = timer => {
                let now = Instant::now();
                self.handle_timeout(now);
            }
            datagram = self.sockets.recv() => self.receive(&datagram),
            command = self.inputs.commands.recv(), if takes_commands => match command {
                Some(command) => self.role.handle_command(Instant::now(), command, &mut self.out),
                None => return false,
            },
            frame = next(&mut self.inputs.frames) => self.role.handle_frame(Instant::now(), frame),
            message = next(&mut self.inputs.messages), if takes_messages => {
                self.role.handle_message(Instant::now(), message);
            }
            () = self.out.room() => self.out.flush(),
        }
        true
    }

    /// Runs timers that are due and tells when the next one is.
    fn run_timers(&mut self) -> Instant {
        let now = Instant::now();
        let idle = now + IDLE;
        let Some(due) = self.next_timeout() else {
            return idle;
        };
        let earliest = self.timer_ran.map_or(now, |ran| ran + TIMER_GRAIN);
        if due > now || earliest > now {
            return due.max(earliest).min(idle);
        }
        self.handle_timeout(now);
        self.settle(now);
        let due = self.next_timeout().unwrap_or(idle);
        due.max(now + TIMER_GRAIN).min(idle)
    }

    fn next_timeout(&mut self) -> Option<Instant> {
        let gathered = self.is_gathering().then_some(self.gather_until);
        let relays = self.relays.iter_mut().filter_map(Relay::poll_timeout).min();
        let engine = self.role.engine().and_then(Engine::poll_timeout);
        [gathered, relays, engine, self.role.poll_timeout()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.timer_ran = Some(now);
        for relay in &mut self.relays {
            relay.handle_timeout(now);
        }
        if let Some(engine) = self.role.engine() {
            engine.handle_timeout(now);
        }
        self.role.handle_timeout(now);
    }

    fn receive(&mut self, first: &Datagram) {
        let now = Instant::now();
        self.deliver(now, first);
        for _ in 1..BURST {
            let Some(datagram) = self.sockets.try_recv(first.socket) else {
                break;
            };
            self.deliver(now, &datagram);
        }
    }

    fn deliver(&mut self, now: Instant, datagram: &Datagram) {
        let payload = self.sockets.payload(datagram);
        let relay = self.relays.iter_mut().find(|relay| relay.owns(datagram.to, datagram.from));
        if let Some(relay) = relay {
            relay.handle_datagram(now, payload);
        } else if let Some(engine) = self.role.engine() {
            engine.handle_datagram(now, datagram.to, datagram.from, payload);
        }
    }

    /// Output may cause more output, so it is asked for until there is none.
    fn settle(&mut self, now: Instant) {
        self.relayed(now);
        self.role.pump(now, &mut self.out);
        while self.transmit() {
            self.role.pump(now, &mut self.out);
        }
    }

    /// Hands on what came from relays.
    fn relayed(&mut self, now: Instant) {
        for relay in &mut self.relays {
            if let Some(address) = relay.poll_candidate() {
                self.role.add_relay(address);
            }
            while let Some(relayed) = relay.poll_received() {
                if let Some(engine) = self.role.engine() {
                    engine.handle_datagram(now, relayed.to, relayed.from, &relayed.payload);
                }
            }
        }
    }

    /// Sends what the engine has, through relays where it wants that, and then what they have.
    fn transmit(&mut self) -> bool {
        let now = Instant::now();
        let mut any = false;
        while let Some(transmit) = self.role.engine().and_then(Engine::poll_transmit) {
            if !self.relays.iter_mut().any(|relay| relay.send(now, &transmit)) {
                self.sockets.send(&transmit);
            }
            any = true;
        }
        for relay in &mut self.relays {
            while let Some(transmit) = relay.poll_transmit() {
                self.sockets.send(&transmit);
            }
        }
        any
    }
}

async fn next<T>(receiver: &mut Option<mpsc::Receiver<T>>) -> T {
    if let Some(open) = receiver
        && let Some(item) = open.recv().await
    {
        return item;
    }
    *receiver = None;
    pending().await
}
