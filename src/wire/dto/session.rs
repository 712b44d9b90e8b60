//! Calls without a namespace: the session itself and its subscriptions.

use serde::Deserialize;
use serde::Serialize;

use super::Call;
use super::Done;
use super::Invalid;
use super::limit;

/// Most channels of one call, and of one session.
pub const CHANNELS_MAX: usize = 128;

/// `ping`: answered without a session, even in plaintext.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {}

/// `logout`: ends the session and all its tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {}

/// `authorizeWebSocket`: binds the session to this socket, so that it receives events.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorizeWebSocket {
    /// Base64 of the 32 bytes that notifications will be sealed with.
    pub key: String,
    /// Whether notifications shall carry the channel id; lets several sessions share a socket.
    pub add_ws_channel_id: bool,
}

/// The answer to [`AuthorizeWebSocket`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebSocketAuthorized {
    /// What this session's notifications will start with.
    pub ws_channel_id: i64,
}

/// `unauthorizeWebSocket`: takes the session off this socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnauthorizeWebSocket {}

/// `subscribeToChannels`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscribeToChannels {
    /// Subscription queries.
    pub channels: Vec<String>,
}

/// The answer to [`SubscribeToChannels`], in the order of the channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// One per channel.
    pub subscriptions: Vec<Subscription>,
}

/// A subscription as the server keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Named by events that match.
    pub subscription_id: String,
    /// The query, letter by letter.
    pub channel: String,
}

/// `unsubscribeFromChannels`; unknown ids are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnsubscribeFromChannels {
    /// Which subscriptions to end.
    pub subscriptions_ids: Vec<String>,
}

/// `subscribeToChannel`: the older form for one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscribeToChannel {
    /// A subscription query.
    pub channel: String,
}

/// The answer to [`SubscribeToChannel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribedToChannel {
    /// Named by events that match.
    pub subscription_id: String,
}

/// `unsubscribeFromChannel`: the older form for one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsubscribeFromChannel {
    /// The query that was subscribed to.
    pub channel: String,
}

impl std::fmt::Debug for AuthorizeWebSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizeWebSocket")
            .field("key", &"[secret]")
            .field("add_ws_channel_id", &self.add_ws_channel_id)
            .finish()
    }
}

impl Call for Ping {
    const METHOD: &'static str = "ping";
    type Answer = String;
}

impl Call for Logout {
    const METHOD: &'static str = "logout";
    type Answer = Done;
}

impl Call for AuthorizeWebSocket {
    const METHOD: &'static str = "authorizeWebSocket";
    type Answer = WebSocketAuthorized;

    fn validate(&self) -> Result<(), Invalid> {
        limit::key_text("key", &self.key)
    }
}

impl Call for UnauthorizeWebSocket {
    const METHOD: &'static str = "unauthorizeWebSocket";
    type Answer = Done;
}

impl Call for SubscribeToChannels {
    const METHOD: &'static str = "subscribeToChannels";
    type Answer = Subscribed;

    fn validate(&self) -> Result<(), Invalid> {
        let many = "must have at most 128 entries";
        limit::at_most("channels", self.channels.len(), CHANNELS_MAX, many)?;
        self.channels.iter().try_for_each(|channel| limit::channel("channels", channel))
    }
}

impl Call for UnsubscribeFromChannels {
    const METHOD: &'static str = "unsubscribeFromChannels";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::ids("subscriptionsIds", &self.subscriptions_ids)
    }
}

impl Call for SubscribeToChannel {
    const METHOD: &'static str = "subscribeToChannel";
    type Answer = SubscribedToChannel;

    fn validate(&self) -> Result<(), Invalid> {
        limit::channel("channel", &self.channel)
    }
}

impl Call for UnsubscribeFromChannel {
    const METHOD: &'static str = "unsubscribeFromChannel";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::channel("channel", &self.channel)
    }
}
