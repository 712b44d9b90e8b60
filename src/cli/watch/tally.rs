//! Adds up what is measured in one room, per user: a step function.
//!
//! Tracks come and go, and their counters with them; a person's counters only grow. People who
//! have left are remembered, so that it can be told that they left and how long they spoke.
//!
//! Invariant: no more than [`MAX_PEOPLE`] people are remembered, whatever a bridge makes up.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use crate::api::Person;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::TrackStats;
use crate::model::UserId;

use super::scene::PersonScene;
use super::scene::RoomScene;
use super::scene::Sound;
use super::scene::Totals;

/// People that are remembered per room; those who left longest by name go first.
pub const MAX_PEOPLE: usize = 1000;
/// What is recent.
pub const RECENT: Duration = Duration::from_secs(10);
/// How often the counters of [`RECENT`] are noted.
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// No step counts for more: after a machine slept for an hour, nobody has spoken for an hour.
const LONGEST_STEP: Duration = Duration::from_secs(1);
/// After a call was restored, its list of people is not complete for so long.
const SETTLE: Duration = Duration::from_secs(3);

/// Somebody as they are told of once a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// Who.
    pub user: UserId,
    /// Their first stream.
    pub stream: Option<StreamId>,
    /// Loudest since the last report, dBFS.
    pub loudest: f64,
    /// How they sound now.
    pub sound: Sound,
    /// Counters since watching began.
    pub totals: Totals,
}

/// One room.
#[derive(Debug, Default)]
pub struct Tally {
    name: String,
    people: BTreeMap<UserId, Tallied>,
    streams: BTreeMap<StreamId, UserId>,
    /// People were told of before, so whoever comes now has arrived.
    begun: bool,
    /// The call works.
    current: bool,
    /// Since when it works again after it did not.
    restored: Option<Instant>,
    observed: Option<Instant>,
}

#[derive(Debug, Default)]
struct Tallied {
    present: bool,
    arrived: bool,
    was_present: bool,
    /// They only listened when the connection was lost, and no list tells whether they still do.
    assumed: bool,
    /// They publish, so that a list of streams can tell whether they are there.
    publishes: bool,
    tracks: BTreeMap<(StreamId, TrackId), Totals>,
    sound: Option<Sound>,
    loudest: Option<f64>,
    totals: Totals,
    notes: VecDeque<(Instant, Totals)>,
}

impl Tally {
    /// A room of which nothing is known but the name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Takes the room's name as it is now.
    pub fn set_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// The room's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes whether the call works.
    pub fn set_current(&mut self, now: Instant, current: bool) {
        if current && !self.current && self.begun {
            self.restored = Some(now);
        }
        self.current = current;
    }

    /// Takes who is in the room. Not used while the call does not work: the list is empty then.
    pub fn observe_people(&mut self, now: Instant, people: &[Person]) {
        if !self.current {
            return;
        }
        // Our own listening is nobody's presence.
        let there: Vec<&Person> =
            people.iter().filter(|p| !p.is_self || !p.streams.is_empty()).collect();
        self.streams = there
            .iter()
            .flat_map(|person| person.streams.iter().map(|id| (*id, person.user.clone())))
            .collect();
        let settling = self.restored.is_some_and(|at| now.saturating_duration_since(at) < SETTLE);
        for person in &there {
            let arrived = self.begun;
            if let Some(tallied) = self.person(&person.user) {
                tallied.arrived |= arrived && !tallied.present;
                (tallied.present, tallied.was_present) = (true, true);
                tallied.assumed = false;
                tallied.publishes = !person.streams.is_empty();
            }
        }
        if settling {
            return;
        }
        let after_restoring = self.restored.take().is_some();
        for (user, tallied) in &mut self.people {
            if there.iter().any(|person| person.user == *user) {
                continue;
            }
            tallied.assumed |= after_restoring && tallied.present && !tallied.publishes;
            tallied.present &= tallied.assumed;
            tallied.publishes = false;
        }
        self.begun = true;
    }

    /// Takes the fact that somebody left; needed for those whom no list tells of.
    pub fn observe_left(&mut self, user: &UserId) {
        if let Some(tallied) = self.people.get_mut(user)
            && std::mem::take(&mut tallied.assumed)
        {
            tallied.present = false;
        }
    }

    /// Takes the tracks as they are now.
    pub fn observe_tracks(&mut self, now: Instant, tracks: &[TrackStats]) {
        let step = self.observed.replace(now).map_or(Duration::ZERO, |before| {
            now.saturating_duration_since(before).min(LONGEST_STEP)
        });
        for tallied in self.people.values_mut() {
            tallied.sound = None;
            tallied.tracks.retain(|(stream, line), _| {
                tracks.iter().any(|track| track.stream == *stream && track.line == *line)
            });
        }
        for track in tracks {
            // Before the bridge has said whose it is, nobody can be told of it.
            if !track.user.as_str().is_empty()
                && let Some(tallied) = self.person(&track.user)
            {
                tallied.hear(track);
            }
        }
        for tallied in self.people.values_mut() {
            tallied.pass(now, step);
        }
    }

    /// Counts a message on `stream` that did not authenticate.
    pub fn count_refused_message(&mut self, stream: StreamId) {
        if let Some(user) = self.streams.get(&stream).cloned()
            && let Some(tallied) = self.person(&user)
        {
            tallied.totals.undecryptable = tallied.totals.undecryptable.saturating_add(1);
        }
    }

    /// Everybody who is heard, and begins the next second.
    pub fn report(&mut self) -> Vec<Spoken> {
        let streams = &self.streams;
        let heard = self.people.iter_mut().filter_map(|(user, tallied)| {
            let sound = tallied.sound?;
            let loudest = tallied.loudest.take().unwrap_or(sound.level);
            let stream = streams.iter().find(|(_, owner)| *owner == user).map(|(id, _)| *id);
            Some(Spoken { user: user.clone(), stream, loudest, sound, totals: tallied.totals })
        });
        heard.collect()
    }

    /// How things stand now.
    #[must_use]
    pub fn scene(&self) -> RoomScene {
        let person = |tallied: &Tallied| PersonScene {
            present: tallied.present,
            arrived: tallied.arrived,
            departed: tallied.was_present && !tallied.present,
            sound: tallied.sound,
            totals: tallied.totals,
            recent: tallied.recent(),
        };
        RoomScene {
            name: self.name.clone(),
            current: self.current && self.restored.is_none(),
            streams: self.streams.len(),
            people: self.people.iter().map(|(user, t)| (user.clone(), person(t))).collect(),
        }
    }

    /// The entry of a user; `None` if there are too many.
    fn person(&mut self, user: &UserId) -> Option<&mut Tallied> {
        if !self.people.contains_key(user) && self.people.len() >= MAX_PEOPLE {
            let gone = self.people.iter().find(|(_, t)| !t.present).map(|(user, _)| user.clone());
            self.people.remove(&gone?);
        }
        Some(self.people.entry(user.clone()).or_default())
    }
}

impl Tallied {
    fn hear(&mut self, track: &TrackStats) {
        let counted = Totals {
            packets: track.packets,
            lost: track.lost,
            bytes: track.bytes,
            concealed_ms: track.concealed_ms,
            undecryptable: track.dropped_unauthenticated,
            speaking_ms: 0,
        };
        let before = self.tracks.insert((track.stream, track.line.clone()), counted);
        self.totals.add(&counted.since(&before.unwrap_or_default()));
        let level = f64::from(track.level.dbfs());
        let sound = Sound {
            level,
            speaking: track.speaking && !track.muted,
            muted: track.muted,
            loss: track.loss.map(f64::from),
            jitter_ms: track.jitter_ms,
        };
        // Of several tracks the loudest is heard.
        if self.sound.is_none_or(|other| other.level < level) {
            self.sound = Some(sound);
        }
        self.loudest = Some(self.loudest.map_or(level, |loudest| loudest.max(level)));
    }

    /// Lets time pass.
    fn pass(&mut self, now: Instant, step: Duration) {
        if self.sound.is_some_and(|sound| sound.speaking) {
            let step = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
            self.totals.speaking_ms = self.totals.speaking_ms.saturating_add(step);
        }
        let due = self
            .notes
            .back()
            .is_none_or(|(at, _)| now.saturating_duration_since(*at) >= NOTE_EVERY);
        if due {
            // Zero for the first note: what came with the first look is recent, too.
            let note = if self.notes.is_empty() { Totals::default() } else { self.totals };
            self.notes.push_back((now, note));
        }
        // The oldest that is kept lies at the far end of what is recent.
        while self.notes.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= RECENT)
        {
            self.notes.pop_front();
        }
    }

    fn recent(&self) -> Totals {
        let before = self.notes.front().map(|(_, totals)| *totals).unwrap_or_default();
        self.totals.since(&before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Level;

    fn track(user: &str, stream: i64, packets: u64) -> TrackStats {
        TrackStats {
            user: user.into(),
            stream: StreamId(stream),
            line: "0".into(),
            packets,
            lost: 0,
            bytes: packets * 100,
            concealed_ms: 0,
            jitter_ms: 1.5,
            dropped_unauthenticated: 0,
            loss: None,
            level: Level::from_dbfs(-20.0),
            speaking: true,
            muted: false,
        }
    }

    fn person(user: &str, streams: &[i64], is_self: bool) -> Person {
        Person {
            user: user.into(),
            is_self,
            streams: streams.iter().map(|id| StreamId(*id)).collect(),
            has_audio: !streams.is_empty(),
            has_data: false,
            videos: Vec::new(),
        }
    }

    struct Clock(Instant);

    impl Clock {
        fn after(&mut self, ms: u64) -> Instant {
            self.0 += Duration::from_millis(ms);
            self.0
        }
    }

    fn joined() -> (Tally, Clock) {
        let (mut tally, clock) = (Tally::new("lobby"), Clock(Instant::now()));
        tally.set_current(clock.0, true);
        (tally, clock)
    }

    fn present(tally: &Tally) -> Vec<(String, bool)> {
        let scene = tally.scene();
        let there = scene.people.iter().filter(|(_, person)| person.present);
        there.map(|(user, person)| (user.0.clone(), person.arrived)).collect()
    }

    #[test]
    fn counters_of_a_person_outlive_their_tracks() {
        let (mut tally, mut clock) = joined();
        tally.observe_tracks(clock.after(0), &[track("ana", 1, 10)]);
        tally.observe_tracks(clock.after(200), &[track("ana", 1, 20)]);
        tally.observe_tracks(clock.after(200), &[]);
        assert_eq!(tally.scene().people[&"ana".into()].sound, None);
        tally.observe_tracks(clock.after(200), &[track("ana", 2, 5)]);
        tally.observe_tracks(clock.after(200), &[track("ana", 2, 7), track("ana", 3, 1)]);
        let totals = tally.scene().people[&"ana".into()].totals;
        assert_eq!((totals.packets, totals.bytes), (28, 2800));
        // Two steps with a track that speaks followed one with it; a gap is not spoken.
        assert_eq!(totals.speaking_ms, 600);
    }

    #[test]
    fn recent_is_what_the_last_ten_seconds_brought() {
        let (mut tally, mut clock) = joined();
        let broken =
            |count: u64| TrackStats { dropped_unauthenticated: count, ..track("ana", 1, 1) };
        let recent = |tally: &Tally| tally.scene().people[&"ana".into()].recent.undecryptable;
        tally.observe_tracks(clock.after(0), &[broken(3)]);
        assert_eq!(recent(&tally), 3, "at the first look");
        for _ in 0..8 {
            tally.observe_tracks(clock.after(1000), &[broken(3)]);
        }
        assert_eq!(recent(&tally), 3, "8 s later");
        for _ in 0..5 {
            tally.observe_tracks(clock.after(1000), &[broken(3)]);
        }
        assert_eq!(recent(&tally), 0, "13 s later");
        tally.observe_tracks(clock.after(1000), &[broken(4)]);
        assert_eq!(recent(&tally), 1);
    }

    #[test]
    fn people_come_and_go() {
        let (mut tally, mut clock) = joined();
        tally
            .observe_people(clock.after(0), &[person("me", &[], true), person("ana", &[1], false)]);
        assert_eq!(present(&tally), [("ana".to_owned(), false)], "who only watches is nobody");
        let zoe = person("zoe", &[], false);
        tally.observe_people(clock.after(200), &[person("ana", &[1], false), zoe]);
        assert_eq!(present(&tally), [("ana".to_owned(), false), ("zoe".to_owned(), true)]);
        tally.observe_people(clock.after(200), &[]);
        assert_eq!(present(&tally), []);
        tally.observe_people(clock.after(200), &[person("ana", &[2], false)]);
        assert_eq!(present(&tally), [("ana".to_owned(), true)], "back again");
    }

    #[test]
    fn a_lost_connection_is_not_everybody_leaving() {
        let (mut tally, mut clock) = joined();
        let all =
            [person("ana", &[1], false), person("ben", &[2], false), person("zoe", &[], false)];
        tally.observe_people(clock.after(0), &all);
        tally.set_current(clock.after(200), false);
        tally.observe_people(clock.after(200), &[]);
        assert_eq!(present(&tally).len(), 3);
        assert!(!tally.scene().current);
        tally.set_current(clock.after(5000), true);
        tally.observe_people(clock.after(200), &[]);
        assert_eq!(present(&tally).len(), 3, "the list is not complete yet");
        assert!(!tally.scene().current, "nor is the scene");
        tally.observe_people(clock.after(3000), &[person("ana", &[7], false)]);
        let names: Vec<_> = present(&tally).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ana", "zoe"], "ben is gone; who listens may still be there");
        assert!(tally.scene().current);
        tally.observe_people(clock.after(200), &[person("ana", &[7], false)]);
        assert_eq!(present(&tally).len(), 2, "still");
        tally.observe_left(&"zoe".into());
        tally.observe_left(&"ana".into());
        let names: Vec<_> = present(&tally).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ana"], "ana's streams tell that she is there");
    }

    #[test]
    fn a_report_tells_the_loudest_moment_of_the_second() {
        let (mut tally, mut clock) = joined();
        let at = |level: f32| TrackStats { level: Level::from_dbfs(level), ..track("ana", 1, 1) };
        tally.observe_people(clock.after(0), &[person("ana", &[1], false)]);
        for level in [-40.0, -10.0, -60.0] {
            tally.observe_tracks(clock.after(200), &[at(level)]);
        }
        let report = tally.report();
        assert_eq!((report[0].loudest, report[0].sound.level), (-10.0, -60.0));
        assert_eq!(report[0].stream, Some(StreamId(1)));
        tally.observe_tracks(clock.after(200), &[at(-55.0)]);
        assert_eq!(tally.report()[0].loudest, -55.0, "each second by itself");
    }

    #[test]
    fn refused_messages_count_for_their_sender() {
        let (mut tally, mut clock) = joined();
        tally.observe_people(clock.after(0), &[person("ana", &[1], false)]);
        tally.count_refused_message(StreamId(1));
        tally.count_refused_message(StreamId(9));
        assert_eq!(tally.scene().people[&"ana".into()].totals.undecryptable, 1);
    }

    #[test]
    fn invented_people_are_bounded() {
        let (mut tally, mut clock) = joined();
        for number in 0..3 * MAX_PEOPLE {
            tally.observe_people(clock.after(1), &[person(&format!("u{number}"), &[1], false)]);
        }
        assert!(tally.scene().people.len() <= MAX_PEOPLE);
        let crowd: Vec<_> =
            (0..2 * MAX_PEOPLE).map(|n| person(&format!("c{n}"), &[1], false)).collect();
        tally.observe_people(clock.after(1), &crowd);
        assert!(tally.scene().people.len() <= MAX_PEOPLE);
    }

    proptest! {
        #[test]
        fn counters_of_a_person_never_shrink(
            looks in prop::collection::vec(
                prop::collection::vec((1i64..4, 0u64..1000), 0..4), 1..40,
            ),
        ) {
            let (mut tally, mut clock) = joined();
            let mut before = Totals::default();
            for look in looks {
                let tracks: Vec<_> =
                    look.into_iter().map(|(stream, packets)| track("ana", stream, packets)).collect();
                tally.observe_tracks(clock.after(200), &tracks);
                let Some(ana) = tally.scene().people.get(&"ana".into()).cloned() else { continue };
                prop_assert!(ana.totals.packets >= before.packets);
                prop_assert!(ana.totals.speaking_ms >= before.speaking_ms);
                prop_assert!(ana.recent.packets <= ana.totals.packets);
                before = ana.totals;
            }
        }
    }
}
