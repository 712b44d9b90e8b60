//! The task behind a connection: owns its sockets and its clock, feeds a step function.
//!
//! One task per connection, for as long as the connection: it ends when it is cancelled or when
//! its handle is gone, says goodbye to the peer, and takes its sockets with it. It never waits
//! for anything but input: a datagram that cannot be sent at once is lost, as on any network,
//! and an event that nobody fetches stays in a bounded backlog.

use std::collections::VecDeque;
use std::future::pending;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use tokio::io::ReadBuf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::engine::Transmit;
use super::peer;
use super::peer::Listening;
use super::publisher::Frame;
use super::relay;
use super::relay::GATHER_WAIT;
use super::relay::MAX_SERVERS;
use super::relay::Relay;
use crate::model::TurnCredentials;

/// Longest datagram. Nobody sends media beyond the Ethernet MTU.
const MAX_DATAGRAM: usize = 2048;
/// Datagrams taken from a socket before what they caused is sent.
const BURST: usize = 64;
/// Timers of the engine count milliseconds; one that claims to be due more often would spin.
const TIMER_GRAIN: Duration = Duration::from_millis(1);
/// Socket errors taken in a row before the socket is left alone until something else happens.
const MAX_ERRORS: usize = 8;
/// Events kept for a consumer that is behind. Beyond it, the newest are dropped: it is gone.
const MAX_BACKLOG: usize = 4096;
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
    /// Hands on what the engine has produced.
    fn pump(&mut self, now: Instant, out: &mut Outbox<Self::Event>);
}

/// Where input comes from, besides sockets.
pub(super) struct Inputs<C> {
    pub(super) commands: mpsc::Receiver<C>,
    pub(super) frames: Option<mpsc::Receiver<Frame>>,
    pub(super) messages: Option<mpsc::Receiver<Bytes>>,
}

/// Events on their way to the consumer.
pub(super) struct Outbox<E> {
    sender: Option<mpsc::Sender<E>>,
    backlog: VecDeque<E>,
    pub(super) dropped: u64,
}

impl<E> Outbox<E> {
    pub(super) const fn new(sender: Option<mpsc::Sender<E>>) -> Self {
        Self { sender, backlog: VecDeque::new(), dropped: 0 }
    }

    /// Passes on an event that must not be lost.
    pub(super) fn must(&mut self, event: E) {
        let Some(sender) = &self.sender else {
            return;
        };
        if self.backlog.is_empty() {
            match sender.try_send(event) {
                Err(mpsc::error::TrySendError::Full(event)) => self.backlog.push_back(event),
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        } else if self.backlog.len() < MAX_BACKLOG {
            self.backlog.push_back(event);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Passes on an event that is worthless when late.
    pub(super) fn may(&mut self, event: E) {
        let taken = match &self.sender {
            Some(sender) if self.backlog.is_empty() => sender.try_send(event).is_ok(),
            _ => false,
        };
        if !taken {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The consumer is behind: what can wait should.
    pub(super) fn is_blocked(&self) -> bool {
        !self.backlog.is_empty()
    }

    fn flush(&mut self) {
        while let (Some(sender), Some(event)) = (&self.sender, self.backlog.pop_front()) {
            if let Err(mpsc::error::TrySendError::Full(event)) = sender.try_send(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }

    async fn room(&self) {
        match &self.sender {
            Some(sender) if self.is_blocked() => drop(sender.reserve().await),
            _ => pending().await,
        }
    }
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
        servers: Vec<TurnCredentials>,
        inputs: Inputs<R::Command>,
        out: Outbox<R::Event>,
    ) -> Self {
        let stop = CancellationToken::new();
        let driver = Driver {
            role,
            sockets: Sockets::new(sockets),
            relays: Vec::new(),
            gather_until: Instant::now(),
            inputs,
            out,
            stop: stop.clone(),
            timer_ran: None,
        };
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
    inputs: Inputs<R::Command>,
    out: Outbox<R::Event>,
    stop: CancellationToken,
    timer_ran: Option<Instant>,
}

impl<R: Role> Driver<R> {
    async fn run(mut self, servers: Vec<TurnCredentials>) {
        if !servers.is_empty() {
            self.gather_until = Instant::now() + GATHER_WAIT;
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
                    self.sockets.list.push(listening);
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
        [gathered, relays, engine].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.timer_ran = Some(now);
        for relay in &mut self.relays {
            relay.handle_timeout(now);
        }
        if let Some(engine) = self.role.engine() {
            engine.handle_timeout(now);
        }
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

struct Datagram {
    socket: usize,
    to: SocketAddr,
    from: SocketAddr,
    len: usize,
}

struct Sockets {
    list: Vec<Listening>,
    /// Whose turn it is, so that a busy socket does not silence the others.
    next: usize,
    buffer: Box<[u8]>,
}

impl Sockets {
    fn new(list: Vec<Listening>) -> Self {
        Self { list, next: 0, buffer: vec![0; MAX_DATAGRAM].into_boxed_slice() }
    }

    fn payload(&self, datagram: &Datagram) -> &[u8] {
        self.buffer.get(..datagram.len).unwrap_or_default()
    }

    async fn recv(&mut self) -> Datagram {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Datagram> {
        let count = self.list.len();
        for offset in 0..count {
            let socket = (self.next + offset) % count;
            let Some(listening) = self.list.get(socket) else {
                continue;
            };
            for _ in 0..MAX_ERRORS {
                let mut buffer = ReadBuf::new(&mut self.buffer);
                match listening.socket.poll_recv_from(cx, &mut buffer) {
                    Poll::Pending => break,
                    // An ICMP answer to something sent earlier. The checks notice by themselves.
                    Poll::Ready(Err(_)) => {}
                    Poll::Ready(Ok(from)) => {
                        let len = buffer.filled().len();
                        self.next = socket + 1;
                        return Poll::Ready(Datagram { socket, to: listening.address, from, len });
                    }
                }
            }
        }
        Poll::Pending
    }

    fn try_recv(&mut self, socket: usize) -> Option<Datagram> {
        let listening = self.list.get(socket)?;
        let (len, from) = listening.socket.try_recv_from(&mut self.buffer).ok()?;
        Some(Datagram { socket, to: listening.address, from, len })
    }

    fn send(&self, transmit: &Transmit) {
        let sender = self.list.iter().find(|listening| listening.address == transmit.from);
        let Some(sender) = sender else {
            return;
        };
        if let Err(error) = sender.socket.try_send_to(&transmit.payload, transmit.to) {
            tracing::trace!(%error, "datagram not sent");
        }
    }
}
