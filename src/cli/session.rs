//! A logged-in session and everything that belongs to it: profile, connection, and the
//! embedded bridge where there is one.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::api::ApiError;
use crate::api::ConnectOptions;
use crate::api::Connection;
use crate::api::Endpoint;
use crate::api::NewStreamRoom;
use crate::api::StreamApi;
use crate::bridge::Bridge;
use crate::bridge::BridgeConfig;
use crate::bridge::BridgeHandle;
use crate::bridge::TurnServer;
use crate::crypto::key::PublicKey;
use crate::model::ContextId;
use crate::model::PagingQuery;
use crate::model::StreamRoom;
use crate::model::UserId;
use crate::model::UserWithPubKey;
use crate::profile::Identity;
use crate::profile::Invite;
use crate::profile::KnownBridge;
use crate::profile::KnownKeys;
use crate::profile::KnownRooms;
use crate::profile::ProfileError;
use crate::profile::Settings;
use crate::profile::file::DirLock;
use crate::profile::room_meta as meta;

use super::exit::Exit;
use super::exit::Failure;
use super::paths::Paths;
use super::provision;
use super::provision::Manager;
use super::room_meta;
use super::trust::PinnedKeys;
use super::trust::PinnedRooms;

/// How long the end of a session may wait for the bridge.
const GOODBYE: Duration = Duration::from_secs(3);
/// Where the embedded bridge listens when only this process needs it.
const EMBEDDED_LISTEN: &str = "127.0.0.1:0";

/// The user's own files.
#[derive(Debug)]
pub struct Profile {
    /// Where they are.
    pub paths: Paths,
    /// Name and key.
    pub identity: Identity,
    /// What the user has chosen.
    pub settings: Settings,
}

impl Profile {
    /// Loads the profile, making an identity at the first start.
    pub fn open(paths: Paths, name: Option<&str>) -> anyhow::Result<Self> {
        let settings = Settings::load(&paths.config)?;
        let login = std::env::var("USER").ok();
        let usual = name.or(settings.name.as_deref()).or(login.as_deref()).unwrap_or("guest");
        if let Some(key) = &paths.overrides.key {
            let identity = Identity::from_key_file(key, usual)?;
            return Ok(Self { paths, identity, settings });
        }
        let mut identity = match Identity::load(&paths.data)? {
            Some(identity) => identity,
            None => {
                let identity = Identity::generate(usual, &mut rand::rng())?;
                identity.store(&paths.data)?;
                identity
            }
        };
        if let Some(name) = name {
            identity.name = crate::profile::identity::checked_name(name)?;
        }
        Ok(Self { paths, identity, settings })
    }
}

/// A profile that is logged in to a bridge.
pub struct Session {
    /// The user's own files.
    pub profile: Profile,
    /// Logged in.
    pub connection: Connection,
    /// Rooms and streams of that connection.
    pub api: StreamApi,
    /// Context whose rooms are shown.
    pub context: ContextId,
    /// The user's id in it.
    pub user: UserId,
    /// Where the bridge is.
    pub url: String,
    /// What is known about the keys of others.
    pub keys: Arc<PinnedKeys>,
    /// The bridge has proved that it holds the key it is known by.
    pub is_pinned: bool,
    /// What is known about rooms.
    pub pinned_rooms: Arc<PinnedRooms>,
    /// Present if the bridge runs in this process.
    pub hosted: Option<Hosted>,
    options: ConnectOptions,
}

/// The embedded bridge of this process.
pub struct Hosted {
    /// The server.
    pub bridge: BridgeHandle,
    /// Its management API.
    pub manager: Manager,
    _lock: DirLock,
}

impl Session {
    /// Starts the embedded bridge on `listen` and logs in to it. Clients are told to reach media
    /// at `media`, or at this machine's own addresses if that is empty.
    pub async fn host(
        profile: Profile,
        listen: SocketAddr,
        media: &[IpAddr],
    ) -> anyhow::Result<Self> {
        let lock = DirLock::acquire(&profile.paths.bridge)?;
        let config = BridgeConfig {
            advertise: media.to_vec(),
            turn: turn_servers(&profile)?,
            ..BridgeConfig::new(listen, profile.paths.bridge.clone())
        };
        let bridge = Bridge::start(config).await?;
        let url = bridge.url();
        provision::ensure_key(&bridge, &profile.paths).await?;
        let manager = Manager::open(&url, &profile.paths).await?;
        let user = manager.add_user(&profile.identity).await?;
        let known = KnownBridge {
            url,
            solution: manager.solution.0.clone(),
            context: manager.context.0.clone(),
            user: user.0,
            bridge_key: Some(bridge.public_key().to_base58()),
            embedded: true,
        };
        let mut session = Self::connect(profile, &known).await?;
        session.hosted = Some(Hosted { bridge, manager, _lock: lock });
        Ok(session)
    }

    /// Logs another profile in to the bridge of this session, registering its key.
    pub async fn guest(&self, profile: Profile) -> anyhow::Result<Self> {
        let Some(hosted) = &self.hosted else {
            return Err(Failure::new(Exit::Failure, "only a host can register guests").into());
        };
        let user = hosted.manager.add_user(&profile.identity).await?;
        let known = KnownBridge {
            url: self.url.clone(),
            solution: hosted.manager.solution.0.clone(),
            context: self.context.0.clone(),
            user: user.0,
            bridge_key: Some(hosted.bridge.public_key().to_base58()),
            embedded: false,
        };
        Self::connect(profile, &known).await
    }

    /// Redeems an invite and logs in where it leads.
    pub async fn invited(profile: Profile, invite: &Invite) -> anyhow::Result<Self> {
        let membership = provision::redeem(invite, &profile.identity).await?;
        let known = KnownBridge {
            url: invite.url(),
            solution: membership.solution.0,
            context: membership.context.0,
            user: membership.user.0,
            bridge_key: Some(invite.bridge_key.to_base58()),
            embedded: false,
        };
        Self::connect(profile, &known).await
    }

    /// Logs in to the bridge that the command line or the profile names, or that of last time;
    /// with none, or if it was the embedded one and does not run, starts the embedded one.
    pub async fn resume(profile: Profile) -> anyhow::Result<Self> {
        let known = KnownBridge::load(&profile.paths.data)?;
        let known = profile.paths.overrides.apply(known)?;
        if let Some(known) = known.as_ref().filter(|known| !known.embedded) {
            return Self::connect(profile, known).await;
        }
        let lock = DirLock::acquire(&profile.paths.bridge);
        let runs_elsewhere = matches!(lock, Err(ProfileError::Locked { .. }));
        match known {
            Some(known) if runs_elsewhere => Self::connect(profile, &known).await,
            _ => {
                drop(lock?);
                Self::host(profile, EMBEDDED_LISTEN.parse().expect("a socket address"), &[]).await
            }
        }
    }

    async fn connect(profile: Profile, known: &KnownBridge) -> anyhow::Result<Self> {
        let bridge_key = known.bridge_key.as_deref().map(PublicKey::from_base58).transpose();
        let bridge_key = bridge_key.map_err(|_| ProfileError::Corrupt {
            path: profile.paths.data.join("bridge.toml"),
            reason: "bridge_key is no key".to_owned(),
        })?;
        let keys = Arc::new(PinnedKeys::new(KnownKeys::load(&profile.paths.data)?));
        let pinned_rooms = Arc::new(PinnedRooms::new(KnownRooms::load(&profile.paths.data)?));
        let key = Arc::clone(&profile.identity.key);
        let mut options = ConnectOptions::new(&known.url, known.solution.as_str().into(), key)
            .with_verifier(keys.clone())
            .with_rooms(pinned_rooms.clone())
            .with_relay_only(profile.settings.relay_only.unwrap_or_default());
        options.bridge_key = bridge_key;
        let connection = Endpoint::connect(options.clone()).await?;
        let context = match known.context.as_str() {
            "" => only_context(&connection).await?,
            context => context.into(),
        };
        let user = match known.user.as_str() {
            "" => connection.get_context(&context).await?.user_id,
            user => user.into(),
        };
        if profile.paths.overrides.is_empty() {
            known.store(&profile.paths.data)?;
        }
        let api = connection.create_stream_api();
        Ok(Self {
            profile,
            connection,
            api,
            context,
            user,
            url: known.url.clone(),
            keys,
            is_pinned: known.bridge_key.is_some(),
            pinned_rooms,
            hosted: None,
            options,
        })
    }

    /// Logs in once more as the same user.
    pub async fn connect_again(&self) -> Result<Connection, ApiError> {
        Endpoint::connect(self.options.clone()).await
    }

    /// The user as others know them.
    pub fn own_user(&self) -> UserWithPubKey {
        UserWithPubKey {
            user_id: self.user.clone(),
            pub_key: self.profile.identity.key.public_key().to_base58(),
        }
    }

    /// Every room of the context that the user is a member of.
    pub async fn rooms(&self) -> anyhow::Result<Vec<StreamRoom>> {
        let mut rooms = Vec::new();
        loop {
            let skip = u32::try_from(rooms.len()).unwrap_or(u32::MAX);
            let query = PagingQuery { skip, ..PagingQuery::default() };
            let page = self.api.list_stream_rooms(&self.context, &query).await?;
            let is_last = page.items.is_empty();
            rooms.extend(page.items);
            if is_last || rooms.len() as u64 >= page.total_available {
                self.pinned_rooms.flush();
                return Ok(rooms);
            }
        }
    }

    /// The room of that name or id.
    pub async fn find_room(&self, wanted: &str) -> anyhow::Result<Option<StreamRoom>> {
        let rooms = self.rooms().await?;
        let open_first = rooms.iter().filter(|room| !room.closed).chain(&rooms);
        let mut matching = open_first
            .filter(|room| room.stream_room_id.0 == wanted || room_meta::name(room) == wanted);
        Ok(matching.next().cloned())
    }

    /// The room of that name or id, or a clear refusal.
    pub async fn expect_room(&self, wanted: &str) -> anyhow::Result<StreamRoom> {
        self.find_room(wanted).await?.ok_or_else(|| {
            let wanted = super::output::clean(wanted);
            let text = format!(
                "there is no room {wanted:?} among yours; `conclave rooms list` shows them"
            );
            Failure::new(Exit::Failure, text).into()
        })
    }

    /// Creates a room with the user as its only member and manager.
    pub async fn create_room(&self, name: &str) -> anyhow::Result<StreamRoom> {
        self.create_room_for(name, vec![self.own_user()]).await
    }

    /// Creates a room with these members and the user as its manager.
    pub async fn create_room_for(
        &self,
        name: &str,
        users: Vec<UserWithPubKey>,
    ) -> anyhow::Result<StreamRoom> {
        let room = NewStreamRoom {
            context_id: self.context.clone(),
            users,
            managers: vec![self.own_user()],
            public_meta: Vec::new(),
            private_meta: meta::encode(name)?,
            policy: None,
        };
        let id = self.api.create_stream_room(&room).await?;
        Ok(self.api.get_stream_room(&id).await?)
    }

    /// Says goodbye to the bridge, and ends it if it is ours.
    pub async fn close(self) {
        if timeout(GOODBYE, self.connection.disconnect()).await.is_err() {
            tracing::info!("the bridge did not answer goodbye in time");
        }
        self.pinned_rooms.flush();
        if let Some(hosted) = self.hosted {
            hosted.bridge.shutdown().await;
        }
    }
}

/// The context of a key that is a user of one only.
async fn only_context(connection: &Connection) -> anyhow::Result<ContextId> {
    let page = connection.list_contexts(&PagingQuery::default()).await?;
    let ids: Vec<String> = page
        .items
        .iter()
        .map(|context| super::output::clean(context.context_id.as_str()))
        .collect();
    match page.items.into_iter().next() {
        Some(context) if ids.len() == 1 => Ok(context.context_id),
        Some(_) => {
            let text = format!("say which context with --context ID; yours are {}", ids.join(", "));
            Err(Failure::new(Exit::Usage, text).into())
        }
        None => {
            let text = "your key is in no context of this solution; ask the administrator of the \
                        bridge to add it to one";
            Err(Failure::new(Exit::Denied, text).into())
        }
    }
}

/// TURN servers that the user's embedded bridge tells its clients about.
fn turn_servers(profile: &Profile) -> Result<Vec<TurnServer>, ProfileError> {
    let servers = profile.settings.turn.iter().map(|turn| {
        let secret = turn.secret(&profile.paths.config)?;
        Ok(TurnServer { url: turn.url.clone(), secret })
    });
    servers.collect()
}
