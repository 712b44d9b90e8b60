//! Texts of event subscriptions (streams.md §4.3, transport.md §11.3 and §11.4).

use crate::model::ContextId;
use crate::model::StreamRoomId;
use crate::wire::subscription::Query;

use super::error::ApiError;

/// What about rooms and streams an application can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEventType {
    /// A room was created. Only for a whole Context.
    RoomCreate,
    /// A room was updated.
    RoomUpdate,
    /// A room was deleted.
    RoomDelete,
    /// Somebody entered a room.
    Join,
    /// Somebody left a room.
    Leave,
    /// A stream was published.
    Publish,
    /// A stream was withdrawn.
    Unpublish,
    /// The tracks of a stream changed.
    Update,
    /// Somebody subscribed to streams.
    Subscribe,
    /// Somebody unsubscribed from streams.
    Unsubscribe,
    /// A room begins or ceases to be recorded. Only our own bridge tells.
    Recording,
    /// All of join, leave, publish, unpublish and update.
    Streams,
}

/// What an event subscription is limited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSelector {
    /// Everything in a Context.
    Context(ContextId),
    /// Everything about one room.
    StreamRoom(StreamRoomId),
}

/// What about a Context an application can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextEventType {
    /// A user was added.
    UserAdded,
    /// A user was removed.
    UserRemoved,
    /// A user came online or went offline.
    UserStatus,
    /// Custom events on a channel of this name.
    Custom(String),
}

impl StreamEventType {
    /// The channels to subscribe to. Joins and leaves have one name per bridge generation.
    const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::RoomCreate => &["streamroom/create"],
            Self::RoomUpdate => &["streamroom/update"],
            Self::RoomDelete => &["streamroom/delete"],
            Self::Join => &["streamroom/join", "streamroom/streams/join"],
            Self::Leave => &["streamroom/leave", "streamroom/streams/leave"],
            Self::Publish => &["streamroom/streams/publish"],
            Self::Unpublish => &["streamroom/streams/unpublish"],
            Self::Update => &["streamroom/streams/update", "streamroom/update"],
            Self::Subscribe => &["streamroom/subscribers/subscribe"],
            Self::Unsubscribe => &["streamroom/subscribers/unsubscribe"],
            Self::Recording => &["streamroom/streams/recording"],
            Self::Streams => &["streamroom/streams", "streamroom/join", "streamroom/leave"],
        }
    }
}

/// The query texts that bring events of `event` about `selector` from either generation of
/// bridge: one or more, to be passed to `subscribe_for` together.
///
/// # Errors
///
/// [`ApiError::Invalid`] for room creation limited to one room, which makes no sense, and
/// for ids that can't stand in a query.
pub fn stream_queries(
    event: StreamEventType,
    selector: &EventSelector,
) -> Result<Vec<String>, ApiError> {
    let (key, id) = match selector {
        EventSelector::Context(id) => ("contextId", id.as_str()),
        EventSelector::StreamRoom(_) if event == StreamEventType::RoomCreate => {
            return Err(ApiError::Invalid {
                what: "selector",
                reason: "a room that is being created has no id yet; select a Context".to_owned(),
            });
        }
        EventSelector::StreamRoom(id) => ("containerId", id.as_str()),
    };
    check_id(id)?;
    Ok(event.paths().iter().map(|path| format!("{path}|{key}={id}")).collect())
}

/// The query text that brings events of `event` in `context`.
///
/// # Errors
///
/// [`ApiError::Invalid`] for names that can't stand in a query.
pub fn context_query(event: &ContextEventType, context: &ContextId) -> Result<String, ApiError> {
    check_id(context.as_str())?;
    let path = match event {
        ContextEventType::UserAdded => "context/userAdded".to_owned(),
        ContextEventType::UserRemoved => "context/userRemoved".to_owned(),
        ContextEventType::UserStatus => "context/userStatus".to_owned(),
        ContextEventType::Custom(name) => {
            check_name(name)?;
            format!("context/custom/{name}")
        }
    };
    Ok(format!("{path}|contextId={context}"))
}

/// The query text that brings messages on the custom channel `name` of one room, or of all
/// rooms of a Context.
///
/// # Errors
///
/// [`ApiError::Invalid`] for names and ids that can't stand in a query.
pub fn room_event_query(name: &str, selector: &EventSelector) -> Result<String, ApiError> {
    check_name(name)?;
    let (key, id) = match selector {
        EventSelector::Context(id) => ("contextId", id.as_str()),
        EventSelector::StreamRoom(id) => ("containerId", id.as_str()),
    };
    check_id(id)?;
    Ok(format!("stream/custom/{name}|{key}={id}"))
}

/// What goes to the bridge for a query of the application.
pub(super) fn to_channel(query: &str) -> String {
    if query.starts_with("streamroom/") && !query.contains("containerType=") {
        let separator = if query.contains('|') { ',' } else { '|' };
        return format!("{query}{separator}containerType=stream");
    }
    query
        .strip_prefix("event/custom/")
        .map_or_else(|| query.to_owned(), |rest| format!("context/custom/{rest}"))
}

/// What the client itself subscribes to while it is in a room, whatever the application
/// wants to hear of it: both generations' names, and the marker that makes a server that
/// speaks both choose the newer one (streams.md §8.4).
pub(super) fn room_channels(room: &StreamRoomId) -> Result<Vec<String>, ApiError> {
    check_id(room.as_str())?;
    let queries = Query::for_joining(room.as_str());
    let queries =
        queries.map_err(|error| ApiError::Invalid { what: "id", reason: error.to_string() })?;
    Ok(queries.iter().map(Query::to_string).collect())
}

fn check_id(id: &str) -> Result<(), ApiError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_:-".contains(c);
    if (1..=128).contains(&id.len()) && id.chars().all(fits) {
        return Ok(());
    }
    Err(ApiError::Invalid { what: "id", reason: format!("{id:?} cannot stand in a query") })
}

/// Checks the name of a custom channel.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_:-".contains(c);
    if (1..=256).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(ApiError::Invalid { what: "channel", reason: format!("{name:?} is not a channel name") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_name_both_generations() {
        let room = EventSelector::StreamRoom("R".into());
        let context = EventSelector::Context("C".into());
        assert_eq!(
            stream_queries(StreamEventType::Join, &room).unwrap(),
            ["streamroom/join|containerId=R", "streamroom/streams/join|containerId=R"]
        );
        assert_eq!(
            stream_queries(StreamEventType::RoomCreate, &context).unwrap(),
            ["streamroom/create|contextId=C"]
        );
        assert!(stream_queries(StreamEventType::RoomCreate, &room).is_err());
        let bad = EventSelector::Context("a|b".into());
        assert!(stream_queries(StreamEventType::Join, &bad).is_err());
    }

    #[test]
    fn channels_carry_the_container_type() {
        let cases = [
            ("streamroom/update|contextId=C", "streamroom/update|contextId=C,containerType=stream"),
            ("streamroom/internal", "streamroom/internal|containerType=stream"),
            ("context/userAdded|contextId=C", "context/userAdded|contextId=C"),
            ("event/custom/a|contextId=C", "context/custom/a|contextId=C"),
        ];
        for (query, channel) in cases {
            assert_eq!(to_channel(query), channel, "{query}");
        }
    }
}
