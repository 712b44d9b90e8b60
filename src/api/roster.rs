//! Who is in a call and what to subscribe to: a step function without I/O.
//!
//! Facts go in ([`Roster::handle_event`], [`Roster::handle_list`]); the difference between
//! what is subscribed to and what should be comes out ([`Roster::poll_change`]).
//!
//! Invariant: a track is subscribed to once, and only while its stream is known.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::EventKind;
use crate::model::StreamId;
use crate::model::StreamInfo;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;
use crate::model::StreamSubscription;
use crate::model::StreamTrackInfo;
use crate::model::TrackId;
use crate::model::TrackKind;
use crate::model::UserId;
use crate::model::VideoContent;

/// Somebody in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Person {
    /// Who it is.
    pub user: UserId,
    /// It is this process.
    pub is_self: bool,
    /// Streams that they publish.
    pub streams: Vec<StreamId>,
    /// They can be heard: one of their streams has sound.
    pub has_audio: bool,
    /// They can send messages: one of their streams has data.
    pub has_data: bool,
    /// What can be seen of them: cameras first, then screens.
    pub videos: Vec<VideoTrack>,
}

/// Something that can be seen of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoTrack {
    /// The stream.
    pub stream: StreamId,
    /// The track within the stream.
    pub track: TrackId,
    /// What it shows. Where the publisher does not say so, the first track of a stream is taken
    /// for a camera and the others for screens.
    pub content: VideoContent,
}

/// What to change about the subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) add: Vec<StreamSubscription>,
    pub(super) remove: Vec<StreamSubscription>,
}

/// Participants of one room.
#[derive(Debug)]
pub(super) struct Roster {
    room: StreamRoomId,
    me: UserId,
    /// Our own stream, once published; `Err` while that is not decided.
    own: Result<Option<StreamId>, ()>,
    present: BTreeSet<UserId>,
    streams: BTreeMap<StreamId, StreamInfo>,
    subscribed: BTreeSet<(StreamId, TrackId)>,
    /// Pictures that somebody looks at.
    pictures: BTreeSet<(StreamId, TrackId)>,
    /// The list of streams may be out of date.
    stale: bool,
    /// Counts what happened to streams, by which a list that was under way shows its age.
    revision: u64,
}

impl Roster {
    pub(super) fn new(room: StreamRoomId, me: UserId) -> Self {
        let present = BTreeSet::from([me.clone()]);
        Self {
            room,
            me,
            own: Err(()),
            present,
            streams: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            pictures: BTreeSet::new(),
            stale: false,
            revision: 0,
        }
    }

    /// Tells which stream is our own, or that there is none.
    pub(super) fn set_own(&mut self, own: Option<StreamId>) {
        self.own = Ok(own);
    }

    /// Wants these pictures, as far as there are such, and no others.
    pub(super) fn set_pictures(&mut self, pictures: BTreeSet<(StreamId, TrackId)>) {
        self.pictures = pictures;
    }

    /// Starts over after a reconnection: nothing is subscribed to any more.
    pub(super) fn reset(&mut self) {
        self.own = Err(());
        self.present = BTreeSet::from([self.me.clone()]);
        self.streams.clear();
        self.subscribed.clear();
    }

    /// Takes a fact; others than those about this room change nothing.
    pub(super) fn handle_event(&mut self, kind: &EventKind) {
        if self.is_about_streams(kind) {
            self.revision = self.revision.wrapping_add(1);
        }
        match kind {
            EventKind::StreamRoomJoined { room, user } if *room == self.room => {
                self.present.insert(user.clone());
            }
            EventKind::StreamRoomLeft { room, user } if *room == self.room => {
                if *user != self.me {
                    self.present.remove(user);
                }
                // The user may be here from a second session: the list tells.
                self.stale = true;
            }
            EventKind::StreamSubscriptionsChanged { room, user, .. } if *room == self.room => {
                self.present.insert(user.clone());
            }
            EventKind::StreamPublished(data) if data.stream_room_id == self.room => {
                self.insert(data.stream.clone());
            }
            EventKind::RemoteStreamsChanged { room, streams } if *room == self.room => {
                streams.iter().cloned().for_each(|stream| self.insert(stream));
                self.stale = true;
            }
            EventKind::StreamUpdated { room, stream, tracks } if *room == self.room => {
                self.update(*stream, tracks);
                self.stale = true;
            }
            EventKind::StreamUnpublished { room, stream, .. } if *room == self.room => {
                self.streams.remove(stream);
            }
            _ => {}
        }
    }

    /// Changes whenever something happens to the streams of this room.
    pub(super) const fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes the list of streams that was asked for at `revision`. What has happened since
    /// may or may not be in it, so it is not used then but asked for again.
    pub(super) fn handle_list_since(&mut self, revision: u64, list: Vec<StreamInfo>) {
        if revision == self.revision {
            self.handle_list(list);
        } else {
            self.stale = true;
        }
    }

    /// Takes the list of streams as it is now.
    pub(super) fn handle_list(&mut self, list: Vec<StreamInfo>) {
        self.stale = false;
        self.streams.clear();
        list.into_iter().for_each(|stream| self.insert(stream));
    }

    /// Whether the list should be read again (streams.md §15, rule 6).
    pub(super) const fn is_stale(&self) -> bool {
        self.stale
    }

    /// Asks for the list to be read again.
    pub(super) const fn set_stale(&mut self) {
        self.stale = true;
    }

    /// The next change of subscriptions, taken as made; undo it with [`Self::forget`].
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        let wanted = self.wanted();
        let add: Vec<_> = wanted.difference(&self.subscribed).cloned().collect();
        let remove: Vec<_> = self.subscribed.difference(&wanted).cloned().collect();
        if add.is_empty() && remove.is_empty() {
            return None;
        }
        self.subscribed = wanted;
        // What ended by itself needs no request: the bridge has dropped it already.
        let live = remove.into_iter().filter(|(stream, _)| self.streams.contains_key(stream));
        let change = Change {
            add: add.into_iter().map(subscription).collect(),
            remove: live.map(subscription).collect(),
        };
        (!change.add.is_empty() || !change.remove.is_empty()).then_some(change)
    }

    /// Notes that subscribing failed, so that a later [`Self::poll_change`] asks again.
    pub(super) fn forget(&mut self, subscriptions: &[StreamSubscription]) {
        for subscription in subscriptions {
            if let Some(track) = &subscription.stream_track_id {
                self.subscribed.remove(&(subscription.stream_id, track.clone()));
            }
        }
    }

    /// Everybody, this process first, then by name.
    pub(super) fn people(&self) -> Vec<Person> {
        let mut people: BTreeMap<&UserId, Person> = BTreeMap::new();
        let publishers = self.streams.values().map(|stream| &stream.user_id);
        for user in self.present.iter().chain(publishers) {
            people.entry(user).or_insert_with(|| Person {
                user: user.clone(),
                is_self: *user == self.me,
                streams: Vec::new(),
                has_audio: false,
                has_data: false,
                videos: Vec::new(),
            });
        }
        for stream in self.streams.values() {
            if let Some(person) = people.get_mut(&stream.user_id) {
                person.streams.push(stream.id);
                person.has_audio |= has(stream, TrackKind::Audio);
                person.has_data |= has(stream, TrackKind::Data);
                person.videos.extend(videos(stream));
                person.videos.sort_by_key(|video| video.content);
            }
        }
        let mut list: Vec<_> = people.into_values().collect();
        list.sort_by_key(|person| !person.is_self);
        list
    }

    fn is_about_streams(&self, kind: &EventKind) -> bool {
        match kind {
            EventKind::StreamPublished(data) => data.stream_room_id == self.room,
            EventKind::StreamRoomLeft { room, .. }
            | EventKind::RemoteStreamsChanged { room, .. }
            | EventKind::StreamUpdated { room, .. }
            | EventKind::StreamUnpublished { room, .. } => *room == self.room,
            _ => false,
        }
    }

    /// Whether a change of the room's members leaves this user out.
    pub(super) fn is_removed_by(&self, room: &StreamRoom) -> bool {
        room.stream_room_id == self.room
            && !room.users.iter().chain(&room.managers).any(|user| *user == self.me)
    }

    fn insert(&mut self, stream: StreamInfo) {
        self.streams.insert(stream.id, stream);
    }

    fn update(&mut self, stream: StreamId, tracks: &[StreamTrackInfo]) {
        let Some(info) = self.streams.get_mut(&stream) else { return };
        for track in tracks {
            info.tracks.retain(|known| known.mid != track.mid);
            info.tracks.push(track.clone());
        }
    }

    fn wanted(&self) -> BTreeSet<(StreamId, TrackId)> {
        let others = self.streams.values().filter(|stream| match self.own {
            Ok(own) => own != Some(stream.id),
            Err(()) => stream.user_id != self.me,
        });
        let tracks = others.flat_map(|stream| {
            let live = stream.tracks.iter().filter(|track| !track.disabled);
            let tracks = live.map(|track| (track.kind, (stream.id, track.mid.clone())));
            // Sound and messages always; pictures only if somebody looks at them.
            tracks.filter_map(|(kind, track)| {
                (kind != TrackKind::Video || self.pictures.contains(&track)).then_some(track)
            })
        });
        tracks.collect()
    }
}

/// What can be seen on a stream.
fn videos(stream: &StreamInfo) -> impl Iterator<Item = VideoTrack> {
    let live = |track: &&StreamTrackInfo| track.kind == TrackKind::Video && !track.disabled;
    stream.tracks.iter().filter(live).enumerate().map(|(index, track)| {
        let said = track.description.as_deref().and_then(VideoContent::from_label);
        let guess = if index == 0 { VideoContent::Camera } else { VideoContent::Screen };
        let content = said.unwrap_or(guess);
        VideoTrack { stream: stream.id, track: track.mid.clone(), content }
    })
}

fn has(stream: &StreamInfo, kind: TrackKind) -> bool {
    stream.tracks.iter().any(|track| track.kind == kind && !track.disabled)
}

fn subscription((stream_id, track): (StreamId, TrackId)) -> StreamSubscription {
    StreamSubscription { stream_id, stream_track_id: Some(track) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContainerPolicy;
    use crate::model::PublishedStreamData;
    use crate::model::Timestamp;

    fn track(mid: &str, kind: TrackKind) -> StreamTrackInfo {
        StreamTrackInfo::new(kind, 0, mid.into())
    }

    fn stream(id: i64, user: &str) -> StreamInfo {
        let tracks = vec![
            track("0", TrackKind::Audio),
            track("1", TrackKind::Video),
            track("2", TrackKind::Data),
        ];
        StreamInfo::new(StreamId(id), user.into(), tracks)
    }

    fn published(id: i64, user: &str) -> EventKind {
        EventKind::StreamPublished(PublishedStreamData {
            stream_room_id: "r".into(),
            stream: stream(id, user),
            user_id: user.into(),
        })
    }

    fn ids(list: &[StreamSubscription]) -> Vec<(i64, &str)> {
        let pair = |s: &'_ StreamSubscription| s.stream_id.0;
        list.iter()
            .map(|s| (pair(s), s.stream_track_id.as_ref().map_or("", |t| t.as_str())))
            .collect()
    }

    #[test]
    fn others_are_subscribed_to_once_and_never_ourselves() {
        let mut roster = Roster::new("r".into(), "me".into());
        roster.handle_event(&published(1, "me"));
        roster.handle_event(&published(2, "ana"));
        roster.handle_event(&published(2, "ana"));
        let change = roster.poll_change().unwrap();
        assert_eq!(ids(&change.add), [(2, "0"), (2, "2")]);
        assert_eq!(roster.poll_change(), None);
        roster.set_own(Some(StreamId(1)));
        assert_eq!(roster.poll_change(), None);
        roster.handle_list(vec![stream(1, "me"), stream(2, "ana"), stream(3, "me")]);
        let change = roster.poll_change().unwrap();
        assert_eq!(ids(&change.add), [(3, "0"), (3, "2")], "another session of the same user");
    }

    #[test]
    fn pictures_are_subscribed_to_while_somebody_looks() {
        let mut roster = Roster::new("r".into(), "me".into());
        roster.handle_list(vec![stream(2, "ana")]);
        roster.poll_change().unwrap();
        let video = &roster.people()[1].videos[0];
        assert_eq!(video.content, VideoContent::Camera);
        let place = (video.stream, video.track.clone());
        roster.set_pictures(BTreeSet::from([place, (StreamId(9), "1".into())]));
        assert_eq!(ids(&roster.poll_change().unwrap().add), [(2, "1")]);
        roster.set_pictures(BTreeSet::new());
        assert_eq!(ids(&roster.poll_change().unwrap().remove), [(2, "1")]);
    }

    #[test]
    fn ended_stream_is_not_unsubscribed_from_but_an_ended_track_is() {
        let mut roster = Roster::new("r".into(), "me".into());
        roster.handle_list(vec![stream(2, "ana"), stream(3, "ben")]);
        roster.poll_change().unwrap();
        let (room, stream, user) = ("r".into(), StreamId(2), None);
        let gone = EventKind::StreamUnpublished { room, stream, user };
        roster.handle_event(&gone);
        assert_eq!(roster.poll_change(), None);
        let mut quiet = track("0", TrackKind::Audio);
        quiet.disabled = true;
        roster.handle_event(&EventKind::StreamUpdated {
            room: "r".into(),
            stream: StreamId(3),
            tracks: vec![quiet],
        });
        assert!(roster.is_stale());
        let change = roster.poll_change().unwrap();
        assert_eq!(ids(&change.remove), [(3, "0")]);
    }

    #[test]
    fn list_that_was_under_way_does_not_undo_an_event() {
        let mut roster = Roster::new("r".into(), "me".into());
        roster.handle_list(vec![stream(2, "ana")]);
        roster.poll_change().unwrap();
        let asked_at = roster.revision();
        roster.handle_event(&published(3, "ben"));
        roster.handle_list_since(asked_at, vec![stream(2, "ana")]);
        assert!(roster.is_stale(), "to be read again");
        assert_eq!(ids(&roster.poll_change().unwrap().add), [(3, "0"), (3, "2")]);
        let asked_at = roster.revision();
        let (room, gone, user) = ("x".into(), StreamId(2), None);
        let other = EventKind::StreamUnpublished { room, stream: gone, user };
        roster.handle_event(&other);
        roster.handle_list_since(asked_at, vec![stream(3, "ben")]);
        assert!(!roster.is_stale(), "what happens elsewhere does not matter");
        assert_eq!(roster.people().len(), 2);
    }

    #[test]
    fn only_who_is_neither_user_nor_manager_was_removed() {
        let roster = Roster::new("r".into(), "me".into());
        let room = |id: &str, users: &[&str], managers: &[&str]| StreamRoom {
            context_id: "c".into(),
            stream_room_id: id.into(),
            create_date: Timestamp(0),
            creator: "ana".into(),
            last_modification_date: Timestamp(0),
            last_modifier: "ana".into(),
            users: users.iter().map(|user| (*user).into()).collect(),
            managers: managers.iter().map(|user| (*user).into()).collect(),
            version: 2,
            public_meta: Vec::new(),
            private_meta: Vec::new(),
            policy: ContainerPolicy::default(),
            status_code: 0,
            closed: false,
        };
        assert!(!roster.is_removed_by(&room("r", &["me"], &["ana"])));
        assert!(!roster.is_removed_by(&room("r", &["ana"], &["me"])));
        assert!(roster.is_removed_by(&room("r", &["ana"], &["ana"])));
        assert!(!roster.is_removed_by(&room("x", &["ana"], &["ana"])));
    }

    #[test]
    fn failed_subscription_is_asked_for_again() {
        let mut roster = Roster::new("r".into(), "me".into());
        roster.handle_list(vec![stream(2, "ana")]);
        let change = roster.poll_change().unwrap();
        roster.forget(&change.add);
        assert_eq!(roster.poll_change(), Some(change));
    }

    #[test]
    fn people_are_listeners_and_publishers_ourselves_first() {
        let mut roster = Roster::new("r".into(), "me".into());
        roster.handle_event(&published(2, "ana"));
        let room = StreamRoomId::from("r");
        roster
            .handle_event(&EventKind::StreamRoomJoined { room: room.clone(), user: "zoe".into() });
        roster.handle_event(&EventKind::StreamRoomJoined { room: "x".into(), user: "eve".into() });
        let people = roster.people();
        let seen: Vec<_> = people.iter().map(|p| (p.user.as_str(), p.has_audio)).collect();
        assert_eq!(seen, [("me", false), ("ana", true), ("zoe", false)]);
        roster.handle_event(&EventKind::StreamRoomLeft { room, user: "zoe".into() });
        assert_eq!(roster.people().len(), 2);
    }
}
