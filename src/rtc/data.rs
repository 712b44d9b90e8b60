//! Sending on the data channel.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::error::RtcError;

/// Label of the one channel of a publisher, and of the bootstrap channel of a subscriber.
pub const CHANNEL_LABEL: &str = "JanusDataChannel";
/// Longest message, in bytes: what every SFU and browser is known to carry (streams.md §10.5).
pub const MAX_MESSAGE: usize = 16 * 1024;

/// The sending end of a publisher's data channel. Messages arrive in order, or not at all if
/// the connection ends.
#[derive(Clone, Debug)]
pub struct DataSink {
    pub(super) messages: mpsc::Sender<Bytes>,
}

impl DataSink {
    /// Queues one message; waits while the queue is full, and the queue waits for the channel
    /// to open.
    ///
    /// # Errors
    ///
    /// - [`RtcError::MessageTooLarge`] beyond [`MAX_MESSAGE`] bytes.
    /// - [`RtcError::Closed`] once the publisher is closed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has queued nothing.
    pub async fn send(&self, message: Bytes) -> Result<(), RtcError> {
        check(&message)?;
        self.messages.send(message).await.map_err(|_| RtcError::Closed)
    }

    /// Queues one message if there is room now.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`RtcError::QueueFull`].
    pub fn try_send(&self, message: Bytes) -> Result<(), RtcError> {
        check(&message)?;
        self.messages.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RtcError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => RtcError::Closed,
        })
    }
}

const fn check(message: &Bytes) -> Result<(), RtcError> {
    if message.len() > MAX_MESSAGE {
        return Err(RtcError::MessageTooLarge { size: message.len(), max: MAX_MESSAGE });
    }
    Ok(())
}
