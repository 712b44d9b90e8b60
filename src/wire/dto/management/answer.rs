//! What the calls return.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

/// Which rooms are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoomState {
    /// All.
    All,
    /// Those that can be joined.
    Active,
    /// Those that cannot.
    Closed,
}

/// A new API key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    /// Its id.
    pub id: String,
    /// Its secret, unless it has a public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl fmt::Debug for ApiKeyCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyCreated").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The answer to [`Auth`](super::Auth); times are ms.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// `Bearer`.
    pub token_type: String,
    /// What to authorise with.
    pub access_token: String,
    /// When that ends.
    pub access_token_expiry: i64,
    /// What to get the next one with.
    pub refresh_token: String,
    /// When that ends.
    pub refresh_token_expiry: i64,
    /// What the token may do.
    pub scope: Vec<String>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("scope", &self.scope).finish_non_exhaustive()
    }
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$attribute:meta])* $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$attribute])* pub $field: $type,)* }
    )*};
}

answers! {
    /// The answer to [`ListApiKeys`](super::ListApiKeys).
    ApiKeys {
        /// All of them.
        list: Vec<ApiKey>,
    }
    /// The answer to [`GetApiKey`](super::GetApiKey).
    ApiKeyAnswer {
        /// The API key.
        api_key: ApiKey,
    }
    /// An API key without its secret.
    ApiKey {
        /// Its id.
        id: String,
        /// When it was made, in ms.
        created: i64,
        /// Whether it works.
        enabled: bool,
        /// A name for people.
        name: String,
        /// What it may do.
        scope: Vec<String>,
        /// Ed25519 key in PEM, if it has one.
        #[serde(default)]
        public_key: Option<String>,
    }
    /// The answer to [`CreateSolution`](super::CreateSolution).
    SolutionCreated {
        /// The new solution.
        solution_id: String,
    }
    /// The answer to [`GetSolution`](super::GetSolution).
    SolutionAnswer {
        /// The solution.
        solution: Solution,
    }
    /// The answer to [`ListSolutions`](super::ListSolutions).
    Solutions {
        /// All of them.
        list: Vec<Solution>,
    }
    /// A solution.
    Solution {
        /// Its id.
        id: String,
        /// When it was made, in ms.
        #[serde(default)]
        created: i64,
        /// A name for people.
        name: String,
    }
    /// The answer to [`CreateContext`](super::CreateContext).
    ContextCreated {
        /// The new context.
        context_id: String,
    }
    /// The answer to [`GetContext`](super::GetContext).
    ManagedContextAnswer {
        /// The context.
        context: ManagedContext,
    }
    /// The answer to [`ListContexts`](super::ListContexts).
    ManagedContexts {
        /// A page of contexts.
        list: Vec<ManagedContext>,
        /// How many there are in all pages.
        count: i64,
    }
    /// A context as its manager sees it.
    ManagedContext {
        /// Its id.
        id: String,
        /// When it was made, in ms.
        created: i64,
        /// When it was changed, in ms.
        modified: i64,
        /// The solution that owns it.
        solution: String,
        /// Solutions that may use it.
        #[serde(default)]
        shares: Vec<String>,
        /// A name for people.
        name: String,
        /// What it is for.
        #[serde(default)]
        description: String,
        /// `private` or `public`.
        scope: String,
        /// Policies of its containers.
        #[serde(default)]
        policy: Json,
    }
    /// The answer to [`GetUserFromContext`](super::GetUserFromContext).
    ManagedUserAnswer {
        /// The user.
        user: ManagedUser,
    }
    /// The answer to [`ListUsersFromContext`](super::ListUsersFromContext).
    ManagedUsers {
        /// A page of users.
        users: Vec<ManagedUser>,
        /// How many there are in all pages.
        count: i64,
    }
    /// A user as the manager of a context sees it.
    ManagedUser {
        /// User id.
        user_id: String,
        /// Public key in base58.
        pub_key: String,
        /// When it was added, in ms.
        created: i64,
        /// What it may call.
        acl: String,
        /// The context.
        context_id: String,
    }
    /// The answer to [`GetStreamRoom`](super::GetStreamRoom).
    ManagedStreamRoomAnswer {
        /// The room.
        stream_room: ManagedStreamRoom,
    }
    /// The answer to [`ListStreamRooms`](super::ListStreamRooms).
    ManagedStreamRooms {
        /// A page of rooms.
        list: Vec<ManagedStreamRoom>,
        /// How many there are in all pages.
        count: i64,
    }
    /// A room as the manager of its context sees it: what is sealed stays sealed.
    ManagedStreamRoom {
        /// Its id.
        id: String,
        /// Where.
        context_id: String,
        /// When it was created, in ms.
        create_date: i64,
        /// Who created it.
        creator: String,
        /// When it was last updated, in ms.
        last_modification_date: i64,
        /// Who last updated it.
        last_modifier: String,
        /// The key of its last version.
        key_id: String,
        /// Members that may take part.
        users: Vec<String>,
        /// Members that may change it.
        managers: Vec<String>,
        /// How many versions there are.
        version: i64,
        /// Its public metadata, if they are JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_meta: Option<Json>,
        /// Nobody can join any more.
        #[serde(default)]
        closed: bool,
    }
    /// The answer to [`CreateInvite`](super::CreateInvite).
    InviteCreated {
        /// The new invite.
        invite_id: String,
    }
    /// The answer to [`ListInvites`](super::ListInvites).
    Invites {
        /// All of them.
        list: Vec<Invite>,
    }
    /// An invite as its maker sees it.
    Invite {
        /// Its id.
        invite_id: String,
        /// The context to be invited to.
        context_id: String,
        /// When it was made, in ms.
        created: i64,
        /// When it ends, in ms.
        expires: i64,
        /// How many keys may use it.
        max_uses: i64,
        /// How many have.
        uses: i64,
        /// It was ended early.
        revoked: bool,
    }
    /// The answer to [`RedeemInvite`](super::RedeemInvite).
    InviteRedeemed {
        /// The solution to log in with.
        solution_id: String,
        /// The context that the newcomer is now a user of.
        context_id: String,
        /// What they are called there.
        user_id: String,
    }
}
