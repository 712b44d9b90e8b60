//! The driver: joins rooms listen-only, looks at them five times a second, and tells.

use std::collections::BTreeMap;
use std::future;
use std::pin::pin;
use std::time::Duration;
use std::time::Instant;

use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;
use tokio::time::timeout;

use crate::api::ApiError;
use crate::api::Call;
use crate::api::CallConfig;
use crate::api::CallStatus;
use crate::api::EventQueue;
use crate::api::EventSelector;
use crate::api::RemoteStreamEvent;
use crate::api::RemoteStreamListener;
use crate::api::StreamEventType;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::cli::room_meta;
use crate::cli::session::Session;
use crate::cli::stop::Stop;
use crate::device::DeviceSpec;
use crate::model::CallStats;
use crate::model::Event;
use crate::model::EventKind;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;

use super::action;
use super::action::Ended;
use super::action::Runner;
use super::describe;
use super::metrics::Snapshot;
use super::monitor::Monitor;
use super::scene::Scene;
use super::scene::Totals;
use super::tally::Tally;

/// How often rooms are looked at: a syllable is not missed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often levels and statistics are told.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long leaving may wait for the bridge.
const GOODBYE: Duration = Duration::from_secs(3);
/// Rooms that one connection can be in: it holds 128 subscriptions, and each room needs eight.
pub const MAX_ROOMS: usize = 14;

/// What is to be watched, and who is told.
pub struct Watcher<'a> {
    /// Where lines go.
    pub output: Output,
    /// Logged in.
    pub session: &'a Session,
    /// Events of the session, from before rooms were listed.
    pub events: EventQueue,
    /// Rooms to join; a failure to join one of them is the end.
    pub wanted: Vec<StreamRoom>,
    /// Also watch rooms that come later, and go on without rooms that can't be joined.
    pub all: bool,
    /// When to tell.
    pub monitor: Monitor,
    /// Runs a command for every alert.
    pub runner: Option<Runner>,
    /// Where figures go.
    pub figures: Option<watch::Sender<Snapshot>>,
    /// When to stop by itself.
    pub duration: Option<Duration>,
}

/// A room that is being watched.
struct Watched {
    call: Call,
    tally: Tally,
    status: watch::Receiver<CallStatus>,
    /// The status that was last told of.
    shown: CallStatus,
    stats: watch::Receiver<CallStats>,
    messages: RemoteStreamListener,
}

/// What came of joining a room.
type Joined = (StreamRoom, Result<Watched, ApiError>);

/// State of a running watch.
struct Running<'a> {
    output: Output,
    session: &'a Session,
    all: bool,
    rooms: BTreeMap<StreamRoomId, Watched>,
    joining: JoinSet<Joined>,
    /// Rooms that are watched or about to be, by name.
    places: BTreeMap<StreamRoomId, String>,
    monitor: Monitor,
    runner: Option<Runner>,
    figures: Option<watch::Sender<Snapshot>>,
    connected: bool,
    reconnections: u64,
}

/// Subscribes to everything that happens in the rooms of the session's context.
///
/// # Errors
///
/// If the bridge refuses.
pub async fn subscribe(session: &Session) -> anyhow::Result<EventQueue> {
    const TYPES: [StreamEventType; 7] = [
        StreamEventType::RoomCreate,
        StreamEventType::RoomUpdate,
        StreamEventType::RoomDelete,
        StreamEventType::Streams,
        StreamEventType::Subscribe,
        StreamEventType::Unsubscribe,
        StreamEventType::Recording,
    ];
    let events = session.connection.events();
    let context = EventSelector::Context(session.context.clone());
    let mut queries = Vec::new();
    for kind in TYPES {
        queries.extend(session.api.build_subscription_query(kind, &context)?);
    }
    session.api.subscribe_for(&queries).await?;
    Ok(events)
}

impl Watcher<'_> {
    /// Runs until the duration is over, a signal comes, or no room is left to watch.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut stop = Stop::new()?;
        let mut stop = pin!(stop.within(self.duration));
        let mut look = ticks(LOOK_EVERY);
        let mut report = ticks(REPORT_EVERY);
        let mut events = self.events;
        let mut running = Running {
            output: self.output,
            session: self.session,
            all: self.all,
            rooms: BTreeMap::new(),
            joining: JoinSet::new(),
            places: BTreeMap::new(),
            monitor: self.monitor,
            runner: self.runner,
            figures: self.figures,
            connected: true,
            reconnections: 0,
        };
        for room in self.wanted {
            running.join(room);
        }
        let result = loop {
            tokio::select! {
                reason = &mut stop => {
                    describe::tell(running.output, json!({"event": "leaving", "reason": reason}), String::new);
                    break Ok(());
                }
                _ = look.tick() => {
                    if let Err(error) = running.look().await {
                        break Err(error);
                    }
                }
                _ = report.tick() => running.report(),
                Some(joined) = running.joining.join_next() => {
                    if let Ok(joined) = joined && let Err(error) = running.take(joined) {
                        break Err(error);
                    }
                }
                event = events.next_event() => match event {
                    Some(event) => running.handle(&event),
                    None => {
                        let text = "the connection to the bridge was closed";
                        break Err(Failure::new(Exit::Unreachable, text).into());
                    }
                },
                ended = next_end(&mut running.runner) => if let Ended::Badly(text) = ended {
                    running.complain("exec_failed", &text);
                },
            }
        };
        running.end().await;
        result
    }
}

impl Running<'_> {
    fn join(&mut self, room: StreamRoom) {
        if self.places.contains_key(&room.stream_room_id) {
            return;
        }
        if self.places.len() >= MAX_ROOMS {
            let name = room_meta::name(&room);
            let text = format!("{name} is not watched: {MAX_ROOMS} rooms are the most at once");
            self.complain("notice", &text);
            return;
        }
        self.places.insert(room.stream_room_id.clone(), room_meta::name(&room));
        let api = self.session.api.clone();
        self.joining.spawn(async move {
            let id = room.stream_room_id.clone();
            let joining = async {
                let config = CallConfig::new(id.clone())
                    .with_microphone(None)
                    .with_speaker(DeviceSpec::Null)
                    .with_data(false);
                let call = Call::join(api.clone(), config).await?;
                let (status, stats) = (call.status(), call.stats()?);
                let messages = api.add_remote_stream_listener(&id, None)?;
                let mut tally = Tally::new(&room_meta::name(&room));
                let now = Instant::now();
                tally.set_current(now, true);
                tally.observe_people(now, &call.people().borrow());
                let shown = CallStatus::Active;
                Ok(Watched { call, tally, status, shown, stats, messages })
            };
            let joined = joining.await;
            (room, joined)
        });
    }

    fn take(&mut self, (room, joined): Joined) -> anyhow::Result<()> {
        let (id, name) = (room.stream_room_id.clone(), room_meta::name(&room));
        match joined {
            Ok(watched) => {
                let people = watched.call.people();
                let people: Vec<_> = people
                    .borrow()
                    .iter()
                    .filter(|person| !person.is_self || !person.streams.is_empty())
                    .map(|person| person.user.0.clone())
                    .collect();
                let line = json!({"event": "watching", "room": describe::room_json(&id, &name),
                    "user": self.session.user.as_str(), "people": people});
                describe::tell(self.output, line, || {
                    let people: Vec<_> = people.iter().map(|user| clean(user)).collect();
                    let nobody = if people.is_empty() { "nobody" } else { "" };
                    format!("{name}: watching; {nobody}{} there", people.join(", "))
                });
                self.rooms.insert(id, watched);
                Ok(())
            }
            Err(error) if self.all => {
                self.places.remove(&id);
                self.complain(
                    "notice",
                    &format!("{name} is not watched: {}", clean(&error.to_string())),
                );
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at every room, and lets the rules judge.
    async fn look(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let mut over = Vec::new();
        for (id, watched) in &mut self.rooms {
            if let Some(reason) = watched.look(now, id, self.session, self.output).await {
                over.push((id.clone(), reason));
            }
        }
        for (id, reason) in over {
            self.forget(&id, &reason).await;
        }
        let rooms = self.rooms.iter().map(|(id, w)| (id.clone(), w.tally.scene())).collect();
        let scene = Scene { connected: self.connected, rooms };
        for alert in self.monitor.observe(now, &scene) {
            let rule = self.monitor.rules().get(alert.rule).map(ToString::to_string);
            let rule = rule.unwrap_or_default();
            let details = describe::alert(&rule, &alert);
            describe::tell_alert(self.output, &rule, &alert, &details);
            if alert.raised {
                action::ring(&details.text);
            }
            let refused = self.runner.as_mut().and_then(|runner| runner.start(&details).err());
            if let Some(text) = refused {
                self.complain("exec_failed", &text);
            }
        }
        self.publish(scene);
        if self.places.is_empty() && !self.all {
            let text = "no room is left to watch";
            return Err(Failure::new(Exit::RoomUnavailable, text).into());
        }
        Ok(())
    }

    fn publish(&self, scene: Scene) {
        let Some(figures) = &self.figures else { return };
        let rules = self.monitor.rules().iter().map(ToString::to_string);
        let counts = self.monitor.active().into_iter().zip(self.monitor.raised().to_vec());
        let alerts = rules.zip(counts).map(|(rule, (active, raised))| (rule, active, raised));
        let alerts = alerts.collect();
        figures.send_replace(Snapshot { scene, alerts, reconnections: self.reconnections });
    }

    /// Tells of the second that has passed.
    fn report(&mut self) {
        for (id, watched) in &mut self.rooms {
            let name = watched.tally.name().to_owned();
            describe::levels(self.output, id, &name, &watched.tally.report());
            let scene = watched.tally.scene();
            let mut totals = Totals::default();
            scene.people.values().for_each(|person| totals.add(&person.totals));
            let size = (scene.present(), scene.streams);
            describe::stats(self.output, (id, &name), size, &totals, &watched.stats.borrow());
        }
    }

    fn handle(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Disconnected { reason } => {
                self.connected = false;
                let reason = clean(reason);
                let line = json!({"event": "disconnected", "message": reason});
                describe::tell(self.output, line, || {
                    format!("connection lost: {reason}; trying again")
                });
            }
            EventKind::Connected => {
                self.connected = true;
                self.reconnections = self.reconnections.saturating_add(1);
                describe::tell(self.output, json!({"event": "connected"}), || {
                    "connected again".to_owned()
                });
            }
            _ => {}
        }
        let Some(id) = event.kind.room() else { return };
        if let EventKind::StreamRoomCreated(room) | EventKind::StreamRoomUpdated(room) = &event.kind
        {
            let me = &self.session.user;
            let ours = room.users.iter().chain(&room.managers).any(|user| user == me);
            if self.all && ours && room.status_code == 0 && !room.closed {
                self.join(room.clone());
            }
            if let Some(watched) = self.rooms.get_mut(id)
                && room.status_code == 0
            {
                watched.tally.set_name(&room_meta::name(room));
            }
        }
        if let (EventKind::StreamRoomLeft { user, .. }, Some(watched)) =
            (&event.kind, self.rooms.get_mut(id))
        {
            watched.tally.observe_left(user);
        }
        if !self.all && !self.places.contains_key(id) {
            return;
        }
        let watched = self.rooms.get(id).map(|watched| watched.tally.name().to_owned());
        let name = watched.or_else(|| self.places.get(id).cloned());
        let name = name.unwrap_or_else(|| clean(id.as_str()));
        if let Some((line, text)) = describe::event(event, id, &name) {
            describe::tell(self.output, line, || text);
        }
    }

    /// A room that is over.
    async fn forget(&mut self, id: &StreamRoomId, reason: &str) {
        self.places.remove(id);
        let Some(watched) = self.rooms.remove(id) else { return };
        let (name, reason) = (watched.tally.name().to_owned(), clean(reason));
        let room = describe::room_json(id, &name);
        let line = json!({"event": "room_ended", "room": room, "message": reason});
        describe::tell(self.output, line, || format!("{name}: not watched any more: {reason}"));
        leave(&watched.call).await;
    }

    fn complain(&self, event: &str, text: &str) {
        describe::tell(self.output, json!({"event": event, "message": text}), String::new);
        Output::note(&format!("conclave: {}", clean(text)));
    }

    async fn end(mut self) {
        self.joining.shutdown().await;
        let mut leaving = JoinSet::new();
        for (_, watched) in std::mem::take(&mut self.rooms) {
            leaving.spawn(async move { leave(&watched.call).await });
        }
        while leaving.join_next().await.is_some() {}
        if let Some(runner) = self.runner.take() {
            runner.shutdown().await;
        }
        describe::tell(self.output, json!({"event": "left"}), || "left".to_owned());
    }
}

impl Watched {
    /// Looks at the room; a reason if it is over.
    async fn look(
        &mut self,
        now: Instant,
        id: &StreamRoomId,
        session: &Session,
        output: Output,
    ) -> Option<String> {
        let status = self.status.borrow().clone();
        if let CallStatus::Ended { reason } = status {
            return Some(reason);
        }
        if status != self.shown {
            self.tell_status(now, id, &status, output);
            self.shown = status;
        }
        self.tally.observe_people(now, &self.call.people().borrow());
        while let Some(Some(event)) = self.messages.next_event().now_or_never() {
            if let RemoteStreamEvent::DataRefused { stream, .. } = event {
                self.tally.count_refused_message(stream);
            }
        }
        // A room that was just left has no tracks; its end is seen at the next look.
        let tracks = session.api.track_stats(id).await.unwrap_or_default();
        self.tally.observe_tracks(now, &tracks);
        None
    }

    fn tell_status(
        &mut self,
        now: Instant,
        id: &StreamRoomId,
        status: &CallStatus,
        output: Output,
    ) {
        let name = self.tally.name().to_owned();
        let room = describe::room_json(id, &name);
        self.tally.set_current(now, *status == CallStatus::Active);
        match status {
            CallStatus::Reconnecting { reason } => {
                let reason = clean(reason);
                let line = json!({"event": "call", "state": "reconnecting", "room": room,
                    "message": reason});
                describe::tell(output, line, || format!("{name}: coming back: {reason}"));
            }
            _ => {
                let line = json!({"event": "call", "state": "active", "room": room});
                describe::tell(output, line, || format!("{name}: watching again"));
            }
        }
    }
}

async fn leave(call: &Call) {
    match timeout(GOODBYE, call.leave()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(%error, "the bridge could not be told goodbye"),
        Err(_) => tracing::info!("the bridge did not answer goodbye in time"),
    }
}

async fn next_end(runner: &mut Option<Runner>) -> Ended {
    match runner {
        Some(runner) => runner.next_end().await,
        None => future::pending().await,
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}
