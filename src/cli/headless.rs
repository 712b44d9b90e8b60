//! A call without a terminal interface: prints what happens until it is time to leave.

use std::future;
use std::pin::pin;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::io::Stdin;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio::time::timeout;

use crate::api::Call;
use crate::api::CallStatus;
use crate::api::EventQueue;
use crate::api::terminal::TerminalOrder;
use crate::model::AudioLevels;
use crate::model::CallStats;
use crate::model::CallTiming;
use crate::model::EventKind;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;

use super::exit::Exit;
use super::exit::Failure;
use super::gate::Answer;
use super::gate::GateHandle;
use super::gate::Notice;
use super::headless_terminal::TerminalNews;
use super::output::Output;
use super::output::clean;
use super::pictures::Pictures;
use super::stop::Stop;

/// How often levels and statistics are printed.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long leaving may wait for the bridge.
const GOODBYE: Duration = Duration::from_secs(3);

/// A joined call and everything that is to be printed about it.
pub struct Headless {
    /// Where and how to print.
    pub output: Output,
    /// The call.
    pub call: Call,
    /// Events of the connection.
    pub events: EventQueue,
    /// Room of the call.
    pub room: StreamRoomId,
    /// Answers guests, where this user can.
    pub gate: Option<GateHandle>,
    /// Answers are typed.
    pub asks: bool,
    /// A terminal is shared, whose control may be lent.
    pub shares: bool,
    /// When joining began.
    pub joining_since: Timestamp,
    /// When to leave by itself.
    pub duration: Option<Duration>,
    /// Receive what others show.
    pub video: bool,
}

impl Headless {
    /// Runs until the duration is over, a signal comes or the room ends; then leaves.
    pub async fn run(mut self, mut stop: Stop) -> anyhow::Result<()> {
        let mut stop = pin!(stop.within(self.duration));
        let mut tick = tokio::time::interval(REPORT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        let levels = self.call.levels();
        let stats = self.call.stats()?;
        let mut timing =
            Timing::new(self.call.timing(), self.joining_since, self.call.is_listen_only());
        let mut status = self.call.status();
        let mut ended = None;
        let mut commands = Commands::new(self.asks || self.shares);
        let mut pictures = Pictures::new(&self.call, self.video);
        let mut terminals = TerminalNews::new(self.call.terminals().views());
        loop {
            tokio::select! {
                reason = &mut stop => {
                    self.output.event(&json!({"event": "leaving", "reason": reason}));
                    break;
                }
                _ = tick.tick() => {
                    report_levels(self.output, &levels);
                    report_stats(self.output, &stats, &pictures);
                }
                now = next_status(&mut status) => {
                    if let CallStatus::Ended { reason } = now {
                        ended = Some(reason);
                        break;
                    }
                    report_status(self.output, &now);
                }
                event = timing.next() => self.output.event(&event),
                event = pictures.next(&self.call) => self.output.event(&event),
                event = self.events.next_event() => {
                    let Some(event) = event else {
                        ended = Some("the connection to the bridge was closed".to_owned());
                        break;
                    };
                    if let Some(line) = describe(&event.kind, &self.room) {
                        self.print(&line);
                    }
                }
                notice = next_notice(&mut self.gate) => self.announce(&notice),
                line = terminals.next() => self.print(&line),
                typed = commands.next() => if let Some(typed) = typed {
                    self.obey(typed).await;
                }
            }
        }
        self.leave().await;
        match ended {
            Some(reason) => {
                let text = format!("the call has ended: {}", clean(&reason));
                Err(Failure::new(Exit::RoomUnavailable, text).into())
            }
            None => Ok(()),
        }
    }

    fn print(&self, line: &Value) {
        self.output.result(line, || line["text"].as_str().unwrap_or_default().to_owned());
    }

    async fn obey(&self, typed: Typed) {
        match typed {
            Typed::Answer(answer) => {
                if let Some(gate) = &self.gate {
                    // The gate ends only together with the connection, which is noticed.
                    let _ = gate.answers.send(answer).await;
                }
            }
            Typed::Lend(user) => self.call.terminals().order(TerminalOrder::Lend(user)),
            Typed::TakeBack => self.call.terminals().order(TerminalOrder::TakeBack),
        }
    }

    async fn leave(self) {
        match timeout(GOODBYE, self.call.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "the bridge could not be told goodbye"),
            Err(_) => tracing::info!("the bridge did not answer goodbye in time"),
        }
        if let Some(gate) = self.gate {
            gate.shutdown().await;
        }
        self.output.result(&json!({"event": "left"}), || "left".to_owned());
    }

    fn announce(&self, notice: &Notice) {
        let (request, event, id) = match notice {
            Notice::Asked(id, request) => (request, "admission_requested", Some(*id)),
            Notice::Admitted(request) => (request, "admitted", None),
            Notice::Denied(request) => (request, "denied", None),
            Notice::Failed(request, _) => (request, "admission_failed", None),
            Notice::Withdrawn(id, request) => (request, "admission_withdrawn", Some(*id)),
        };
        let mut line = json!({"event": event, "user": request.guest.user_id.as_str(),
            "name": request.name, "fingerprint": request.fingerprint,
            "vouched": request.vouched, "room": request.room.as_str()});
        if let (Some(id), Some(object)) = (id, line.as_object_mut()) {
            object.insert("id".to_owned(), id.into());
        }
        if let (Notice::Failed(_, reason), Some(object)) = (notice, line.as_object_mut()) {
            object.insert("message".to_owned(), clean(reason).into());
        }
        self.output.result(&line, || describe_notice(notice));
    }
}

fn describe_notice(notice: &Notice) -> String {
    match notice {
        Notice::Asked(id, request) => {
            let voucher =
                if request.vouched { "invited" } else { "NOT vouched for by your invite" };
            format!(
                "{} asks to be let in: key {}, {voucher}. Type: admit {id} or: deny {id}",
                request.name, request.fingerprint
            )
        }
        Notice::Admitted(request) => {
            format!("let in {}, key {}", request.name, request.fingerprint)
        }
        Notice::Withdrawn(_, request) => format!("{} no longer waits", request.name),
        Notice::Denied(request) => {
            format!("kept out {}, key {}", request.name, request.fingerprint)
        }
        Notice::Failed(request, reason) => {
            format!("could not answer {}: {}", request.name, clean(reason))
        }
    }
}

/// What an event of this room looks like in the output; `None` for the rest.
fn describe(kind: &EventKind, room: &StreamRoomId) -> Option<Value> {
    let line = match kind {
        EventKind::StreamRoomJoined { room: at, user } if at == room => {
            json!({"event": "participant_joined", "user": user.as_str(),
                "text": format!("{} joined", clean(user.as_str()))})
        }
        EventKind::StreamRoomLeft { room: at, user } if at == room => {
            json!({"event": "participant_left", "user": user.as_str(),
                "text": format!("{} left", clean(user.as_str()))})
        }
        EventKind::StreamPublished(data) if data.stream_room_id == *room => {
            json!({"event": "published", "user": data.user_id.as_str(),
                "stream_id": data.stream.id.0})
        }
        EventKind::StreamUnpublished { room: at, stream, .. } if at == room => {
            json!({"event": "unpublished", "stream_id": stream.0})
        }
        EventKind::StreamRoomDeleted(at) if at == room => {
            json!({"event": "room_deleted", "text": "the room was deleted"})
        }
        EventKind::StreamRoomRecordingStarted { room: at, recording, user } if at == room => {
            json!({"event": "recording_started", "recording": recording.as_str(),
                "user": user.as_str(),
                "text": format!("{} has this room recorded", clean(user.as_str()))})
        }
        EventKind::StreamRoomRecordingStopped { room: at, recording, reason } if at == room => {
            json!({"event": "recording_stopped", "recording": recording.as_str(),
                "reason": clean(reason),
                "text": format!("this room is no longer recorded ({})", clean(reason))})
        }
        EventKind::Connected => json!({"event": "connected", "text": "connected again"}),
        EventKind::Disconnected { reason } => {
            json!({"event": "disconnected", "message": clean(reason),
                "text": format!("connection lost: {}", clean(reason))})
        }
        _ => return None,
    };
    Some(line)
}

fn report_levels(output: Output, levels: &watch::Receiver<AudioLevels>) {
    let levels: Vec<_> = levels
        .borrow()
        .levels
        .iter()
        .map(|speaker| {
            json!({"user": speaker.user.as_str(), "stream_id": speaker.stream.map_or(0, |id| id.0),
                "dbfs": tenths(speaker.level.dbfs()), "speaking": speaker.speaking,
                "muted": speaker.muted})
        })
        .collect();
    output.event(&json!({"event": "levels", "levels": levels}));
}

fn report_stats(output: Output, stats: &watch::Receiver<CallStats>, pictures: &Pictures) {
    let stats = stats.borrow();
    let (video, video_sent) = pictures.stats(&stats);
    output.event(&json!({"event": "stats", "packets": stats.packets, "lost": stats.lost,
        "concealed_ms": stats.concealed_ms, "jitter_ms": stats.jitter_ms, "rtt_ms": stats.rtt_ms,
        "dropped_unauthenticated": stats.dropped_unauthenticated, "bytes": stats.bytes,
        "packets_sent": stats.packets_sent, "bytes_sent": stats.bytes_sent,
        "video": video, "video_sent": video_sent}));
}

fn report_status(output: Output, status: &CallStatus) {
    match status {
        CallStatus::Reconnecting { reason } => {
            let reason = clean(reason);
            let line = json!({"event": "call", "state": "reconnecting", "message": reason});
            output.result(&line, || format!("coming back to the call: {reason}"));
        }
        CallStatus::Active => {
            let line = json!({"event": "call", "state": "active"});
            output.result(&line, || "back in the call".to_owned());
        }
        CallStatus::Ended { .. } => {}
    }
}

/// Waits until the call is doing otherwise than before.
async fn next_status(status: &mut watch::Receiver<CallStatus>) -> CallStatus {
    if status.changed().await.is_err() {
        return future::pending().await;
    }
    status.borrow_and_update().clone()
}

fn tenths(value: f32) -> f64 {
    (f64::from(value) * 10.0).round() / 10.0
}

async fn next_notice(gate: &mut Option<GateHandle>) -> Notice {
    match gate {
        Some(gate) => match gate.notices.recv().await {
            Some(notice) => notice,
            None => future::pending().await,
        },
        None => future::pending().await,
    }
}

/// Tells when sound began to flow, each fact once.
struct Timing {
    timing: watch::Receiver<CallTiming>,
    joining_since: Timestamp,
    listen_only: bool,
    started_told: bool,
    first_told: bool,
}

impl Timing {
    const fn new(
        timing: watch::Receiver<CallTiming>,
        joining_since: Timestamp,
        listen_only: bool,
    ) -> Self {
        Self { timing, joining_since, listen_only, started_told: false, first_told: false }
    }

    async fn next(&mut self) -> Value {
        while !(self.started_told && self.first_told) {
            let now = *self.timing.borrow_and_update();
            let complete = now.microphone_started.is_some() || self.listen_only;
            let speaker = now.speaker_started.filter(|_| complete && !self.started_told);
            if let Some(speaker) = speaker {
                self.started_told = true;
                return json!({"event": "audio_started", "speaker_at_ms": speaker.0,
                    "mic_at_ms": now.microphone_started.map(|at| at.0)});
            }
            if let (Some(after), false) = (now.first_audio, self.first_told) {
                self.first_told = true;
                let after_ms = after.0.saturating_sub(self.joining_since.0);
                return json!({"event": "first_audio", "after_ms": after_ms});
            }
            if self.timing.changed().await.is_err() {
                break;
            }
        }
        future::pending().await
    }
}

/// What was typed.
enum Typed {
    Answer(Answer),
    Lend(Option<UserId>),
    TakeBack,
}

/// Lines that are typed: `admit 1`, `deny 1`, `lend ben`, `take-back`.
struct Commands {
    lines: Option<Lines<BufReader<Stdin>>>,
}

impl Commands {
    fn new(wanted: bool) -> Self {
        Self { lines: wanted.then(|| BufReader::new(tokio::io::stdin()).lines()) }
    }

    /// The next line, if it is an answer. Never ends, also when the input does.
    async fn next(&mut self) -> Option<Typed> {
        let Some(lines) = &mut self.lines else { return future::pending().await };
        let Ok(Some(line)) = lines.next_line().await else {
            self.lines = None;
            return None;
        };
        let mut words = line.split_whitespace();
        let admit = match words.next()? {
            "admit" => true,
            "deny" => false,
            "lend" => return Some(Typed::Lend(words.next().map(UserId::from))),
            "take-back" => return Some(Typed::TakeBack),
            _ => return None,
        };
        Some(Typed::Answer(Answer { id: words.next()?.parse().ok()?, admit }))
    }
}
