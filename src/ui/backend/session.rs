//! The real backend: a connection to a bridge, its rooms, and at most one call.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::ApiError;
use crate::api::CallConfig;
use crate::api::Connection;
use crate::api::ContextEventType;
use crate::api::DeviceSpec;
use crate::api::EventQueue;
use crate::api::EventSelector;
use crate::api::NewStreamRoom;
use crate::api::StreamApi;
use crate::api::StreamEventType;
use crate::api::VideoSpec;
use crate::api::context_query;
use crate::api::stream_queries;
use crate::api::terminal::SharedCommand;
use crate::api::terminal::TerminalOrder;
use crate::media::video::Picture;
use crate::model;
use crate::model::ContextId;
use crate::model::EventKind;
use crate::model::PagingQuery;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;
use crate::model::UserId;
use crate::model::UserInfo;
use crate::model::UserWithPubKey;
use crate::profile::room_meta;
use crate::ui::effect::AdmissionDecision;
use crate::ui::effect::DeviceChoice;
use crate::ui::effect::Effect;
use crate::ui::effect::Members;
use crate::ui::event::AdmissionId;
use crate::ui::event::ContextUser;
use crate::ui::event::DeviceMenu;
use crate::ui::event::Event;
use crate::ui::event::Fault;
use crate::ui::event::ShareMenu;
use crate::ui::event::Trust;
use crate::ui::stage::Gallery;
use crate::ui::stage::Window;

use super::call::CallHandle;
use super::call::Order;
use super::call::Sight;
use super::call::parse;
use super::call::video;
use super::convert;
use super::seam::Backend;

/// Facts from this backend's tasks to the interface. When full, tasks wait; levels and
/// statistics are dropped, the next ones supersede them.
const EVENTS: usize = 256;

/// Pages of a list that are read: a thousand rooms or users are more than a screen is for.
const PAGES: u32 = 10;

/// Rooms whose people are asked for when the list is read.
const ROOMS_LOOKED_INTO: usize = 50;

/// What the interface needs and has no business to do itself.
pub trait Surroundings: Send + Sync {
    /// What is known about somebody's key, and its fingerprint.
    fn key(&self, context: &ContextId, user: &UserWithPubKey) -> (Trust, String);

    /// Notes that the user has compared this key and found it right; what is known then.
    /// May block.
    fn verify(&self, context: &ContextId, user: &UserWithPubKey) -> Trust;

    /// Sound devices there are. May block.
    fn devices(&self) -> DeviceMenu;

    /// Screens, windows and terminals that can be shared. May block.
    fn shares(&self) -> ShareMenu {
        ShareMenu::default()
    }

    /// The picture that an avatar's file holds, if it can be used. May block.
    fn avatar(&self, file: &[u8]) -> Option<Picture>;

    /// Lets the user hear that something happened. Returns at once.
    fn cue(&self, cue: Cue);
}

/// What is worth a short sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// Somebody came into the call.
    Joined,
    /// Somebody left it.
    Left,
    /// The own microphone was switched off.
    Muted,
    /// The own microphone was switched on.
    Unmuted,
}

/// A session that somebody has prepared.
pub struct SessionConfig {
    /// Logged in.
    pub connection: Connection,
    /// Rooms and streams of that connection.
    pub streams: StreamApi,
    /// The Context whose rooms are shown.
    pub context: ContextId,
    /// This user's id in it.
    pub user: UserId,
    /// What to be heard with; `None` only listens.
    pub microphone: Option<DeviceSpec>,
    /// What to hear the others with.
    pub speaker: DeviceSpec,
    /// What to be seen with from the beginning of a call; `None` is not seen.
    pub camera: Option<VideoSpec>,
    /// What to show besides.
    pub screen: Option<VideoSpec>,
    /// Begin calls muted.
    pub muted: bool,
    /// A terminal to share in the first call that is joined.
    pub share: Option<SharedCommand>,
    /// Keys and devices.
    pub surroundings: Arc<dyn Surroundings>,
    /// Facts made elsewhere: requests for admission, invites, notices.
    pub events: mpsc::Receiver<Event>,
    /// Where decisions about admission go. When full, the user is told and can decide again
    /// once the request is repeated.
    pub decisions: mpsc::Sender<AdmissionDecision>,
}

impl SessionConfig {
    /// Names of the devices to begin with.
    #[must_use]
    pub fn devices(&self) -> DeviceChoice {
        let microphone = self.microphone.as_ref().map(ToString::to_string);
        DeviceChoice {
            microphone: microphone.unwrap_or_default(),
            speaker: self.speaker.to_string(),
            camera: self.camera.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// What tasks share.
#[derive(Clone)]
struct Shared {
    connection: Connection,
    streams: StreamApi,
    context: ContextId,
    user: UserId,
    surroundings: Arc<dyn Surroundings>,
    events: mpsc::Sender<Event>,
    gallery: Gallery,
    /// Held while avatars are brought: whoever begins last is the last to hang them.
    hanging: Arc<Mutex<()>>,
}

/// A session with a bridge.
pub struct SessionBackend {
    shared: Shared,
    microphone: Option<DeviceSpec>,
    camera: Option<VideoSpec>,
    screen: Option<VideoSpec>,
    devices: DeviceChoice,
    windows: watch::Sender<Vec<Window>>,
    muted: bool,
    decisions: mpsc::Sender<AdmissionDecision>,
    /// To be shared in the first call.
    share: Option<SharedCommand>,
    made: mpsc::Receiver<Event>,
    made_elsewhere: mpsc::Receiver<Event>,
    bridge: EventQueue,
    call: Option<CallHandle>,
    tasks: JoinSet<()>,
    subscribed: bool,
}

impl SessionBackend {
    /// A backend on `config`. It does nothing before the first effect.
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        let (events, made) = mpsc::channel(EVENTS);
        let devices = config.devices();
        Self {
            bridge: config.connection.events(),
            shared: Shared {
                connection: config.connection,
                streams: config.streams,
                context: config.context,
                user: config.user,
                surroundings: config.surroundings,
                events,
                gallery: Gallery::default(),
                hanging: Arc::default(),
            },
            microphone: config.microphone,
            camera: config.camera,
            screen: config.screen,
            devices,
            windows: watch::Sender::new(Vec::new()),
            muted: config.muted,
            decisions: config.decisions,
            share: config.share,
            made,
            made_elsewhere: config.events,
            call: None,
            tasks: JoinSet::new(),
            subscribed: false,
        }
    }

    fn spawn(&mut self, work: impl Future<Output = Result<(), Fault>> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        let events = self.shared.events.clone();
        self.tasks.spawn(async move {
            if let Err(fault) = work.await {
                // If the interface is gone, nobody wants to know.
                let _ = events.send(Event::Failed(fault)).await;
            }
        });
    }

    fn refresh(&mut self) {
        let shared = self.shared.clone();
        let subscribe = !std::mem::replace(&mut self.subscribed, true);
        self.spawn(async move {
            let done = async {
                if subscribe {
                    shared.subscribe().await?;
                }
                shared.list().await
            };
            done.await.map_err(|error| convert::fault("No list of rooms".to_owned(), &error))
        });
    }

    fn join(&mut self, room: StreamRoomId) {
        let microphone = match self.devices.microphone.as_str() {
            "" => self.microphone.clone(),
            name => parse(name).ok(),
        };
        let speaker = parse(&self.devices.speaker).unwrap_or(DeviceSpec::Default);
        let config = CallConfig::new(room)
            .with_microphone(microphone)
            .with_speaker(speaker)
            .with_camera(self.camera.clone())
            .with_screen(self.screen.clone())
            .with_muted(self.muted);
        let streams = self.shared.streams.clone();
        let (choice, events) = (self.devices.clone(), self.shared.events.clone());
        let (previous, terminal) = (self.call.take(), self.share.take());
        let gallery = self.shared.gallery.clone();
        gallery.set_avatars(BTreeMap::new());
        self.hang_avatars(config.room.clone());
        let sight = Sight { gallery, windows: self.windows.subscribe() };
        let choice = (choice, terminal);
        self.call = Some(CallHandle::join(streams, config, choice, events, sight, previous));
    }

    /// Begins to bring the avatars of a room's members.
    fn hang_avatars(&mut self, room: StreamRoomId) {
        let shared = self.shared.clone();
        self.spawn(async move {
            shared.hang_avatars(&room).await;
            Ok(())
        });
    }

    fn order(&mut self, order: Order) {
        if !self.call.as_ref().is_some_and(|call| call.order(order)) {
            self.refuse("The call does not answer", "it is busy or about to end");
        }
    }

    fn decide(&mut self, id: AdmissionId, admit: bool) {
        if self.decisions.try_send(AdmissionDecision { id, admit }).is_err() {
            self.refuse("The decision did not get through", "nobody takes it at the moment");
        }
    }

    /// Shares a terminal as cells, or anything else as pictures; nothing any more if `None`.
    /// What is shared in one call is not meant for the next one.
    fn share(&mut self, what: Option<String>) {
        let terminal = what.as_deref().and_then(|what| what.parse::<SharedCommand>().ok());
        match (terminal, what) {
            (Some(command), _) => self.order(Order::ShareTerminal(command)),
            (None, Some(what)) => self.order(Order::Share(Some(what))),
            (None, None) => {
                self.order(Order::Terminal(TerminalOrder::Stop));
                self.order(Order::Share(None));
            }
        }
    }

    fn refuse(&mut self, what: &str, why: &str) {
        let fault =
            Fault { what: what.to_owned(), why: why.to_owned(), remedy: "Try again.".to_owned() };
        self.spawn(async move { Err(fault) });
    }

    /// What a fact from the bridge is to the interface.
    fn translate(&mut self, event: model::Event) -> Event {
        match &event.kind {
            EventKind::StreamRoomCreated(room) => {
                return Event::RoomChanged(convert::room_info(room));
            }
            EventKind::StreamRoomUpdated(room) => {
                let changed = Event::RoomChanged(convert::room_info(room));
                // Whoever was let in brought a key that has been judged meanwhile.
                self.refresh();
                if let Some(id) = self.room_of_call().filter(|id| **id == room.stream_room_id) {
                    self.hang_avatars(id.clone());
                }
                return changed;
            }
            EventKind::Connected => {
                // What happened during the gap is only in the lists.
                self.refresh();
                if let Some(id) = self.room_of_call() {
                    self.hang_avatars(id.clone());
                }
            }
            // The key that came with the user is only in the list.
            EventKind::ContextUserAdded { .. } => self.refresh(),
            EventKind::StreamRoomJoined { room, user } => self.cue_for(room, user, Cue::Joined),
            EventKind::StreamRoomLeft { room, user } => self.cue_for(room, user, Cue::Left),
            _ => {}
        }
        Event::Bridge(Box::new(event))
    }

    fn room_of_call(&self) -> Option<&StreamRoomId> {
        self.call.as_ref().map(CallHandle::room)
    }

    /// Sounds for others who come and go in the call that is on.
    fn cue_for(&self, room: &StreamRoomId, user: &UserId, cue: Cue) {
        let in_call = self.room_of_call() == Some(room);
        if in_call && *user != self.shared.user {
            self.shared.surroundings.cue(cue);
        }
    }
}

impl Backend for SessionBackend {
    fn begin(&mut self, effect: Effect) {
        let shared = self.shared.clone();
        match effect {
            Effect::Refresh => self.refresh(),
            Effect::CreateRoom { name, members } => {
                self.spawn(async move { shared.create_room(&name, members).await });
            }
            Effect::DeleteRoom(room) => self.spawn(async move {
                let result = shared.streams.delete_stream_room(&room).await;
                let what = || "The room could not be deleted".to_owned();
                result.map_err(|error| convert::fault(what(), &error))
            }),
            Effect::JoinRoom(room) => self.join(room),
            Effect::LeaveRoom => {
                if let Some(call) = &mut self.call {
                    call.leave();
                }
            }
            Effect::SetMuted(muted) => {
                self.muted = muted;
                shared.surroundings.cue(if muted { Cue::Muted } else { Cue::Unmuted });
                self.order(Order::Muted(muted));
            }
            Effect::SetDevices(choice) => {
                self.devices = choice.clone();
                self.order(Order::Devices(choice));
            }
            Effect::ShareTerminal(command) => {
                self.order(Order::ShareTerminal(SharedCommand::new(&command)));
            }
            Effect::ToggleTerminalVideo => self.order(Order::ToggleTerminalVideo),
            Effect::Terminal(order) => self.order(Order::Terminal(order)),
            Effect::ListDevices => self.spawn(async move {
                let surroundings = Arc::clone(&shared.surroundings);
                let listing = tokio::task::spawn_blocking(move || surroundings.devices());
                let menu = listing.await.unwrap_or_default();
                shared.tell(Event::DevicesListed(menu)).await;
                Ok(())
            }),
            Effect::ListShares => self.spawn(async move {
                let surroundings = Arc::clone(&shared.surroundings);
                let listing = tokio::task::spawn_blocking(move || surroundings.shares());
                let menu = listing.await.unwrap_or_default();
                shared.tell(Event::ShareMenuListed(menu)).await;
                Ok(())
            }),
            Effect::SetCamera(camera) => {
                self.camera = camera.as_deref().and_then(|name| video(name).ok());
                self.order(Order::Camera(camera));
            }
            Effect::SetShare(share) => self.share(share),
            Effect::VerifyKey { user, fingerprint } => {
                self.spawn(async move { shared.verify(&user, &fingerprint).await });
            }
            Effect::Admit(id) => self.decide(id, true),
            Effect::Deny(id) => self.decide(id, false),
            // The runtime does these itself.
            Effect::Exit | Effect::Suspend | Effect::Redraw | Effect::Panic => {}
        }
    }

    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            Some(event) = self.made.recv() => Some(event),
            Some(event) = self.made_elsewhere.recv() => Some(event),
            Some(event) = self.bridge.next_event() => Some(self.translate(event)),
            else => None,
        }
    }

    fn attach(&mut self, gallery: Gallery) {
        self.shared.gallery = gallery;
    }

    fn look_at(&mut self, windows: &[Window]) {
        self.windows.send_replace(windows.to_vec());
    }

    async fn shutdown(mut self) {
        // Nothing that is being told is read any more, so nobody may wait for that.
        self.made.close();
        self.tasks.shutdown().await;
        if let Some(call) = self.call.take() {
            call.ended().await;
        }
    }
}

impl Shared {
    async fn tell(&self, event: Event) {
        // If the interface is gone, nobody wants to know.
        let _ = self.events.send(event).await;
    }

    /// Brings the avatars of a room's members to the gallery. A room that does not verify shows
    /// nobody: its metadata may be from anyone.
    async fn hang_avatars(&self, room: &StreamRoomId) {
        let _last = self.hanging.lock().await;
        let room = match self.streams.get_stream_room(room).await {
            Ok(room) if room.status_code == 0 => room,
            Ok(_) => return,
            Err(error) => return tracing::info!(%error, "the room's avatars are not known"),
        };
        let surroundings = Arc::clone(&self.surroundings);
        let decoding = tokio::task::spawn_blocking(move || {
            let files = room_meta::avatars(&room.private_meta).into_iter();
            let decoded = files
                .filter_map(|(user, file)| Some((user, Arc::new(surroundings.avatar(&file)?))));
            decoded.collect()
        });
        self.gallery.set_avatars(decoding.await.unwrap_or_default());
    }

    /// Subscribes to what the panes show.
    async fn subscribe(&self) -> Result<(), ApiError> {
        let context = EventSelector::Context(self.context.clone());
        let mut queries = Vec::new();
        for about in [
            StreamEventType::RoomCreate,
            StreamEventType::RoomUpdate,
            StreamEventType::RoomDelete,
            StreamEventType::Join,
            StreamEventType::Leave,
            StreamEventType::Publish,
            StreamEventType::Recording,
        ] {
            queries.extend(stream_queries(about, &context)?);
        }
        for about in [
            ContextEventType::UserAdded,
            ContextEventType::UserRemoved,
            ContextEventType::UserStatus,
        ] {
            queries.push(context_query(&about, &self.context)?);
        }
        self.connection.subscribe_for(&queries).await.map(drop)
    }

    /// Reads all lists and passes them on.
    async fn list(&self) -> Result<(), ApiError> {
        let rooms = self.rooms().await?;
        self.tell(Event::Connected).await;
        let users = self.users().await?;
        self.tell_users(users).await;
        self.tell(Event::RoomsListed(rooms.iter().map(convert::room_info).collect())).await;
        for room in rooms.iter().filter(|room| !room.closed).take(ROOMS_LOOKED_INTO) {
            // Some bridges tell members only what goes on inside: then nobody is shown.
            if let Ok(streams) = self.streams.list_streams(&room.stream_room_id).await {
                let present: BTreeSet<UserId> =
                    streams.into_iter().map(|stream| stream.user_id).collect();
                let present = present.into_iter().collect();
                let room = room.stream_room_id.clone();
                self.tell(Event::RoomPeopleListed { room, present }).await;
            }
        }
        Ok(())
    }

    async fn rooms(&self) -> Result<Vec<StreamRoom>, ApiError> {
        let mut rooms = Vec::new();
        let mut query = PagingQuery::default();
        for _ in 0..PAGES {
            let page = self.streams.list_stream_rooms(&self.context, &query).await?;
            let last = page.items.is_empty();
            rooms.extend(page.items);
            if last || rooms.len() as u64 >= page.total_available {
                break;
            }
            query.skip += query.limit;
        }
        Ok(rooms)
    }

    async fn users(&self) -> Result<Vec<UserInfo>, ApiError> {
        let mut users = Vec::new();
        let mut query = PagingQuery::default();
        for _ in 0..PAGES {
            let page = self.connection.list_users(&self.context, &query).await?;
            let last = page.items.is_empty();
            users.extend(page.items);
            if last || users.len() as u64 >= page.total_available {
                break;
            }
            query.skip += query.limit;
        }
        Ok(users)
    }

    async fn tell_users(&self, users: Vec<UserInfo>) {
        let known = |info: UserInfo| {
            let (trust, fingerprint) = self.surroundings.key(&self.context, &info.user);
            ContextUser { user: info.user.user_id, fingerprint, trust, active: info.active }
        };
        self.tell(Event::UsersListed(users.into_iter().map(known).collect())).await;
    }

    /// Notes that a key was compared, if it is still the one that the user has seen.
    async fn verify(&self, user: &UserId, fingerprint: &str) -> Result<(), Fault> {
        let what = format!("The key of {user} was not marked as verified");
        let users = self.users().await.map_err(|error| convert::fault(what.clone(), &error))?;
        let known = users.iter().find(|info| info.user.user_id == *user);
        let known = known.map(|info| info.user.clone());
        let Some(known) =
            known.filter(|user| self.surroundings.key(&self.context, user).1 == fingerprint)
        else {
            let why = "it changed while you were comparing".to_owned();
            return Err(Fault { what, why, remedy: "Compare again.".to_owned() });
        };
        let (surroundings, context) = (Arc::clone(&self.surroundings), self.context.clone());
        let noting = tokio::task::spawn_blocking(move || surroundings.verify(&context, &known));
        if noting.await.is_ok_and(|trust| trust == Trust::Verified) {
            self.tell_users(users).await;
            return Ok(());
        }
        let why = "another key is on file for them, or it could not be written down".to_owned();
        let remedy = "If they have a new device, remove the old key first.".to_owned();
        Err(Fault { what, why, remedy })
    }

    /// Creates a room. Nobody whose key is not the known one becomes a member.
    async fn create_room(&self, name: &str, members: Members) -> Result<(), Fault> {
        let what = |error: ApiError| convert::fault(format!("{name} could not be created"), &error);
        let users = self.users().await.map_err(what)?;
        let users = users.into_iter().map(|info| info.user);
        let (me, others): (Vec<_>, Vec<_>) = users.partition(|user| user.user_id == self.user);
        let trusted =
            |user: &UserWithPubKey| self.surroundings.key(&self.context, user).0 != Trust::Changed;
        let mut all = me.clone();
        if members == Members::Everybody {
            all.extend(others.into_iter().filter(trusted));
        }
        let private_meta = room_meta::encode(name).map_err(|error| Fault {
            what: "The room was not created".to_owned(),
            why: error.to_string(),
            remedy: "n opens the form again.".to_owned(),
        })?;
        let new = NewStreamRoom {
            context_id: self.context.clone(),
            users: all,
            managers: me,
            private_meta,
            ..NewStreamRoom::default()
        };
        let id = self.streams.create_stream_room(&new).await.map_err(what)?;
        let room = self.streams.get_stream_room(&id).await.map_err(what)?;
        self.tell(Event::RoomChanged(convert::room_info(&room))).await;
        self.tell(Event::RoomCreated(id)).await;
        Ok(())
    }
}
