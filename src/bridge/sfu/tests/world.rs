//! A network without sockets: an SFU, its clients and a clock that jumps.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use str0m::Input;
use str0m::media::MediaKind;
use str0m::media::Mid;

use super::super::ClientId;
use super::super::PublishAnswer;
use super::super::SfuConfig;
use super::super::SfuEvent;
use super::super::hub::Hub;
use super::client::Client;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamRoomId;
use crate::model::StreamSubscription;
use crate::model::TrackId;
use crate::model::UserId;

/// Everything there is.
pub(super) struct World {
    pub(super) hub: Hub,
    pub(super) now: Instant,
    pub(super) sfu: SocketAddr,
    pub(super) room: StreamRoomId,
    pub(super) clients: Vec<Client>,
    pub(super) events: Vec<SfuEvent>,
    wire: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    wakes: Vec<Instant>,
    /// How often the SFU was woken by its own clock.
    pub(super) woken: usize,
    /// Drops what this says it should, by sender and receiver.
    pub(super) lossy: Box<dyn FnMut(SocketAddr, SocketAddr) -> bool>,
    /// Addresses that the SFU sees instead of those that clients have.
    pub(super) translated: HashMap<SocketAddr, SocketAddr>,
    /// If set, somebody sends a damaged copy of each datagram of a client, under the client's
    /// name and just before it.
    pub(super) forger: Option<StdRng>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(SfuConfig::default())
    }

    pub(super) fn with(config: SfuConfig) -> Self {
        let sfu = SocketAddr::from(([203, 0, 113, 1], 4000));
        Self {
            hub: Hub::new(&config, sfu.port(), vec![sfu], 7).unwrap(),
            now: Instant::now(),
            sfu,
            room: "room".into(),
            clients: Vec::new(),
            events: Vec::new(),
            wire: VecDeque::new(),
            wakes: Vec::new(),
            woken: 0,
            lossy: Box::new(|_, _| false),
            translated: HashMap::new(),
            forger: None,
        }
    }

    /// A new peer connection; answers its index.
    pub(super) fn client(&mut self) -> usize {
        let port = 5000 + u16::try_from(self.clients.len()).unwrap();
        self.clients.push(Client::new(SocketAddr::from(([198, 51, 100, 1], port)), self.now));
        self.wakes.push(self.now);
        self.clients.len() - 1
    }

    pub(super) fn join(&mut self, client: u64) -> StreamId {
        let user = UserId(format!("user{client}"));
        self.hub.join(self.room.clone(), ClientId(client), user).unwrap()
    }

    /// Joins, publishes and waits until connected.
    pub(super) fn publish(&mut self, client: u64, kinds: &[MediaKind], data: bool) -> Published {
        let stream = self.join(client);
        let peer = self.client();
        let (offer, mids) = self.clients[peer].offer(kinds, data);
        let answer =
            self.hub.publish(&self.room.clone(), ClientId(client), &offer, self.now).unwrap();
        assert_eq!(answer.stream_id, stream);
        self.clients[peer].take_answer(&answer.answer_sdp, self.now);
        self.run(Duration::from_millis(500));
        assert!(self.clients[peer].connected_at.is_some(), "publisher connects");
        Published { peer, stream, mids, answer }
    }

    /// Subscribes to whole streams on a new connection and waits until it is up.
    pub(super) fn subscribe(&mut self, client: u64, streams: &[StreamId]) -> Subscribed {
        let add: Vec<_> = streams.iter().map(|stream| whole(*stream)).collect();
        let answer =
            self.hub.subscribe(&self.room.clone(), ClientId(client), &add, self.now).unwrap();
        let peer = self.client();
        // Every other client leaves the DTLS handshake to the SFU.
        self.clients[peer].active = client.is_multiple_of(2);
        let subscribed = Subscribed { client, peer, session: answer.session_id };
        self.answer(&subscribed, &answer.offer.unwrap());
        self.run(Duration::from_millis(500));
        assert!(self.clients[peer].connected_at.is_some(), "subscriber connects");
        subscribed
    }

    pub(super) fn answer(&mut self, subscribed: &Subscribed, offer: &str) {
        let answer = self.clients[subscribed.peer].answer(offer, self.now);
        let client = ClientId(subscribed.client);
        self.hub.accept_offer(client, subscribed.session, &answer, self.now).unwrap();
    }

    pub(super) fn modify(
        &mut self,
        subscribed: &Subscribed,
        add: &[StreamSubscription],
        remove: &[StreamSubscription],
    ) -> Option<String> {
        let client = ClientId(subscribed.client);
        self.hub.modify(&self.room.clone(), client, add, remove, self.now).unwrap().offer
    }

    /// The offer that came by event since the last time, if exactly one did.
    pub(super) fn reoffer(&mut self) -> String {
        self.collect_events();
        let mut offers = Vec::new();
        self.events.retain(|event| match event {
            SfuEvent::Reoffer { offer_sdp, .. } => {
                offers.push(offer_sdp.clone());
                false
            }
            _ => true,
        });
        assert_eq!(offers.len(), 1, "exactly one offer by event");
        offers.remove(0)
    }

    pub(super) fn collect_events(&mut self) {
        while let Some(event) = self.hub.poll_event() {
            self.events.push(event);
        }
    }

    /// Sends a packet on a track and lets it arrive.
    pub(super) fn send(&mut self, published: &Published, track: usize, payload: &[u8]) {
        let since = self.now.elapsed().as_millis();
        let timestamp = u32::try_from(since).unwrap_or(0).wrapping_mul(48);
        let client = &mut self.clients[published.peer];
        client.send(published.mids[track], payload, timestamp, self.now);
        self.run(Duration::from_millis(20));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.exchange();
            let next = self.wakes.iter().copied().chain(self.hub.wake()).min().unwrap_or(end);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.woken += usize::from(self.hub.wake().is_some_and(|at| at <= self.now));
            self.hub.handle_timeout(self.now);
            for (client, wake) in self.clients.iter_mut().zip(&self.wakes) {
                if *wake <= self.now {
                    client.rtc.handle_input(Input::Timeout(self.now)).unwrap();
                }
            }
        }
        self.now = end;
        self.collect_events();
    }

    /// A datagram from anywhere to the SFU.
    pub(super) fn inject(&mut self, from: SocketAddr, data: &[u8]) {
        self.hub.handle_packet(from, data, self.now);
    }

    fn exchange(&mut self) {
        loop {
            while let Some(datagram) = self.hub.poll_datagram() {
                self.wire.push_back((self.sfu, datagram.to, datagram.data.to_vec()));
            }
            for (client, wake) in self.clients.iter_mut().zip(&mut self.wakes) {
                let (out, at) = client.drain(self.now);
                let from = client.address;
                self.wire.extend(out.into_iter().map(|(to, data)| (from, to, data)));
                *wake = at.max(self.now + Duration::from_millis(1));
            }
            if self.wire.is_empty() {
                return;
            }
            while let Some((from, to, data)) = self.wire.pop_front() {
                if (self.lossy)(from, to) {
                    continue;
                }
                let from = self.translated.get(&from).copied().unwrap_or(from);
                let real = self.translated.iter().find(|(_, outside)| **outside == to);
                let to = real.map_or(to, |(inside, _)| *inside);
                if to != self.sfu && self.translated.contains_key(&to) && real.is_none() {
                    // Nobody has this address any more.
                    continue;
                }
                if to == self.sfu {
                    if let Some(dice) = &mut self.forger {
                        let forged = damage(&data, dice);
                        self.hub.handle_packet(from, &forged, self.now);
                    }
                    self.hub.handle_packet(from, &data, self.now);
                } else if let Some(client) = self.clients.iter_mut().find(|c| c.address == to) {
                    client.handle_packet(from, &data, self.now);
                    let (out, _) = client.drain(self.now);
                    self.wire.extend(out.into_iter().map(|(to, data)| (client.address, to, data)));
                }
            }
        }
    }
}

fn damage(data: &[u8], dice: &mut StdRng) -> Vec<u8> {
    let mut damaged = data.to_vec();
    for _ in 0..1 + dice.next_u32() % 3 {
        let at = usize::try_from(dice.next_u32()).unwrap() % damaged.len();
        damaged[at] ^= 1 << (dice.next_u32() % 8);
    }
    damaged.truncate(damaged.len() - usize::try_from(dice.next_u32() % 4).unwrap());
    damaged
}

pub(super) struct Published {
    pub(super) peer: usize,
    pub(super) stream: StreamId,
    pub(super) mids: Vec<Mid>,
    pub(super) answer: PublishAnswer,
}

pub(super) struct Subscribed {
    pub(super) client: u64,
    pub(super) peer: usize,
    pub(super) session: SessionId,
}

/// Every track of a stream.
pub(super) fn whole(stream: StreamId) -> StreamSubscription {
    StreamSubscription { stream_id: stream, stream_track_id: None }
}

/// One track of a stream.
pub(super) fn track(stream: StreamId, mid: &str) -> StreamSubscription {
    StreamSubscription { stream_id: stream, stream_track_id: Some(TrackId::from(mid)) }
}

/// The sections of a description, the session part first.
pub(super) fn sections(sdp: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for line in sdp.lines() {
        if line.starts_with("m=") {
            sections.push(String::new());
        }
        let last = sections.last_mut().unwrap();
        last.push_str(line);
        last.push('\n');
    }
    sections
}
