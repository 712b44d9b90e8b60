//! Screens with something on them.

use std::time::Duration;

use conclave::model::AudioLevels;
use conclave::model::CallStats;
use conclave::model::ContextId;
use conclave::model::Event as BridgeEvent;
use conclave::model::EventKind;
use conclave::model::Level;
use conclave::model::SpeakerLevel;
use conclave::model::StreamId;
use conclave::model::StreamRoomId;
use conclave::model::Timestamp;
use conclave::model::UserId;
use conclave::model::UserWithPubKey;
use conclave::ui::event::AdmissionId;
use conclave::ui::event::AdmissionRequest;
use conclave::ui::event::ContextUser;
use conclave::ui::event::Event;
use conclave::ui::event::Participant;
use conclave::ui::event::RoomInfo;
use conclave::ui::event::Trust;
use conclave::ui::testing::Harness;
use conclave::ui::theme::Depth;
use conclave::ui::theme::GlyphChoice;

/// Users of the Context, what is known about their keys, and whether they are online.
const USERS: [(&str, Trust, bool); 6] = [
    ("ana", Trust::Verified, true),
    ("ben", Trust::Verified, true),
    ("chi", Trust::Known, true),
    ("dee", Trust::Unknown, true),
    ("eva", Trust::Known, true),
    ("fritz", Trust::Changed, false),
];

/// A room with these members, managed by `ana`.
pub fn room(name: &str, users: &[&str]) -> RoomInfo {
    RoomInfo {
        id: StreamRoomId::from(name),
        name: name.to_owned(),
        users: users.iter().copied().map(UserId::from).collect(),
        managers: vec![UserId::from("ana")],
        closed: false,
        verified: true,
    }
}

/// News from the bridge, `seconds` after 14:02.
pub fn news(seconds: i64, kind: EventKind) -> Event {
    let timestamp = Timestamp(1_795_356_120_000 + seconds * 1000);
    Event::Bridge(Box::new(BridgeEvent { timestamp, subscriptions: Vec::new(), kind }))
}

/// Connected, with three rooms, not in a call.
pub fn lobby(ui: Harness) -> Harness {
    let everybody: Vec<&str> = USERS.iter().map(|(name, _, _)| *name).collect();
    let on_call = RoomInfo { managers: vec!["ben".into()], ..room("on-call", &["ana", "ben"]) };
    let old = RoomInfo { closed: true, ..room("retro", &["ana"]) };
    let users = USERS.map(|(name, trust, active)| ContextUser {
        user: name.into(),
        fingerprint: "91c0 77b1 03de 4f2a".to_owned(),
        trust,
        active,
    });
    let rooms = vec![room("war-room", &everybody), room("standup", &everybody), on_call, old];
    ui.event(Event::Connected)
        .event(Event::UsersListed(users.to_vec()))
        .event(Event::RoomsListed(rooms))
        .event(Event::RoomPeopleListed {
            room: "on-call".into(),
            present: vec!["eva".into(), "gus".into()],
        })
}

/// People of the call.
pub fn participants() -> Vec<Participant> {
    let participant = |name: &str, publishing, muted, loss| Participant {
        user: name.into(),
        publishing,
        muted,
        loss,
        unreadable: false,
    };
    vec![
        participant("ana", true, false, None),
        participant("ben", true, false, Some(0.001)),
        participant("chi", true, true, None),
        participant("dee", false, false, None),
        participant("eva", true, false, Some(0.02)),
    ]
}

/// Levels of the call: `own` and `ben` speak as loud as told, in dBFS.
pub fn levels(own: f32, ben: f32) -> Event {
    let level = |user: &str, stream, db: f32, muted| SpeakerLevel {
        user: user.into(),
        stream,
        level: Level::from_dbfs(db),
        speaking: db > -40.0,
        muted,
        loss: None,
    };
    Event::LevelsMeasured(AudioLevels {
        levels: vec![
            level("ana", None, own, false),
            level("ben", Some(StreamId(2)), ben, false),
            level("chi", Some(StreamId(3)), -99.0, true),
            level("eva", Some(StreamId(4)), -52.0, false),
        ],
        output: Level::from_dbfs(ben),
    })
}

/// Statistics `seconds` into a call.
pub fn stats(seconds: u64) -> Event {
    Event::StatsMeasured(CallStats {
        packets: 150 * seconds,
        lost: seconds / 4,
        concealed_ms: 20 * (seconds / 4),
        jitter_ms: 3.7,
        rtt_ms: Some(23.4),
        dropped_unauthenticated: 0,
        bytes: 5_125 * seconds,
        packets_sent: 50 * seconds,
        bytes_sent: 1_500 * seconds,
        ..CallStats::default()
    })
}

/// In the war room with four others, one of whom speaks.
pub fn busy(ui: Harness) -> Harness {
    let user = |name: &str| UserWithPubKey { user_id: name.into(), pub_key: String::new() };
    let room = StreamRoomId::from("war-room");
    let joined = |name: &str| EventKind::StreamRoomJoined { room: room.clone(), user: name.into() };
    let gone = EventKind::ContextUserStatusChanged {
        context: ContextId::from("c"),
        user: user("fritz"),
        active: false,
    };
    lobby(ui)
        .press("j j enter")
        .event(Event::CallJoined { room: room.clone(), listen_only: false })
        .event(Event::ParticipantsChanged(participants()))
        .event(news(1, joined("ben")))
        .event(news(20, joined("chi")))
        .event(news(64, joined("dee")))
        .event(news(70, gone))
        .event(news(75, EventKind::StreamRoomLeft { room: room.clone(), user: "gus".into() }))
        .event(news(80, joined("eva")))
        .event(stats(100))
        .wait(Duration::from_secs(1))
        .event(levels(-30.0, -12.0))
        .wait(Duration::from_millis(100))
        .event(levels(-47.0, -18.0))
        .event(stats(101))
}

/// A busy screen of this size.
pub fn in_call(width: u16, height: u16) -> Harness {
    busy(Harness::new(width, height))
}

/// A busy screen of this size and look.
pub fn in_call_looking(width: u16, height: u16, depth: Depth, glyphs: GlyphChoice) -> Harness {
    busy(Harness::with_look(width, height, depth, glyphs))
}

/// Somebody who wants to be let in.
pub fn request(id: u64, vouched: bool) -> AdmissionRequest {
    AdmissionRequest {
        id: AdmissionId(id),
        name: "ben".to_owned(),
        fingerprint: "4f2a 91c0 77b1 03de".to_owned(),
        vouched,
        room: "war-room".to_owned(),
    }
}
