//! What services take and give: the caller, the outcome and what is to be told to whom.

use serde_json::Value;

use super::query::Filter;
use crate::bridge::sfu::ClientId;
use crate::model::ContextId;
use crate::model::SolutionId;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// Who is calling: a key, seen through a Solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Base58 of the key that logged in.
    pub pub_key: String,
    /// Only Contexts of this Solution are visible; `None` shows all.
    pub solution: Option<SolutionId>,
}

/// The result of a call before anything of it is sent.
#[derive(Debug)]
pub struct Outcome<T = Value> {
    /// What the caller gets.
    pub reply: T,
    /// Whom to tell what, after the reply.
    pub notify: Vec<Notice>,
    /// What the media plane has to do.
    pub media: Vec<MediaCommand>,
}

impl<T> Outcome<T> {
    /// An outcome that concerns nobody but the caller.
    pub const fn quiet(reply: T) -> Self {
        Self { reply, notify: Vec::new(), media: Vec::new() }
    }

    /// The same outcome with another reply.
    pub fn map<U>(self, reply: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome { reply: reply(self.reply), notify: self.notify, media: self.media }
    }
}

/// Live media that must end because the right to it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaCommand {
    /// These keys may no longer take part in this room.
    EjectFromRoom {
        /// The room.
        room: StreamRoomId,
        /// Their public keys.
        pub_keys: Vec<String>,
    },
    /// This key may no longer take part in any room of this Context.
    EjectFromContext {
        /// The Context.
        context: ContextId,
        /// The public key.
        pub_key: String,
    },
    /// Nobody who sees this Context through this Solution may take part in any room of it.
    EjectFromSolution {
        /// The Context.
        context: ContextId,
        /// The Solution that is no longer among its shares.
        solution: SolutionId,
    },
    /// Nobody may take part in this room.
    EndRoom(StreamRoomId),
}

/// Where an event happens; subscriptions are matched against it (transport.md 11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Channel path, such as `streamroom/create`.
    pub channel: String,
    /// The Context.
    pub context: ContextId,
    /// The room, if the event belongs to one.
    pub container: Option<StreamRoomId>,
    /// Its type.
    pub container_type: Option<String>,
}

impl Target {
    /// How subscribers through the old call know the channel.
    #[must_use]
    pub fn legacy_channel(&self) -> String {
        match (&self.container, self.channel.strip_prefix("stream/custom/")) {
            (Some(room), Some(name)) => format!("stream/{room}/{name}"),
            _ => self.channel.clone(),
        }
    }
}

/// One event for some keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Where it happens.
    pub target: Target,
    /// Only sessions that see one of these Solutions get it.
    pub solutions: Vec<SolutionId>,
    /// Event type on the wire.
    pub kind: &'static str,
    /// Event data on the wire.
    pub data: Value,
    /// Whom it is meant for.
    pub to: Recipients,
    /// Which generation of clients understands it.
    pub profile: Profile,
    /// Whoever has no ear for it now gets it as soon as they have.
    pub keep: bool,
}

/// Whom a notice is meant for. Of these, those with a matching subscription get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Every session of these public keys.
    Keys(Vec<String>),
    /// These sessions.
    Clients(Vec<ClientId>),
    /// Operators who listen on a management socket.
    Operators,
}

/// Event shapes of the two bridge generations (streams.md 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The same for both, or harmless to the other.
    Both,
    /// Sessions of 2.42 clients only.
    A,
    /// Sessions of 3.0 clients only.
    B,
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// How many to leave out at the start.
    pub skip: usize,
    /// How many to return.
    pub limit: usize,
    /// Newest first.
    pub descending: bool,
    /// Start after this id.
    pub last_id: Option<String>,
    /// Sort rooms by their last change instead of their creation.
    pub by_modification: bool,
    /// Only those whose public metadata pass.
    pub query: Option<Filter>,
}

impl Page {
    /// For lists of what has no public metadata.
    ///
    /// # Errors
    ///
    /// [`super::ServiceError::InvalidParams`] if there are conditions on them.
    pub fn refuse_query(&self) -> Result<(), super::ServiceError> {
        match &self.query {
            Some(query) if !query.is_empty() => {
                Err(super::ServiceError::params("query: there is nothing to filter by here"))
            }
            _ => Ok(()),
        }
    }

    /// Cuts the page out of `items`, which are in ascending order.
    ///
    /// # Errors
    ///
    /// [`super::ServiceError::NoMatchForLastId`] if there is no item of that id.
    pub fn cut<T>(
        &self,
        mut items: Vec<T>,
        id: impl Fn(&T) -> &str,
    ) -> Result<(Vec<T>, usize), super::ServiceError> {
        let count = items.len();
        if self.descending {
            items.reverse();
        }
        let start = match &self.last_id {
            None => 0,
            Some(last) => {
                1 + items
                    .iter()
                    .position(|item| id(item) == last)
                    .ok_or(super::ServiceError::NoMatchForLastId)?
            }
        };
        let page = items.into_iter().skip(start).skip(self.skip).take(self.limit).collect();
        Ok((page, count))
    }
}

/// The public keys of those `users` that exist, in their order.
pub fn keys_of<'a>(
    members: impl IntoIterator<Item = &'a UserId>,
    users: &[crate::bridge::store::UserRecord],
) -> Vec<String> {
    members
        .into_iter()
        .filter_map(|id| users.iter().find(|user| user.user == *id))
        .map(|user| user.pub_key.clone())
        .collect()
}
