//! The task that owns the call: joins it, tells what happens in it, leaves it.
//!
//! It ends, leaving the call, as soon as nobody can send it orders any more. A task that
//! takes over from another one waits until that one has left.

use std::collections::BTreeSet;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;
use tokio::time::Instant;

use crate::api::ApiError;
use crate::api::Call;
use crate::api::CallConfig;
use crate::api::CallStatus;
use crate::api::DeviceSpec;
use crate::api::Person;
use crate::api::StreamApi;
use crate::api::VideoSpec;
use crate::api::terminal::SharedCommand;
use crate::api::terminal::TerminalOrder;
use crate::api::terminal::TerminalViews;
use crate::model::AudioLevels;
use crate::model::CallStats;
use crate::model::StreamRoomId;
use crate::model::UserId;
use crate::model::VideoContent;
use crate::ui::effect::DeviceChoice;
use crate::ui::event::Event;
use crate::ui::event::Fault;
use crate::ui::event::Severity;
use crate::ui::stage::Gallery;
use crate::ui::stage::Window;

use super::convert;
use super::pictures::Pictures;

/// Orders from the interface to the call; a user does not give or type more while one is
/// carried out. When full, the newest is refused and the user told.
pub(super) const ORDERS: usize = 64;

/// Levels are passed on no more often than this: eyes do not see more.
const LEVELS_INTERVAL: Duration = Duration::from_millis(100);

/// The same for shared terminals, which are drawn no more often.
const TERMINALS_INTERVAL: Duration = Duration::from_millis(30);

/// What the user wants of the call.
#[derive(Debug)]
pub(super) enum Order {
    Muted(bool),
    Devices(DeviceChoice),
    Camera(Option<String>),
    Share(Option<String>),
    ShareTerminal(SharedCommand),
    ToggleTerminalVideo,
    Terminal(TerminalOrder),
}

/// Where pictures go, and which ones are looked at.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) gallery: Gallery,
    pub(super) windows: watch::Receiver<Vec<Window>>,
}

/// The other end of a call's task.
#[derive(Debug)]
pub(super) struct CallHandle {
    room: StreamRoomId,
    orders: Option<mpsc::Sender<Order>>,
    task: JoinHandle<()>,
}

impl CallHandle {
    /// The room of the call.
    pub(super) const fn room(&self) -> &StreamRoomId {
        &self.room
    }

    /// Starts to join a call, after `previous` has been left.
    pub(super) fn join(
        streams: StreamApi,
        config: CallConfig,
        (choice, terminal): (DeviceChoice, Option<SharedCommand>),
        events: mpsc::Sender<Event>,
        sight: Sight,
        previous: Option<Self>,
    ) -> Self {
        let (sender, orders) = mpsc::channel(ORDERS);
        let room = config.room.clone();
        let pictures = Pictures::new(sight.gallery);
        let (camera, share) = (name(config.camera.as_ref()), name(config.screen.as_ref()));
        let windows = sight.windows;
        let task = CallTask {
            streams,
            config,
            choice,
            terminal,
            camera,
            share,
            events,
            orders,
            windows,
            pictures,
            terminal_video: false,
        };
        let task = tokio::spawn(async move {
            if let Some(previous) = previous {
                previous.ended().await;
            }
            task.run().await;
        });
        Self { room, orders: Some(sender), task }
    }

    /// Passes an order on; false if the call cannot take it.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok())
    }

    /// Begins to leave.
    pub(super) fn leave(&mut self) {
        self.orders = None;
    }

    /// Leaves and waits until the call has been left.
    pub(super) async fn ended(mut self) {
        self.leave();
        // A panicked task has told on its way out.
        let _ = self.task.await;
    }
}

struct CallTask {
    streams: StreamApi,
    config: CallConfig,
    choice: DeviceChoice,
    /// A terminal to share once the call is joined.
    terminal: Option<SharedCommand>,
    /// The camera whose picture is sent.
    camera: Option<String>,
    /// What is shared.
    share: Option<String>,
    events: mpsc::Sender<Event>,
    orders: mpsc::Receiver<Order>,
    windows: watch::Receiver<Vec<Window>>,
    pictures: Pictures,
    /// The shared terminal is to be sent as video, too.
    terminal_video: bool,
}

/// What a joined call tells.
struct News {
    people: watch::Receiver<Vec<Person>>,
    levels: watch::Receiver<AudioLevels>,
    stats: watch::Receiver<CallStats>,
    status: watch::Receiver<CallStatus>,
    devices: watch::Receiver<Option<String>>,
    terminals: watch::Receiver<TerminalViews>,
    /// Whose pictures cannot be decrypted, as told last.
    unreadable: BTreeSet<UserId>,
}

impl CallTask {
    async fn run(mut self) {
        let room = self.config.room.clone();
        let fault = match self.join().await {
            Ok(Some(call)) => {
                let fault = self.follow(&call).await;
                match call.leave().await {
                    Ok(()) => fault,
                    Err(error) => {
                        tracing::info!(%error, "the bridge was not told that the call was left");
                        fault
                    }
                }
            }
            Ok(None) => None,
            Err(error) => Some(convert::fault("The room could not be joined".to_owned(), &error)),
        };
        self.tell(Event::CallLeft { room, fault }).await;
    }

    /// Joins; `None` if the user thought better of it meanwhile.
    async fn join(&mut self) -> Result<Option<Arc<Call>>, ApiError> {
        let room = self.config.room.clone();
        let mut muted = self.config.muted;
        let joining = Call::join(self.streams.clone(), self.config.clone());
        tokio::pin!(joining);
        let call = loop {
            tokio::select! {
                call = &mut joining => break Arc::new(call?),
                order = self.orders.recv() => match order {
                    Some(Order::Muted(wanted)) => muted = wanted,
                    Some(_) => {}
                    None => {
                        // A join that is under way can't be taken back half done.
                        joining.await?.leave().await?;
                        return Ok(None);
                    }
                }
            }
        };
        if muted != self.config.muted {
            call.set_muted(muted).await?;
        }
        let limits = call.limits();
        let listen_only = self.config.microphone.is_none() || limits.microphone.is_some();
        self.tell(Event::CallJoined { room, listen_only }).await;
        if let Some(command) = self.terminal.take() {
            self.terminal_video = command.has_video();
            self.share_terminal(&call, command).await;
        }
        let why = [("You only listen", &limits.microphone), ("You hear nothing", &limits.speaker)];
        for (what, reason) in why {
            if let Some(reason) = reason {
                let text = format!("{what}: {reason}");
                self.tell(Event::Noticed { severity: Severity::Warn, text }).await;
            }
        }
        for (what, slot, reason) in [
            ("You are not seen", &mut self.camera, &limits.camera),
            ("Nothing is shared", &mut self.share, &limits.screen),
        ] {
            if let Some(reason) = reason {
                *slot = None;
                let text = format!("{what}: {reason}");
                let notice = Event::Noticed { severity: Severity::Warn, text };
                let _ = self.events.send(notice).await;
            }
        }
        self.tell(Event::CameraChanged(self.camera.clone())).await;
        self.tell(Event::OwnShareChanged(self.share.clone())).await;
        Ok(Some(call))
    }

    /// Passes on what happens until the call is to be left; says why if nobody asked for it.
    async fn follow(&mut self, call: &Call) -> Option<Fault> {
        let mut news = match News::of(call) {
            Ok(news) => news,
            Err(error) => return Some(convert::fault("The call was lost".to_owned(), &error)),
        };
        let mut fault = call.video_fault(VideoContent::Camera).await;
        self.tell_people(call, &mut news).await;
        let (mut levels_at, mut terminals_at) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Terminal(order)) => self.carry_out_terminal(call, order).await,
                    Some(Order::ShareTerminal(command)) => self.share_terminal(call, command).await,
                    Some(order) => {
                        self.carry_out(call, order).await;
                        fault = call.video_fault(VideoContent::Camera).await;
                        self.tell_people(call, &mut news).await;
                    }
                    None => return None,
                },
                Ok(()) = news.status.changed() => {
                    let status = news.status.borrow_and_update().clone();
                    if let Some(fault) = self.tell_status(status).await {
                        return Some(fault);
                    }
                }
                Ok(()) = self.windows.changed() => self.look(call).await,
                why = first_fault(&mut fault) => {
                    fault = None;
                    self.lose_camera(call, why).await;
                }
                Ok(()) = news.people.changed() => self.tell_people(call, &mut news).await,
                Ok(()) = news.devices.changed() => {
                    let fault = news.devices.borrow_and_update().clone();
                    if let Some(text) = fault {
                        self.tell(Event::Noticed { severity: Severity::Bad, text }).await;
                    }
                }
                Ok(()) = changed_after(&mut news.terminals, terminals_at) => {
                    terminals_at = Instant::now() + TERMINALS_INTERVAL;
                    let views = news.terminals.borrow_and_update().clone();
                    self.tell(Event::TerminalsChanged(views)).await;
                }
                Ok(()) = news.stats.changed() => {
                    let stats = news.stats.borrow_and_update().clone();
                    if news.unreadable != convert::unreadable(&stats) {
                        self.tell_people(call, &mut news).await;
                    }
                    self.pass(Event::StatsMeasured(stats));
                }
                Ok(()) = changed_after(&mut news.levels, levels_at) => {
                    levels_at = Instant::now() + LEVELS_INTERVAL;
                    let levels = news.levels.borrow_and_update().clone();
                    self.pass(Event::LevelsMeasured(levels));
                }
            }
        }
    }

    async fn carry_out(&mut self, call: &Call, order: Order) {
        match order {
            Order::Muted(muted) => {
                if let Err(error) = call.set_muted(muted).await {
                    let what = "The microphone could not be switched".to_owned();
                    self.tell(Event::Failed(convert::fault(what, &error))).await;
                }
            }
            // Carried out by themselves.
            Order::Terminal(_) | Order::ShareTerminal(_) => {}
            Order::ToggleTerminalVideo => {
                self.terminal_video = !self.terminal_video;
                let text = match self.terminal_video {
                    true => "your terminal is sent as video, too",
                    false => "your terminal is no longer sent as video",
                };
                self.send_terminal(call).await;
                self.tell(Event::Noticed { severity: Severity::Info, text: text.to_owned() }).await;
            }
            Order::Devices(choice) => {
                if choice.microphone != self.choice.microphone {
                    let result = match parse(&choice.microphone) {
                        Ok(device) => call.set_microphone(device).await,
                        Err(error) => Err(error),
                    };
                    let slot = result.map(|()| self.choice.microphone = choice.microphone);
                    self.tell_device("microphone", slot).await;
                }
                if choice.speaker != self.choice.speaker {
                    let result = match parse(&choice.speaker) {
                        Ok(device) => call.set_speaker(&device).await,
                        Err(error) => Err(error),
                    };
                    let slot = result.map(|()| self.choice.speaker = choice.speaker);
                    self.tell_device("speaker", slot).await;
                }
                if choice.camera != self.choice.camera {
                    self.choice.camera.clone_from(&choice.camera);
                    if self.camera.is_some() {
                        self.set_camera(call, Some(choice.camera)).await;
                    }
                }
                self.tell(Event::DevicesChanged(self.choice.clone())).await;
            }
            Order::Camera(camera) => self.set_camera(call, camera).await,
            Order::Share(share) => self.set_share(call, share).await,
        }
    }

    async fn set_share(&mut self, call: &Call, share: Option<String>) {
        let result = match share.as_deref().map(video).transpose() {
            Ok(spec) => call.set_screen(spec).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => self.share = share,
            Err(error) => {
                let fault = convert::fault("Nothing new is shared".to_owned(), &error);
                self.tell(Event::Failed(fault)).await;
                if !call.is_shown(VideoContent::Screen).await {
                    self.share = None;
                }
            }
        }
        self.tell(Event::OwnShareChanged(self.share.clone())).await;
    }

    async fn share_terminal(&self, call: &Call, command: SharedCommand) {
        match call.terminals().share(command).await {
            Ok(()) => self.send_terminal(call).await,
            Err(error) => {
                let what = "The terminal could not be shared".to_owned();
                self.tell(Event::Failed(convert::fault(what, &error))).await;
            }
        }
    }

    async fn carry_out_terminal(&self, call: &Call, order: TerminalOrder) {
        let stops = order == TerminalOrder::Stop;
        call.terminals().order(order);
        if stops && let Err(error) = call.set_terminal_video(false).await {
            tracing::warn!(%error, "an ended terminal is still a track");
        }
    }

    /// Sends the shared terminal as video if that is wanted and there is one.
    async fn send_terminal(&self, call: &Call) {
        let is_shared = call.terminals().is_sharing();
        if let Err(error) = call.set_terminal_video(self.terminal_video && is_shared).await {
            let what = "The terminal could not be sent as video".to_owned();
            self.tell(Event::Failed(convert::fault(what, &error))).await;
        }
    }

    async fn set_camera(&mut self, call: &Call, camera: Option<String>) {
        let result = match camera.as_deref().map(video).transpose() {
            Ok(spec) => call.set_camera(spec).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => self.camera = camera,
            Err(error) => {
                let fault = convert::fault("The camera could not be switched".to_owned(), &error);
                self.tell(Event::Failed(fault)).await;
                if !call.is_shown(VideoContent::Camera).await {
                    self.camera = None;
                }
            }
        }
        self.pictures.switched();
        self.tell(Event::CameraChanged(self.camera.clone())).await;
    }

    /// The camera gives no more pictures: it is off, whatever the reason.
    async fn lose_camera(&mut self, call: &Call, reason: String) {
        let text = format!("The camera is off: {reason}");
        self.tell(Event::Noticed { severity: Severity::Bad, text }).await;
        self.set_camera(call, None).await;
        self.look(call).await;
    }

    /// Asks for the pictures that are in sight.
    async fn look(&mut self, call: &Call) {
        let windows = self.windows.borrow_and_update().clone();
        self.pictures.look_at(call, &windows).await;
    }

    async fn tell_device(&self, which: &str, result: Result<(), ApiError>) {
        if let Err(error) = result {
            let what = format!("The {which} could not be changed");
            self.tell(Event::Failed(convert::fault(what, &error))).await;
        }
    }

    async fn tell_people(&mut self, call: &Call, news: &mut News) {
        let people = news.people.borrow_and_update().clone();
        let levels = news.levels.borrow().clone();
        news.unreadable = convert::unreadable(&news.stats.borrow());
        let mut participants = convert::participants(&people, &levels, call.is_muted());
        for participant in &mut participants {
            participant.unreadable = news.unreadable.contains(&participant.user);
        }
        self.tell(Event::ParticipantsChanged(participants)).await;
        if let Some(shares) = self.pictures.set_people(&people, self.camera.is_some()) {
            self.tell(Event::SharesChanged(shares)).await;
            self.look(call).await;
        }
    }

    /// Tells how the call is doing; the reason if it is over.
    async fn tell_status(&self, status: CallStatus) -> Option<Fault> {
        let (severity, text) = match status {
            CallStatus::Active => (Severity::Good, "the call is on again".to_owned()),
            CallStatus::Reconnecting { reason } => {
                (Severity::Warn, format!("the call is being restored: {reason}"))
            }
            CallStatus::Ended { reason } => {
                let what = "The call has ended".to_owned();
                return Some(Fault { what, why: reason, remedy: String::new() });
            }
        };
        self.tell(Event::Noticed { severity, text }).await;
        None
    }

    /// Passes on what may not be lost; waits while the interface is behind.
    async fn tell(&self, event: Event) {
        // If the interface is gone, nobody wants to know.
        let _ = self.events.send(event).await;
    }

    /// Passes on what the next such fact supersedes; drops it while the interface is behind.
    fn pass(&self, event: Event) {
        let _ = self.events.try_send(event);
    }
}

impl News {
    fn of(call: &Call) -> Result<Self, ApiError> {
        Ok(Self {
            people: call.people(),
            levels: call.levels(),
            stats: call.stats()?,
            status: call.status(),
            devices: call.device_fault(),
            terminals: call.terminals().views(),
            unreadable: BTreeSet::new(),
        })
    }
}

/// Waits for a change, and not before an instant.
async fn changed_after<T>(
    receiver: &mut watch::Receiver<T>,
    instant: Instant,
) -> Result<(), watch::error::RecvError> {
    time::sleep_until(instant).await;
    receiver.changed().await
}

/// Waits until a camera gives up, and says why; for ever if there is none.
async fn first_fault(fault: &mut Option<watch::Receiver<Option<String>>>) -> String {
    let Some(receiver) = fault else { return future::pending().await };
    let reason = receiver.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
    match reason {
        Some(reason) => reason,
        None => future::pending().await,
    }
}

fn name(spec: Option<&VideoSpec>) -> Option<String> {
    spec.map(ToString::to_string)
}

/// The source of pictures that a name stands for.
pub(super) fn video(name: &str) -> Result<VideoSpec, ApiError> {
    let name = if name.is_empty() { "default" } else { name };
    name.parse::<VideoSpec>().map_err(|error| ApiError::Device(error.to_string()))
}

/// The device that a name stands for.
pub(super) fn parse(name: &str) -> Result<DeviceSpec, ApiError> {
    name.parse::<DeviceSpec>().map_err(|error| ApiError::Device(error.to_string()))
}
