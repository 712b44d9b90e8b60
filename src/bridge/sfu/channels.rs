//! The data channels of a subscriber's connection (streams.md §10.5).
//!
//! A channel is opened when the first message of a stream is there to be sent, and is named
//! after the stream. Channels that the client makes are accepted and ignored. What a slow
//! client doesn't take in time is dropped.

use std::collections::HashMap;

use str0m::channel::ChannelConfig;
use str0m::channel::ChannelId;

use super::connection::Connection;
use crate::model::StreamId;

/// Data channels that a client may keep open; the official ones open one more at each answer.
const MAX_CLIENT_CHANNELS: usize = 2048;

/// The channels of one connection.
#[derive(Debug, Default)]
pub(super) struct Channels {
    ours: HashMap<StreamId, Channel>,
    theirs: usize,
}

#[derive(Debug)]
enum Channel {
    /// Messages wait for the client to accept the channel.
    Opening {
        id: ChannelId,
        waiting: Vec<(bool, Vec<u8>)>,
        bytes: usize,
    },
    Open {
        id: ChannelId,
    },
}

impl Channel {
    const fn waiting_bytes(&self) -> usize {
        match self {
            Self::Opening { bytes, .. } => *bytes,
            Self::Open { .. } => 0,
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Sent on, or waiting for its channel.
    Accepted,
    /// The subscriber is too slow, or not there yet.
    Dropped,
}

impl Channels {
    /// Closes the channel of a stream id that won't come back.
    pub(super) fn close(&mut self, stream: StreamId, connection: &mut Connection) {
        if let Some(Channel::Open { id } | Channel::Opening { id, .. }) = self.ours.remove(&stream)
        {
            connection.run(|rtc| rtc.direct_api().close_data_channel(id));
        }
    }

    /// Sends a message of `stream`, opening its channel if this is the first one.
    pub(super) fn send(
        &mut self,
        stream: StreamId,
        binary: bool,
        message: &[u8],
        max_waiting: usize,
        connection: &mut Connection,
    ) -> Delivery {
        if !connection.is_up() {
            return Delivery::Dropped;
        }
        if let Some(Channel::Open { id }) = self.ours.get(&stream) {
            return write(*id, binary, message, connection);
        }
        let waiting: usize = self.ours.values().map(Channel::waiting_bytes).sum();
        if waiting + message.len() > max_waiting {
            return Delivery::Dropped;
        }
        let kept = (binary, message.to_vec());
        if let Some(Channel::Opening { waiting, bytes, .. }) = self.ours.get_mut(&stream) {
            *bytes += message.len();
            waiting.push(kept);
            return Delivery::Accepted;
        }
        let config = ChannelConfig { label: stream.to_string(), ..Default::default() };
        let created = connection.run(|rtc| rtc.direct_api().create_data_channel(config));
        let Some(id) = created else { return Delivery::Dropped };
        let channel = Channel::Opening { id, waiting: vec![kept], bytes: message.len() };
        self.ours.insert(stream, channel);
        Delivery::Accepted
    }

    /// A data channel is open: one of ours, whose messages now leave, or one that the client
    /// made and that is ignored. Answers how many messages were dropped.
    pub(super) fn handle_open(&mut self, id: ChannelId, connection: &mut Connection) -> usize {
        let ours = self
            .ours
            .values_mut()
            .find(|channel| matches!(channel, Channel::Opening { id: known, .. } if *known == id));
        let Some(channel) = ours else {
            self.theirs += 1;
            if self.theirs > MAX_CLIENT_CHANNELS {
                tracing::debug!("subscriber opens too many data channels");
                connection.fail();
            }
            return 0;
        };
        let opened = std::mem::replace(channel, Channel::Open { id });
        let Channel::Opening { waiting, .. } = opened else { return 0 };
        let sent = waiting.iter().map(|(binary, message)| write(id, *binary, message, connection));
        sent.filter(|delivery| *delivery == Delivery::Dropped).count()
    }

    /// A data channel was closed; the next message of its stream opens a new one.
    pub(super) fn handle_close(&mut self, id: ChannelId) {
        let before = self.ours.len();
        self.ours.retain(|_, channel| {
            let (Channel::Open { id: known } | Channel::Opening { id: known, .. }) = channel;
            *known != id
        });
        if self.ours.len() == before {
            self.theirs = self.theirs.saturating_sub(1);
        }
    }
}

fn write(id: ChannelId, binary: bool, message: &[u8], connection: &mut Connection) -> Delivery {
    let written = connection.run(|rtc| match rtc.channel(id) {
        Some(mut channel) => channel.write(binary, message),
        None => Ok(false),
    });
    match written {
        Some(Ok(true)) => Delivery::Accepted,
        _ => Delivery::Dropped,
    }
}
