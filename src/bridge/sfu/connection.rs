//! One peer connection: the WebRTC library behind a fence, and the clock of its life.
//!
//! The fence: a panic or an error of the library, which parses what strangers send, ends this
//! connection and nothing else. The clock: a connection that doesn't come up, or that went
//! away, ends by itself. Candidates of clients are never used: a client is found by its own
//! checks (streams.md §9.9), and nobody can make us send to an address of their choice.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::time::Duration;
use std::time::Instant;

use str0m::Candidate;
use str0m::Event;
use str0m::IceConnectionState;
use str0m::IceCreds;
use str0m::Input;
use str0m::Output;
use str0m::Rtc;
use str0m::RtcConfig;
use str0m::config::DtlsCert;
use str0m::config::Fingerprint;
use str0m::net::DatagramSend;
use str0m::net::Protocol;
use str0m::net::Receive;
use str0m::rtp::Extension;

use super::error::SfuError;
use super::sdp::LocalTransport;
use super::sdp::Setup;

/// How long a connection may take from the exchange of descriptions until it is up.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection that lost its path may take to find one again; the library takes
/// about twenty seconds to notice.
pub(super) const LOST_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that isn't heard for this long may soon give up its path. A shorter outage is best
/// waited out: both sides go on where they were, and sound is back with the first packet.
const QUIET: Duration = Duration::from_secs(11);

/// A client that checks from a new address twice within this time, and isn't heard from the
/// old one meanwhile, has moved. Checks of a path that is only held ready are rarer.
const MOVING: Duration = Duration::from_millis(1200);

/// While a connection comes up, the library is woken this often: its own pace of one check per
/// 50 ms is meant for long lists of candidates, and here there is one pair.
const SETUP_TICK: Duration = Duration::from_millis(5);

/// Setting up is hurried only for this long after the last check from the client.
const SETUP_HURRY: Duration = Duration::from_secs(1);

/// First byte of STUN messages at most, as opposed to DTLS and RTP (RFC 7983).
const LAST_STUN: u8 = 3;

/// No connection is woken more often than this, whatever the library says.
const MIN_SLEEP: Duration = Duration::from_millis(1);

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Endpoint {
    certificate: DtlsCert,
    /// The media port as the library knows it, once per address family.
    labels: [SocketAddr; 2],
    /// The media port as clients know it, best first.
    candidates: Vec<SocketAddr>,
    data_buffer_bytes: usize,
}

impl Endpoint {
    /// Makes the certificate of this run.
    pub(super) fn new(
        port: u16,
        candidates: Vec<SocketAddr>,
        data_buffer_bytes: usize,
    ) -> Result<Self, SfuError> {
        let provider = str0m::crypto::from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate().ok_or(SfuError::Closed)?;
        let labels = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        ];
        Ok(Self { certificate, labels, candidates, data_buffer_bytes })
    }

    /// The library's name for the port on which a datagram from `source` arrived.
    const fn label(&self, source: SocketAddr) -> SocketAddr {
        let [v4, v6] = self.labels;
        if source.is_ipv4() { v4 } else { v6 }
    }
}

/// What a connection has to say.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack for a moment; packets are many")]
pub(super) enum Polled {
    /// Send this.
    Transmit(SocketAddr, DatagramSend),
    /// React to this.
    Event(Event),
    /// Nothing until [`Connection::wake`].
    Wait,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// The other side's description hasn't come yet.
    Waiting {
        until: Instant,
    },
    Connecting {
        until: Instant,
    },
    Up,
    Lost {
        until: Instant,
    },
    Dead,
}

/// One peer connection.
#[derive(Debug)]
pub(super) struct Connection {
    rtc: Rtc,
    life: Life,
    was_up: bool,
    timeout: Instant,
    hurry_until: Instant,
    heard_at: Instant,
    /// Where media goes to.
    home: Option<SocketAddr>,
    /// Where the client checks from instead, and since when.
    rival: Option<(SocketAddr, Instant)>,
    controlling: bool,
}

impl Connection {
    /// A connection to a client that makes the offers (`controlling` false) or answers them.
    pub(super) fn new(endpoint: &Endpoint, controlling: bool, now: Instant) -> Self {
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .set_dtls_cert(endpoint.certificate.clone())
            .set_sctp_max_buffered_amount(endpoint.data_buffer_bytes)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .clear_extension_map()
            .set_extension(1, Extension::AudioLevel)
            .set_extension(2, Extension::AbsoluteSendTime)
            .set_extension(3, Extension::TransportSequenceNumber)
            .set_extension(4, Extension::RtpMid)
            .set_extension(13, Extension::VideoOrientation)
            .build(now);
        for label in endpoint.labels {
            if let Ok(candidate) = Candidate::host(label, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        rtc.direct_api().set_ice_controlling(controlling);
        let life = Life::Waiting { until: now + CONNECT_TIMEOUT };
        Self {
            rtc,
            life,
            was_up: false,
            timeout: now,
            hurry_until: now,
            heard_at: now,
            home: None,
            rival: None,
            controlling,
        }
    }

    /// Works on the library within the fence; `None` if the connection is or becomes dead.
    pub(super) fn run<T>(&mut self, work: impl FnOnce(&mut Rtc) -> T) -> Option<T> {
        if self.life == Life::Dead {
            return None;
        }
        let rtc = &mut self.rtc;
        // After a panic the library's state is never looked at again.
        let done = catch_unwind(AssertUnwindSafe(|| work(rtc)));
        if done.is_err() {
            self.life = Life::Dead;
        }
        done.ok()
    }

    /// The other side's description has come: from now on the connection must come up.
    pub(super) fn expect(&mut self, now: Instant) {
        if matches!(self.life, Life::Waiting { .. }) {
            self.life = Life::Connecting { until: now + CONNECT_TIMEOUT };
            self.hurry_until = now + SETUP_HURRY;
        }
    }

    /// The client was asked, or has asked, to find a path anew: it gets the time for it.
    pub(super) fn expect_path(&mut self, now: Instant, restarted: bool) {
        if restarted && self.life == Life::Up || matches!(self.life, Life::Lost { .. }) {
            self.life = Life::Lost { until: now + LOST_TIMEOUT };
        }
        self.hurry_until = now + SETUP_HURRY;
    }

    /// It was up, and nothing comes from the client any more.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.is_up() && now.saturating_duration_since(self.heard_at) >= QUIET
    }

    /// Ends the connection without another word.
    pub(super) const fn fail(&mut self) {
        self.life = Life::Dead;
    }

    /// The connection has ended.
    pub(super) fn is_dead(&self) -> bool {
        self.life == Life::Dead
    }

    /// ICE and DTLS are up.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.life, Life::Up | Life::Lost { .. })
    }

    /// Whether a STUN message is authentic and meant for this connection.
    pub(super) fn accepts(&mut self, endpoint: &Endpoint, from: SocketAddr, data: &[u8]) -> bool {
        let now = self.timeout;
        let accepted = self.run(|rtc| {
            receive(endpoint, from, data)
                .is_some_and(|received| rtc.accepts(&Input::Receive(now, received)))
        });
        accepted.unwrap_or(false)
    }

    /// Takes a datagram; `is_check` if it is an authentic check of the client's path to us.
    pub(super) fn handle_packet(
        &mut self,
        endpoint: &Endpoint,
        from: SocketAddr,
        data: &[u8],
        is_check: bool,
        now: Instant,
    ) {
        if matches!(self.life, Life::Connecting { .. } | Life::Lost { .. }) {
            self.hurry_until = now + SETUP_HURRY;
        }
        self.heard_at = now;
        self.watch_path(from, is_check, now);
        let done = self.run(|rtc| {
            receive(endpoint, from, data)
                .map_or(Ok(()), |received| rtc.handle_input(Input::Receive(now, received)))
        });
        // Nothing that arrives, forged or not, ends the connection unless the library says so.
        if let Some(Err(error)) = done {
            tracing::debug!(%error, "media connection refuses a datagram");
        }
    }

    /// Notices that the client has another address than before, as behind an address translator
    /// that was restarted. The library would send to the old one for another 20 s.
    fn watch_path(&mut self, from: SocketAddr, is_check: bool, now: Instant) {
        if self.home == Some(from) {
            self.rival = None;
        }
        // A client that is in control says by itself which path to use.
        let Some(home) =
            self.home.filter(|home| is_check && self.controlling && self.is_up() && *home != from)
        else {
            return;
        };
        match self.rival {
            Some((rival, since))
                if rival == from && now.saturating_duration_since(since) <= MOVING =>
            {
                self.rival = None;
                let gone = format!("candidate:1 1 udp 1 {} {} typ prflx", home.ip(), home.port());
                self.run(|rtc| {
                    let gone = Candidate::from_sdp_string(&gone).ok();
                    gone.is_some_and(|gone| rtc.direct_api().invalidate_candidate(&gone))
                });
            }
            _ => self.rival = Some((from, now)),
        }
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self.life {
            Life::Waiting { until } | Life::Connecting { until } | Life::Lost { until }
                if now >= until =>
            {
                self.fail();
            }
            _ => {}
        }
        if let Some(Err(error)) = self.run(|rtc| rtc.handle_input(Input::Timeout(now))) {
            tracing::debug!(%error, "media connection failed");
            self.fail();
        }
    }

    /// The next thing to do. To be called until it answers [`Polled::Wait`].
    pub(super) fn poll(&mut self, now: Instant) -> Polled {
        loop {
            match self.run(Rtc::poll_output) {
                None => return Polled::Wait,
                Some(Ok(Output::Transmit(t))) => {
                    if t.contents.first().is_some_and(|first| *first > LAST_STUN) {
                        self.home = Some(t.destination);
                    }
                    return Polled::Transmit(t.destination, t.contents);
                }
                Some(Ok(Output::Event(event))) => {
                    self.follow(&event, now);
                    return Polled::Event(event);
                }
                Some(Ok(Output::Timeout(at))) => {
                    let searching =
                        matches!(self.life, Life::Connecting { .. } | Life::Lost { .. });
                    let hurried = searching && now < self.hurry_until;
                    let latest = if hurried { now + SETUP_TICK } else { at };
                    self.timeout = at.min(latest).max(now + MIN_SLEEP);
                    if !self.rtc.is_alive() {
                        self.fail();
                    }
                    return Polled::Wait;
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "media connection failed");
                    self.fail();
                }
            }
        }
    }

    fn follow(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Connected => {
                self.was_up = true;
                self.life = Life::Up;
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected)
                if self.life == Life::Up =>
            {
                self.life = Life::Lost { until: now + LOST_TIMEOUT };
            }
            Event::IceConnectionStateChange(
                IceConnectionState::Connected | IceConnectionState::Completed,
            ) if self.was_up && matches!(self.life, Life::Lost { .. }) => self.life = Life::Up,
            Event::Closed => self.fail(),
            _ => {}
        }
    }

    /// When to call [`Self::handle_timeout`] next; `None` for a dead connection.
    pub(super) fn wake(&self) -> Option<Instant> {
        match self.life {
            Life::Dead => None,
            Life::Waiting { until } | Life::Connecting { until } | Life::Lost { until } => {
                Some(self.timeout.min(until))
            }
            Life::Up => Some(self.timeout),
        }
    }

    /// Says goodbye; what is left to send follows from [`Self::poll`].
    pub(super) fn close(&mut self) {
        if let Some(Err(error)) = self.run(Rtc::close) {
            tracing::debug!(%error, "media connection closes badly");
        }
    }

    /// Our user name and password for ICE.
    pub(super) fn credentials(&mut self) -> IceCreds {
        self.rtc.direct_api().local_ice_credentials()
    }

    /// Takes a new user name and password for ICE; the client learns them by the next offer.
    pub(super) fn renew_credentials(&mut self) {
        self.run(|rtc| rtc.direct_api().set_local_ice_credentials(IceCreds::new()));
    }

    /// Our side as written into descriptions.
    pub(super) fn local<'a>(&mut self, endpoint: &'a Endpoint, setup: Setup) -> LocalTransport<'a> {
        let api = self.rtc.direct_api();
        let fingerprint: Fingerprint = api.local_dtls_fingerprint().clone();
        LocalTransport {
            credentials: api.local_ice_credentials(),
            fingerprint,
            setup,
            candidates: &endpoint.candidates,
        }
    }
}

fn receive<'a>(endpoint: &Endpoint, from: SocketAddr, data: &'a [u8]) -> Option<Receive<'a>> {
    Receive::new(Protocol::Udp, from, endpoint.label(from), data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_library_ends_the_connection_and_nothing_else() {
        let now = Instant::now();
        let candidates = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 4000))];
        let endpoint = Endpoint::new(4000, candidates, 1000).unwrap();
        let mut connection = Connection::new(&endpoint, false, now);
        assert_eq!(connection.run(|_| 1), Some(1));
        assert!(connection.run(|_| -> u8 { panic!("on purpose") }).is_none());
        assert!(connection.is_dead());
        assert_eq!(connection.run(|_| 1), None);
        assert!(matches!(connection.poll(now), Polled::Wait));
        assert_eq!(connection.wake(), None);
    }
}
