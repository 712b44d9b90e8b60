//! Which events a session wants: the query language and what a query matches
//! (transport.md 11.3, streams.md 4.3).

use std::fmt;
use std::str::FromStr;

use crate::wire::dto::is_channel;
use crate::wire::dto::stream_room::ROOM_TYPE;

/// A subscription query: a channel path and conditions on the event's target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    path: String,
    selector: Option<(Selector, String)>,
    container_type: Option<String>,
}

/// Which id of the target a query names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The context.
    Context,
    /// The container: a room.
    Container,
    /// An item inside the container.
    Item,
}

/// A text that is not a query. The server answers it with INVALID_PARAMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subscription query")]
pub struct QueryError;

/// What an event is about, as far as queries can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Such as `streamroom/update`.
    pub channel: String,
    /// The context.
    pub context_id: String,
    /// The room, if it is about one.
    pub container_id: Option<String>,
    /// The item, if it is about one.
    pub item_id: Option<String>,
    /// The type of the room, if it is about one that has a type.
    pub container_type: Option<String>,
}

/// Which rule for paths applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// The path is the channel or ends at one of its slashes (bridge 3.0).
    #[default]
    Segments,
    /// The path is how the channel's text starts (bridge 2.42).
    Prefix,
}

/// The events about streams that the official library offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the official interface")]
pub enum StreamEvent {
    RoomCreate,
    RoomUpdate,
    RoomDelete,
    StreamJoin,
    StreamLeave,
    StreamPublish,
    StreamUnpublish,
}

/// The events about contexts that the official library offers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the official interface")]
pub enum ContextEvent {
    UserAdd,
    UserRemove,
    UserStatus,
    /// Custom events on a channel of this name.
    Custom(String),
}

impl Query {
    /// Everything on `path`.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if `path` is empty or contains what a path must not.
    pub fn new(path: impl Into<String>) -> Result<Self, QueryError> {
        let path = path.into();
        if !is_channel(&path) || path.contains('|') {
            return Err(QueryError);
        }
        Ok(Self { path, selector: None, container_type: None })
    }

    /// Limits the query to one context, room or item.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if `id` cannot stand in a query.
    pub fn with(mut self, selector: Selector, id: &str) -> Result<Self, QueryError> {
        self.selector = Some((selector, option_value(id)?.to_owned()));
        self.checked()
    }

    /// Limits the query to containers of one type.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if `container_type` cannot stand in a query.
    pub fn with_type(mut self, container_type: &str) -> Result<Self, QueryError> {
        self.container_type = Some(option_value(container_type)?.to_owned());
        self.checked()
    }

    /// Events about rooms and their streams, as an application asks for them. What goes to
    /// the server is [`Query::for_streams`] of it.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the event cannot be limited like this, or `id` cannot stand in a
    /// query.
    pub fn stream(event: StreamEvent, selector: Selector, id: &str) -> Result<Self, QueryError> {
        let only_contexts = event == StreamEvent::RoomCreate;
        match selector {
            Selector::Context => {}
            Selector::Container if !only_contexts => {}
            Selector::Container | Selector::Item => return Err(QueryError),
        }
        Self::new(event.path())?.with(selector, id)
    }

    /// Events about the users of a context.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the id or the name cannot stand in a query.
    pub fn context(event: &ContextEvent, context_id: &str) -> Result<Self, QueryError> {
        let path = match event {
            ContextEvent::UserAdd => "context/userAdded".to_owned(),
            ContextEvent::UserRemove => "context/userRemoved".to_owned(),
            ContextEvent::UserStatus => "context/userStatus".to_owned(),
            ContextEvent::Custom(name) => format!("context/custom/{name}"),
        };
        Self::new(path)?.with(Selector::Context, context_id)
    }

    /// Custom events as the interface of the official library names them:
    /// `event/custom/NAME`.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if this query is not of that form.
    pub fn for_custom_events(mut self) -> Result<Self, QueryError> {
        let name = self.path.strip_prefix("event/custom/").filter(|name| !name.is_empty());
        self.path = format!("context/custom/{}", name.ok_or(QueryError)?);
        match self.selector {
            Some((Selector::Context, _)) if self.container_type.is_none() => self.checked(),
            _ => Err(QueryError),
        }
    }

    /// The query that goes to the server for one that an application passed to the stream
    /// module: with the container type of rooms.
    ///
    /// # Errors
    ///
    /// [`QueryError`] unless the path has two or three segments, begins with `streamroom`,
    /// and exactly one id is given.
    pub fn for_streams(self) -> Result<Self, QueryError> {
        let mut segments = self.path.split('/');
        let module = segments.next();
        let rest = segments.count();
        let legal = module == Some("streamroom") && (1..=2).contains(&rest);
        if !legal || self.selector.is_none() || self.container_type.is_some() {
            return Err(QueryError);
        }
        self.with_type(ROOM_TYPE)
    }

    /// What the official stream module subscribes to by itself when it starts.
    #[must_use]
    pub fn internal() -> Self {
        Self::fixed("streamroom/internal")
    }

    /// What a client should subscribe to before it joins a room: everything about the room
    /// from either generation, and the marker by which a server with both generations
    /// recognises the newer client (streams.md 4.3 and 8.4).
    ///
    /// # Errors
    ///
    /// [`QueryError`] if `room` cannot stand in a query.
    pub fn for_joining(room: &str) -> Result<Vec<Self>, QueryError> {
        const PATHS: [&str; 8] = [
            "streamroom/update",
            "streamroom/delete",
            "streamroom/join",
            "streamroom/leave",
            "streamroom/streams",
            "streamroom/subscribers",
            "streamroom/internal",
            "streamroom/internal/reoffer",
        ];
        let queries =
            PATHS.into_iter().map(|path| Self::fixed(path).with(Selector::Container, room));
        queries.collect()
    }

    /// The channel path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The id that the query is limited to.
    #[must_use]
    pub fn selector(&self) -> Option<(Selector, &str)> {
        self.selector.as_ref().map(|(selector, id)| (*selector, id.as_str()))
    }

    /// The container type that the query is limited to.
    #[must_use]
    pub fn container_type(&self) -> Option<&str> {
        self.container_type.as_deref()
    }

    /// Whether an event about `target` is wanted. Who may see the event at all is another
    /// question.
    #[must_use]
    pub fn matches(&self, target: &Target, matching: Matching) -> bool {
        let Some(rest) = target.channel.strip_prefix(self.path.as_str()) else { return false };
        let path = match matching {
            Matching::Prefix => true,
            Matching::Segments => rest.is_empty() || rest.starts_with('/'),
        };
        path && self.matches_id(target) && self.matches_type(target)
    }

    fn matches_id(&self, target: &Target) -> bool {
        let Some((selector, wanted)) = &self.selector else { return true };
        let id = match selector {
            Selector::Context => return *wanted == target.context_id,
            Selector::Container => &target.container_id,
            Selector::Item => &target.item_id,
        };
        id.as_ref().is_none_or(|id| id == wanted)
    }

    fn matches_type(&self, target: &Target) -> bool {
        self.container_type.is_none() || self.container_type == target.container_type
    }

    fn fixed(path: &str) -> Self {
        Self { path: path.to_owned(), selector: None, container_type: None }
    }

    fn checked(self) -> Result<Self, QueryError> {
        if is_channel(&self.to_string()) { Ok(self) } else { Err(QueryError) }
    }
}

impl StreamEvent {
    const fn path(self) -> &'static str {
        match self {
            Self::RoomCreate => "streamroom/create",
            Self::RoomUpdate => "streamroom/update",
            Self::RoomDelete => "streamroom/delete",
            Self::StreamJoin => "streamroom/streams/join",
            Self::StreamLeave => "streamroom/streams/leave",
            Self::StreamPublish => "streamroom/streams/publish",
            Self::StreamUnpublish => "streamroom/streams/unpublish",
        }
    }
}

impl Selector {
    const fn key(self) -> &'static str {
        match self {
            Self::Context => "contextId",
            Self::Container => "containerId",
            Self::Item => "itemId",
        }
    }
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let Some((path, options)) = text.split_once('|') else { return Self::new(text) };
        let mut query = Self::new(path)?;
        for option in options.split(',') {
            let (key, value) = option.split_once('=').ok_or(QueryError)?;
            let selector = match key {
                "contextId" => Selector::Context,
                "containerId" => Selector::Container,
                "itemId" => Selector::Item,
                "containerType" if query.container_type.is_none() => {
                    query = query.with_type(value)?;
                    continue;
                }
                _ => return Err(QueryError),
            };
            if query.selector.is_some() {
                return Err(QueryError);
            }
            query = query.with(selector, value)?;
        }
        Ok(query)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        let mut separator = '|';
        if let Some((selector, id)) = &self.selector {
            write!(f, "{separator}{}={id}", selector.key())?;
            separator = ',';
        }
        if let Some(container_type) = &self.container_type {
            write!(f, "{separator}containerType={container_type}")?;
        }
        Ok(())
    }
}

/// A value that will be read back as it was written.
fn option_value(value: &str) -> Result<&str, QueryError> {
    if is_channel(value) && !value.contains(['|', ',', '=']) { Ok(value) } else { Err(QueryError) }
}
