//! Figures in the Prometheus text format (version 0.0.4): a pure function of a [`Scene`].

use std::fmt::Write;

use super::scene::PersonScene;
use super::scene::Scene;

/// Everything that is served.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Rooms and people.
    pub scene: Scene,
    /// Per rule: its text, how many alerts are raised now, how many were raised so far.
    pub alerts: Vec<(String, usize, u64)>,
    /// How often the connection to the bridge came back.
    pub reconnections: u64,
}

/// One family of figures about people.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&PersonScene) -> Option<f64>,
}

const PEOPLE: &[Family] = &[
    Family {
        name: "conclave_present",
        kind: "gauge",
        help: "Whether the user is in the room.",
        value: |person| Some(flag(person.present)),
    },
    Family {
        name: "conclave_level_dbfs",
        kind: "gauge",
        help: "Sound level now, in dBFS.",
        value: |person| Some(person.sound?.level),
    },
    Family {
        name: "conclave_speaking",
        kind: "gauge",
        help: "Whether the user speaks now.",
        value: |person| Some(flag(person.sound?.speaking)),
    },
    Family {
        name: "conclave_muted",
        kind: "gauge",
        help: "Whether the user says to be muted.",
        value: |person| Some(flag(person.sound?.muted)),
    },
    Family {
        name: "conclave_loss_ratio",
        kind: "gauge",
        help: "Share of packets lost in the last seconds.",
        value: |person| person.sound?.loss,
    },
    Family {
        name: "conclave_jitter_seconds",
        kind: "gauge",
        help: "Interarrival jitter (RFC 3550).",
        value: |person| Some(person.sound?.jitter_ms / 1000.0),
    },
    Family {
        name: "conclave_speaking_seconds_total",
        kind: "counter",
        help: "Time spoken since watching began.",
        value: |person| Some(seconds(person.totals.speaking_ms)),
    },
    Family {
        name: "conclave_concealed_seconds_total",
        kind: "counter",
        help: "Sound invented to cover losses.",
        value: |person| Some(seconds(person.totals.concealed_ms)),
    },
    Family {
        name: "conclave_undecryptable_frames_total",
        kind: "counter",
        help: "Frames and messages that did not authenticate.",
        value: |person| Some(number(person.totals.undecryptable)),
    },
    Family {
        name: "conclave_packets_total",
        kind: "counter",
        help: "RTP packets received.",
        value: |person| Some(number(person.totals.packets)),
    },
    Family {
        name: "conclave_packets_lost_total",
        kind: "counter",
        help: "RTP packets that never came.",
        value: |person| Some(number(person.totals.lost)),
    },
    Family {
        name: "conclave_bytes_total",
        kind: "counter",
        help: "Bytes of sealed sound received.",
        value: |person| Some(number(person.totals.bytes)),
    },
];

/// The text that is served.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let out = &mut text;
    head(out, "conclave_connected", "gauge", "Whether the bridge can be reached.");
    sample(out, "conclave_connected", &[], flag(snapshot.scene.connected));
    head(out, "conclave_reconnections_total", "counter", "Times the connection came back.");
    sample(out, "conclave_reconnections_total", &[], number(snapshot.reconnections));
    rooms(out, &snapshot.scene);
    for family in PEOPLE {
        head(out, family.name, family.kind, family.help);
        for (id, room) in &snapshot.scene.rooms {
            for (user, person) in &room.people {
                let labels =
                    [("room", id.as_str()), ("room_name", &room.name), ("user", user.as_str())];
                if let Some(value) = (family.value)(person) {
                    sample(out, family.name, &labels, value);
                }
            }
        }
    }
    if !snapshot.alerts.is_empty() {
        head(out, "conclave_alerts_active", "gauge", "Alerts that are raised now.");
        for (rule, active, _) in &snapshot.alerts {
            sample(out, "conclave_alerts_active", &[("rule", rule)], size(*active));
        }
        head(out, "conclave_alerts_total", "counter", "Alerts raised since watching began.");
        for (rule, _, raised) in &snapshot.alerts {
            sample(out, "conclave_alerts_total", &[("rule", rule)], number(*raised));
        }
    }
    text
}

fn rooms(out: &mut String, scene: &Scene) {
    type Value = fn(&super::scene::RoomScene) -> f64;
    let families: [(&str, &str, Value); 3] = [
        ("conclave_room_current", "Whether the call works.", |room| flag(room.current)),
        ("conclave_room_people", "People in the room, without this watcher.", |room| {
            size(room.present())
        }),
        ("conclave_room_streams", "Streams published in the room.", |room| size(room.streams)),
    ];
    for (name, help, value) in families {
        head(out, name, "gauge", help);
        for (id, room) in &scene.rooms {
            sample(out, name, &[("room", id.as_str()), ("room_name", &room.name)], value(room));
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(out: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    out.push_str(name);
    for (index, (label, text)) in labels.iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        out.push_str(label);
        out.push_str("=\"");
        escape(out, text);
        out.push('"');
    }
    if !labels.is_empty() {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

/// A label's value: backslash, quotation mark and line feed are escaped.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

const fn flag(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

fn seconds(ms: u64) -> f64 {
    number(ms) / 1000.0
}

fn size(count: usize) -> f64 {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in f64")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::cli::watch::scene::RoomScene;
    use crate::cli::watch::scene::Sound;
    use crate::cli::watch::scene::Totals;

    fn snapshot(room_name: &str, user: &str) -> Snapshot {
        let totals =
            Totals { packets: 100, speaking_ms: 1500, undecryptable: 2, ..Totals::default() };
        let sound = Sound { level: -18.5, speaking: true, loss: Some(0.25), ..Sound::default() };
        let person =
            PersonScene { present: true, sound: Some(sound), totals, ..PersonScene::default() };
        let room = RoomScene {
            name: room_name.to_owned(),
            current: true,
            streams: 1,
            people: BTreeMap::from([(user.into(), person)]),
        };
        Snapshot {
            scene: Scene { connected: true, rooms: BTreeMap::from([("r1".into(), room)]) },
            alerts: vec![("level > -30".to_owned(), 1, 3)],
            reconnections: 0,
        }
    }

    #[test]
    fn figures_are_told_per_user_and_room() {
        let text = render(&snapshot("war-room", "ana"));
        let labels = "{room=\"r1\",room_name=\"war-room\",user=\"ana\"}";
        for line in [
            "conclave_connected 1".to_owned(),
            "conclave_room_people{room=\"r1\",room_name=\"war-room\"} 1".to_owned(),
            format!("conclave_level_dbfs{labels} -18.5"),
            format!("conclave_speaking_seconds_total{labels} 1.5"),
            format!("conclave_loss_ratio{labels} 0.25"),
            format!("conclave_undecryptable_frames_total{labels} 2"),
            "conclave_alerts_active{rule=\"level > -30\"} 1".to_owned(),
            "conclave_alerts_total{rule=\"level > -30\"} 3".to_owned(),
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
        let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        let names: std::collections::BTreeSet<_> =
            text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        assert_eq!(families, names.len(), "each family stands together");
    }

    proptest! {
        #[test]
        fn no_name_breaks_a_line(name in "\\PC{0,20}|[\\\\\"\n]{0,9}", user in "\\PC{0,20}|[\\\\\"\n]{0,9}") {
            let lines = render(&snapshot("a", "b")).lines().count();
            let text = render(&snapshot(&name, &user));
            prop_assert_eq!(text.split('\n').count() - 1, lines);
            for line in text.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#')) {
                prop_assert!(line.starts_with("conclave_"), "{line}");
                let value = line.rsplit(' ').next().unwrap();
                prop_assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
}
