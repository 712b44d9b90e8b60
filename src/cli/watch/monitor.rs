//! Decides when alert rules begin and cease to hold: a step function over [`Scene`]s.
//!
//! A rule holds once its condition has been true for as long as it says; gaps shorter than
//! [`GAP`] don't count, or no sentence would be longer than its first word. It ceases to hold
//! once the condition, with the margin of its figure, has been false for a while. What is not
//! known at the moment, because a call is being restored, changes nothing.
//!
//! Invariant: for each rule, room and user, alerts are raised and cleared in turn.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;
use std::time::Instant;

use crate::model::StreamRoomId;
use crate::model::UserId;

use super::rule::Condition;
use super::rule::Figure;
use super::rule::Rule;
use super::scene::PersonScene;
use super::scene::RoomScene;
use super::scene::Scene;

/// A condition that is false for a shorter time has not been false.
pub const GAP: Duration = Duration::from_millis(600);
/// A level at which nothing can be heard, dBFS.
pub const SILENCE: f64 = -50.0;
/// What goes by the same time that it took to raise an alert clears it, within these bounds.
const CLEAR_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// A rule began or ceased to hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Which rule, by its place in the list.
    pub rule: usize,
    /// It holds now; else it does not any more.
    pub raised: bool,
    /// In which room, unless it is about the bridge.
    pub room: Option<StreamRoomId>,
    /// The room's name, fit for a terminal.
    pub room_name: Option<String>,
    /// For whom, if it is about a user.
    pub user: Option<UserId>,
    /// The figure, if it is about one.
    pub value: Option<f64>,
    /// For how long the condition has been true, or was until it ceased.
    pub lasted: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    rule: usize,
    room: Option<StreamRoomId>,
    user: Option<UserId>,
}

#[derive(Clone, Debug)]
struct State {
    raised: bool,
    /// When the condition became true.
    since: Instant,
    /// When it was last true.
    last: Instant,
    room_name: Option<String>,
}

/// How a condition stands for one subject.
struct Finding {
    subject: Subject,
    room_name: Option<String>,
    /// It is true as it was written.
    strict: bool,
    /// It is true, or not far from it.
    wide: bool,
    value: Option<f64>,
}

/// The rules and how far each of them has come.
#[derive(Debug, Default)]
pub struct Monitor {
    rules: Vec<Rule>,
    states: BTreeMap<Subject, State>,
    raised: Vec<u64>,
}

impl Monitor {
    /// Watches over `rules`.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let raised = vec![0; rules.len()];
        Self { rules, states: BTreeMap::new(), raised }
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How often each rule was raised, in the same order.
    #[must_use]
    pub fn raised(&self) -> &[u64] {
        &self.raised
    }

    /// For each rule how many of its alerts are raised now.
    #[must_use]
    pub fn active(&self) -> Vec<usize> {
        let mut active = vec![0; self.rules.len()];
        for (subject, _) in self.states.iter().filter(|(_, state)| state.raised) {
            if let Some(count) = active.get_mut(subject.rule) {
                *count += 1;
            }
        }
        active
    }

    /// Takes how things stand; returns what has changed. `now` never goes back.
    pub fn observe(&mut self, now: Instant, scene: &Scene) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let mut seen = BTreeSet::new();
        for index in 0..self.rules.len() {
            let Some(rule) = self.rules.get(index).cloned() else { break };
            for finding in findings(index, &rule, scene) {
                seen.insert(finding.subject.clone());
                alerts.extend(self.weigh(now, &rule, finding));
            }
        }
        alerts.extend(self.settle_the_rest(now, scene, &seen));
        alerts
    }

    fn weigh(&mut self, now: Instant, rule: &Rule, finding: Finding) -> Option<Alert> {
        let Finding { subject, room_name, strict, wide, value } = finding;
        let state = match self.states.get_mut(&subject) {
            Some(state) => state,
            None if strict => {
                let fresh = State { raised: false, since: now, last: now, room_name };
                self.states.entry(subject.clone()).or_insert(fresh)
            }
            None => return None,
        };
        let holds = if state.raised { wide } else { strict };
        if holds {
            state.last = now;
            let lasted = now.saturating_duration_since(state.since);
            if state.raised || lasted < rule.hold {
                return None;
            }
            state.raised = true;
            let alert = alert(&subject, state, true, value, lasted);
            if let Some(count) = self.raised.get_mut(subject.rule) {
                *count = count.saturating_add(1);
            }
            return Some(alert);
        }
        let away = now.saturating_duration_since(state.last);
        if state.raised && away >= rule.hold.clamp(CLEAR_AFTER.0, CLEAR_AFTER.1) {
            let lasted = state.last.saturating_duration_since(state.since);
            let alert = alert(&subject, state, false, value, lasted);
            self.states.remove(&subject);
            return Some(alert);
        }
        if !state.raised && away >= GAP {
            self.states.remove(&subject);
        }
        None
    }

    /// What nothing was found out about: rooms that are not current keep their alerts, and begin
    /// anew with what was only on its way; alerts of what is gone are over.
    fn settle_the_rest(
        &mut self,
        now: Instant,
        scene: &Scene,
        seen: &BTreeSet<Subject>,
    ) -> Vec<Alert> {
        let mut alerts = Vec::new();
        self.states.retain(|subject, state| {
            if seen.contains(subject) {
                return true;
            }
            let room = subject.room.as_ref().and_then(|room| scene.rooms.get(room));
            if room.is_some_and(|room| !room.current) {
                state.last = now;
                return state.raised;
            }
            if state.raised {
                let lasted = state.last.saturating_duration_since(state.since);
                alerts.push(alert(subject, state, false, None, lasted));
            }
            false
        });
        alerts
    }
}

fn alert(
    subject: &Subject,
    state: &State,
    raised: bool,
    value: Option<f64>,
    lasted: Duration,
) -> Alert {
    Alert {
        rule: subject.rule,
        raised,
        room: subject.room.clone(),
        room_name: state.room_name.clone(),
        user: subject.user.clone(),
        value,
        lasted,
    }
}

/// How a rule's condition stands for everything that it is about.
fn findings(index: usize, rule: &Rule, scene: &Scene) -> Vec<Finding> {
    if rule.condition == Condition::Disconnected {
        let subject = Subject { rule: index, room: None, user: None };
        let (strict, wide) = (!scene.connected, !scene.connected);
        return vec![Finding { subject, room_name: None, strict, wide, value: None }];
    }
    let wanted = |id: &StreamRoomId, room: &RoomScene| {
        rule.room.as_ref().is_none_or(|wanted| *wanted == id.0 || *wanted == room.name)
    };
    let rooms = scene.rooms.iter().filter(|(id, room)| room.current && wanted(id, room));
    let mut findings = Vec::new();
    for (id, room) in rooms {
        let found = |user: Option<&UserId>, (strict, wide, value): Reading| Finding {
            subject: Subject { rule: index, room: Some(id.clone()), user: user.cloned() },
            room_name: Some(room.name.clone()),
            strict,
            wide,
            value,
        };
        if rule.condition.is_of_user() || rule.user.is_some() {
            let people = room
                .people
                .iter()
                .filter(|(user, _)| rule.user.as_ref().is_none_or(|wanted| *wanted == user.0));
            findings.extend(people.filter_map(|(user, person)| {
                of_person(&rule.condition, person).map(|reading| found(Some(user), reading))
            }));
        } else if let Some(reading) = of_room(&rule.condition, room) {
            findings.push(found(None, reading));
        }
    }
    findings
}

/// Whether a condition is true, whether it is at least nearly true, and the figure.
type Reading = (bool, bool, Option<f64>);

fn of_person(condition: &Condition, person: &PersonScene) -> Option<Reading> {
    let fact = |holds| Some((holds, holds, None));
    match condition {
        Condition::Compare(figure, comparison, number) => {
            let sound = person.sound.as_ref();
            let value = match figure {
                Figure::Level => sound?.level,
                Figure::Loss => sound?.loss? * 100.0,
                Figure::Jitter => sound?.jitter_ms,
                Figure::Concealed => count(person.recent.concealed_ms),
                Figure::Undecryptable => count(person.recent.undecryptable),
                Figure::People | Figure::Streams => return None,
            };
            let strict = comparison.holds(value, *number, 0.0);
            Some((strict, comparison.holds(value, *number, figure.margin()), Some(value)))
        }
        Condition::Silence if person.present => {
            let level = person.sound.map_or(f64::NEG_INFINITY, |sound| sound.level);
            Some(silent(level))
        }
        Condition::Speaking => fact(person.sound.is_some_and(|sound| sound.speaking)),
        Condition::Left => fact(person.departed),
        Condition::Joined => fact(person.present && person.arrived),
        Condition::Silence | Condition::Disconnected => None,
    }
}

fn of_room(condition: &Condition, room: &RoomScene) -> Option<Reading> {
    match condition {
        Condition::Compare(figure, comparison, number) => {
            let value = match figure {
                Figure::People => room.present(),
                Figure::Streams => room.streams,
                _ => return None,
            };
            let value = count(u64::try_from(value).unwrap_or(u64::MAX));
            let holds = comparison.holds(value, *number, 0.0);
            Some((holds, holds, Some(value)))
        }
        Condition::Silence => {
            let sounds = room.people.values().filter_map(|person| person.sound);
            let loudest = sounds.map(|sound| sound.level).fold(f64::NEG_INFINITY, f64::max);
            Some(silent(loudest))
        }
        _ => None,
    }
}

fn silent(level: f64) -> Reading {
    let value = level.is_finite().then_some(level);
    (level <= SILENCE, level <= SILENCE + Figure::Level.margin(), value)
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds and people are small")]
const fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::watch::scene::Sound;
    use crate::cli::watch::scene::Totals;

    const STEP: Duration = Duration::from_millis(200);

    /// A scene with one room and ana in it.
    fn scene(change: impl FnOnce(&mut PersonScene)) -> Scene {
        let mut ana = PersonScene { present: true, ..PersonScene::default() };
        ana.sound = Some(Sound { level: -90.0, ..Sound::default() });
        change(&mut ana);
        let room = RoomScene {
            name: "war-room".to_owned(),
            current: true,
            streams: 1,
            people: BTreeMap::from([("ana".into(), ana)]),
        };
        Scene { connected: true, rooms: BTreeMap::from([("r1".into(), room)]) }
    }

    fn at_level(level: f64) -> Scene {
        scene(|ana| ana.sound = Some(Sound { level, ..Sound::default() }))
    }

    /// Runs a rule over scenes, one per [`STEP`]; answers at which step what was told.
    fn run(rule: &str, scenes: impl IntoIterator<Item = Scene>) -> Vec<(usize, bool)> {
        let mut monitor = Monitor::new(vec![rule.parse().unwrap()]);
        let start = Instant::now();
        let mut told = Vec::new();
        for (step, scene) in scenes.into_iter().enumerate() {
            let now = start + STEP * u32::try_from(step).unwrap();
            told.extend(monitor.observe(now, &scene).into_iter().map(|a| (step, a.raised)));
        }
        told
    }

    /// So many steps of the same.
    fn times(count: usize, scene: &Scene) -> Vec<Scene> {
        vec![scene.clone(); count]
    }

    type Case = (&'static str, &'static str, Vec<Vec<Scene>>, Vec<(usize, bool)>);

    fn check(cases: Vec<Case>) {
        for (name, rule, scenes, expected) in cases {
            assert_eq!(run(rule, scenes.into_iter().flatten()), expected, "{name}");
        }
    }

    #[test]
    fn alerts_come_when_a_level_has_lasted() {
        let (loud, quiet) = (at_level(-20.0), at_level(-90.0));
        let within = at_level(-32.0);
        let over = vec![(0, true), (5, false)];
        let plain = "level > -30";
        let two = "level > -30 for 2s";
        check(vec![
            ("at once", plain, vec![times(1, &loud)], vec![(0, true)]),
            ("once only", plain, vec![times(50, &loud)], vec![(0, true)]),
            ("not before its time", two, vec![times(10, &loud)], vec![]),
            ("after its time", two, vec![times(11, &loud)], vec![(10, true)]),
            (
                "a short gap does not count",
                two,
                vec![times(5, &loud), times(2, &quiet), times(4, &loud)],
                vec![(10, true)],
            ),
            (
                "a long gap begins anew",
                two,
                vec![times(5, &loud), times(4, &quiet), times(10, &loud)],
                vec![],
            ),
            ("over after a second", plain, vec![times(1, &loud), times(6, &quiet)], over),
            (
                "over after 5 s at most",
                "level > -30 for 1m",
                vec![times(301, &loud), times(30, &quiet)],
                vec![(300, true), (325, false)],
            ),
            (
                "within the margin it goes on",
                plain,
                vec![times(1, &loud), times(50, &within), times(6, &at_level(-34.0))],
                vec![(0, true), (55, false)],
            ),
            ("not for another user", "level > -30 of ben", vec![times(5, &loud)], vec![]),
            ("not in another room", "level > -30 in lobby", vec![times(5, &loud)], vec![]),
            ("a room by name", "level > -30 in war-room", vec![times(1, &loud)], vec![(0, true)]),
            ("a room by id", "level > -30 in r1", vec![times(1, &loud)], vec![(0, true)]),
        ]);
    }

    #[test]
    fn alerts_come_when_things_happen() {
        let (loud, quiet, here) = (at_level(-20.0), at_level(-90.0), scene(|_| ()));
        let gone = scene(|ana| {
            (ana.present, ana.departed, ana.sound) = (false, true, None);
        });
        let broken = scene(|ana| ana.recent = Totals { undecryptable: 3, ..Totals::default() });
        let away = Scene { connected: false, ..here.clone() };
        let over = vec![(0, true), (5, false)];
        check(vec![
            ("silence", "silence for 1s", vec![times(6, &quiet)], vec![(5, true)]),
            (
                "sound ends silence",
                "silence",
                vec![times(1, &quiet), times(6, &loud)],
                over.clone(),
            ),
            ("who is not there is not silent", "silence of ana", vec![times(9, &gone)], vec![]),
            ("left", "left ana", vec![times(3, &here), times(2, &gone)], vec![(3, true)]),
            ("back again", "left", vec![times(1, &gone), times(6, &here)], over),
            ("there from the start", "joined", vec![times(9, &here)], vec![]),
            (
                "undecryptable",
                "undecryptable > 0",
                vec![times(1, &here), times(3, &broken), times(5, &here)],
                vec![(1, true), (8, false)],
            ),
            ("people", "people < 2", vec![times(1, &here)], vec![(0, true)]),
            (
                "disconnected",
                "disconnected for 1s",
                vec![times(1, &here), times(6, &away), times(6, &here)],
                vec![(6, true), (11, false)],
            ),
        ]);
    }

    #[test]
    fn what_is_not_known_changes_nothing() {
        let loud = at_level(-20.0);
        let mut frozen = loud.clone();
        frozen.rooms.values_mut().for_each(|room| room.current = false);
        let empty = Scene { connected: true, ..Scene::default() };
        check(vec![
            (
                "an alert stays",
                "level > -30",
                vec![times(1, &loud), times(50, &frozen), times(1, &loud)],
                vec![(0, true)],
            ),
            (
                "what was on its way begins anew",
                "level > -30 for 2s",
                vec![times(8, &loud), times(50, &frozen), times(10, &loud)],
                vec![],
            ),
            (
                "a room that is gone ends its alerts",
                "level > -30",
                vec![times(1, &loud), times(2, &empty)],
                vec![(0, true), (1, false)],
            ),
        ]);
    }

    #[test]
    fn an_alert_says_where_who_and_how_much() {
        let mut monitor = Monitor::new(vec!["level > -30".parse().unwrap()]);
        let alerts = monitor.observe(Instant::now(), &at_level(-12.5));
        let expected = Alert {
            rule: 0,
            raised: true,
            room: Some("r1".into()),
            room_name: Some("war-room".to_owned()),
            user: Some("ana".into()),
            value: Some(-12.5),
            lasted: Duration::ZERO,
        };
        assert_eq!(alerts, [expected]);
        assert_eq!((monitor.active(), monitor.raised()), (vec![1], [1].as_slice()));
    }

    proptest! {
        #[test]
        fn alerts_take_turns_and_never_come_early(
            levels in prop::collection::vec(-60.0..0.0f64, 1..200),
            hold_ms in 0u64..4000,
        ) {
            let rule = format!("level > -30 for {hold_ms}ms");
            let told = run(&rule, levels.iter().map(|level| at_level(*level)));
            for (index, (_, raised)) in told.iter().enumerate() {
                prop_assert_eq!(*raised, index % 2 == 0, "in turns");
            }
            for pair in told.windows(2) {
                let apart = STEP * u32::try_from(pair[1].0 - pair[0].0).unwrap();
                let least = if pair[1].1 { Duration::from_millis(hold_ms) } else { CLEAR_AFTER.0 };
                prop_assert!(apart >= least, "{told:?}");
            }
            if let Some((first, _)) = told.first() {
                prop_assert!(STEP * u32::try_from(*first).unwrap() >= Duration::from_millis(hold_ms));
                prop_assert!(levels[*first] > -30.0, "raised while it is true");
            }
        }

        #[test]
        fn a_level_that_wobbles_at_the_edge_rings_once(
            levels in prop::collection::vec(-32.9..-30.1f64, 1..200),
        ) {
            let scenes = std::iter::once(-20.0).chain(levels).map(at_level);
            prop_assert_eq!(run("level > -30", scenes), [(0, true)]);
        }

        #[test]
        fn what_holds_long_enough_is_always_told(
            before in prop::collection::vec(-60.0..0.0f64, 0..50),
            hold_ms in 0u64..3000,
        ) {
            let steps = usize::try_from(hold_ms / 200 + 2).unwrap();
            let scenes = before.into_iter().chain(std::iter::repeat_n(-10.0, steps)).map(at_level);
            let told = run(&format!("level > -30 for {hold_ms}ms"), scenes);
            prop_assert_eq!(told.last().map(|(_, raised)| *raised), Some(true));
        }
    }
}
