//! What connections report, and the way of packets and messages from one to the others.

use std::time::Instant;

use str0m::Event;
use str0m::channel::ChannelData;
use str0m::rtp::RtpPacket;

use super::super::channels::Delivery;
use super::super::config::Tapped;
use super::super::handle::SfuEvent;
use super::super::publisher::Leg;
use super::super::record::Recorded;
use super::super::rewrite::Source;
use super::shared::Shared;
use super::state::Role;
use super::state::Room;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::TrackKind;

impl Room {
    /// Reacts to what one connection reports.
    pub(super) fn handle_event(
        &mut self,
        session: SessionId,
        event: Event,
        now: Instant,
        shared: &mut Shared,
    ) {
        match event {
            Event::RtpPacket(packet) => self.forward(session, &packet, shared),
            Event::ChannelData(message) => self.pass_on(session, &message, now, shared),
            Event::Connected => self.handle_connected(session, now, shared),
            Event::KeyframeRequest(request) => {
                let feed = self
                    .subscriber(session)
                    .and_then(|(subscriber, _)| subscriber.feed_of(request.mid))
                    .map(|feed| (feed.publisher, feed.track.clone()));
                self.want_keyframes(feed.into_iter().collect(), now);
            }
            Event::ChannelOpen(id, _) => {
                let Some(peer) = self.peers.get_mut(&session) else { return };
                match &mut peer.role {
                    Role::Publisher(publisher) => publisher.open_channel(&mut peer.connection),
                    Role::Subscriber(subscriber) => {
                        let dropped = subscriber.channels.handle_open(id, &mut peer.connection);
                        shared.stats.dropped_messages += dropped as u64;
                        self.dirty.insert(session);
                    }
                }
            }
            Event::ChannelClose(id) => {
                let Some(peer) = self.peers.get_mut(&session) else { return };
                match &mut peer.role {
                    Role::Publisher(publisher) => publisher.lose_channel(),
                    Role::Subscriber(subscriber) => subscriber.channels.handle_close(id),
                }
            }
            _ => {}
        }
    }

    /// Asks every publisher of video for a keyframe.
    pub(in super::super) fn want_all_keyframes(&mut self) {
        for peer in self.peers.values_mut() {
            if let Role::Publisher(publisher) = &mut peer.role {
                publisher.want_all_keyframes();
            }
        }
    }

    fn handle_connected(&mut self, session: SessionId, now: Instant, shared: &mut Shared) {
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let client = peer.client;
        match &mut peer.role {
            Role::Publisher(publisher) => {
                publisher.announced = true;
                shared.events.push_back(SfuEvent::PublisherConnected {
                    room: self.id.clone(),
                    client,
                    user: publisher.user.clone(),
                    session_id: session,
                    stream: publisher.info(),
                });
            }
            Role::Subscriber(_) => {
                let tracks = self.active_video(session);
                self.want_keyframes(tracks, now);
            }
        }
    }

    /// Sends a publisher's packet to everybody who receives its track.
    fn forward(&mut self, session: SessionId, packet: &RtpPacket, shared: &mut Shared) {
        let bits = shared.limits.video_bits_per_second;
        let Some((publisher, connection)) = self.publisher(session) else { return };
        let stream = publisher.stream;
        let Some((kind, legs)) = publisher.legs(packet, bits, connection) else { return };
        let legs: Vec<Leg> = legs.to_vec();
        shared.stats.packets_in += 1;
        if let Some(tap) = &shared.tap {
            let kind = kind.into();
            tap.call(&Tapped { stream, kind, payload: &packet.payload });
        }
        if let Some(sink) = shared.sinks.get(&self.id)
            && let Some((publisher, _)) = self.publisher(session)
        {
            sink.take(publisher.recorded(session, kind, packet));
        }
        let source = Source { stream: stream.0, session: session.0, ssrc: *packet.header.ssrc };
        for leg in legs {
            let Some((subscriber, connection)) = self.subscriber(leg.session) else { continue };
            if subscriber.forward(leg.line, source, packet, connection) {
                shared.stats.packets_out += 1;
                self.dirty.insert(leg.session);
            }
        }
    }

    /// Sends a publisher's message to everybody who receives its data.
    fn pass_on(
        &mut self,
        session: SessionId,
        message: &ChannelData,
        now: Instant,
        shared: &mut Shared,
    ) {
        // What subscribers say on their own channels is for nobody.
        let Some((publisher, _)) = self.publisher(session) else { return };
        let (stream, listeners) = (publisher.stream, publisher.listeners.clone());
        let user = publisher.user.clone();
        shared.stats.messages_in += 1;
        if message.data.len() > shared.limits.data_message_bytes {
            shared.stats.dropped_messages += 1;
            return;
        }
        if let Some(tap) = &shared.tap {
            tap.call(&Tapped { stream, kind: TrackKind::Data, payload: &message.data });
        }
        if let Some(sink) = shared.sinks.get(&self.id) {
            sink.take(Recorded {
                session,
                stream,
                user,
                kind: TrackKind::Data,
                track: TrackId::default(),
                ssrc: 0,
                arrival: now,
                seq: 0,
                timestamp: 0,
                marker: false,
                payload: message.data.as_slice().into(),
            });
        }
        for listener in listeners {
            self.deliver(listener, stream, message, shared);
        }
    }

    fn deliver(
        &mut self,
        listener: SessionId,
        stream: StreamId,
        message: &ChannelData,
        shared: &mut Shared,
    ) {
        let room_for = shared.limits.data_buffer_bytes;
        let Some((subscriber, connection)) = self.subscriber(listener) else { return };
        let delivery = if subscriber.takes_messages() {
            let (binary, data) = (message.binary, &message.data);
            subscriber.channels.send(stream, binary, data, room_for, connection)
        } else {
            Delivery::Dropped
        };
        match delivery {
            Delivery::Accepted => shared.stats.messages_out += 1,
            Delivery::Dropped => shared.stats.dropped_messages += 1,
        }
        self.dirty.insert(listener);
    }
}
