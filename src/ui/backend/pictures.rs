//! Which pictures of a call go to which tiles, and that only those in sight are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::task::JoinSet;

use crate::api::Call;
use crate::api::Person;
use crate::api::Wanted;
use crate::media::video::Picture;
use crate::model::StreamId;
use crate::model::TrackId;
use crate::model::VideoContent;
use crate::ui::stage::Gallery;
use crate::ui::stage::Share;
use crate::ui::stage::TileId;
use crate::ui::stage::Window;
use crate::ui::text::SafeText;

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// Somebody else's track.
    Track(StreamId, TrackId),
    /// This process's own camera, counted up each time that it is switched.
    Own(u64),
}

/// A tile that pictures are taken to.
struct Carrier {
    origin: Origin,
    task: AbortHandle,
}

/// Everything that can be seen in a call, and what is looked at.
pub(super) struct Pictures {
    gallery: Gallery,
    /// What each tile would show.
    origins: BTreeMap<TileId, Origin>,
    carriers: BTreeMap<TileId, Carrier>,
    /// One for each carrier; all end with this.
    tasks: JoinSet<()>,
    own: u64,
}

impl Pictures {
    /// Nobody shows anything yet.
    pub(super) fn new(gallery: Gallery) -> Self {
        let (origins, carriers) = (BTreeMap::new(), BTreeMap::new());
        Self { gallery, origins, carriers, tasks: JoinSet::new(), own: 0 }
    }

    /// The own camera is another one now, or off.
    pub(super) const fn switched(&mut self) {
        self.own += 1;
    }

    /// Takes who shows what; all shares, if they are others than before.
    pub(super) fn set_people(&mut self, people: &[Person], camera: bool) -> Option<Vec<Share>> {
        let mut origins = BTreeMap::new();
        for person in people {
            if person.is_self {
                // One's own screen on one's own screen would be a corridor of mirrors.
                if camera {
                    let tile = TileId::person(person.user.clone());
                    origins.insert(tile, Origin::Own(self.own));
                }
                continue;
            }
            let mut screens = 0;
            // Whoever sends messages sends the cells of their terminal as well.
            let is_needed = |content| content != VideoContent::Terminal || !person.has_data;
            for video in person.videos.iter().filter(|video| is_needed(video.content)) {
                let face = TileId::person(person.user.clone());
                let is_face = video.content == VideoContent::Camera && !origins.contains_key(&face);
                let tile = if is_face {
                    face
                } else {
                    screens += 1;
                    TileId::screen(person.user.clone(), screens)
                };
                origins.insert(tile, Origin::Track(video.stream, video.track.clone()));
            }
        }
        if origins == self.origins {
            return None;
        }
        for tile in self.origins.keys().filter(|tile| !origins.contains_key(tile)) {
            self.gallery.end(tile);
        }
        self.origins = origins;
        let share = |tile: &TileId| Share { tile: tile.clone(), title: SafeText::default() };
        Some(self.origins.keys().map(share).collect())
    }

    /// Asks for what is in sight and takes it to its tiles; the rest is no longer received.
    pub(super) async fn look_at(&mut self, call: &Call, windows: &[Window]) {
        while self.tasks.try_join_next().is_some() {}
        let seen = windows.iter().filter_map(|window| {
            let origin = self.origins.get(&window.tile)?;
            Some((window, origin.clone()))
        });
        let seen: Vec<(&Window, Origin)> = seen.collect();
        let wanted = seen.iter().filter_map(|(window, origin)| match origin {
            Origin::Own(_) => None,
            Origin::Track(stream, track) => {
                let (max_width, max_height) = window.pixels();
                Some(Wanted { stream: *stream, track: track.clone(), max_width, max_height })
            }
        });
        call.want_pictures(wanted.collect());
        self.carriers.retain(|tile, carrier| {
            let stays = seen.iter().any(|(window, origin)| {
                window.tile == *tile && carrier.origin == *origin && !carrier.task.is_finished()
            });
            if !stays {
                carrier.task.abort();
            }
            stays
        });
        for (window, origin) in seen {
            if self.carriers.contains_key(&window.tile) {
                continue;
            }
            let newest = match &origin {
                Origin::Own(_) => call.own_pictures(VideoContent::Camera).await,
                Origin::Track(stream, track) => call.pictures(*stream, track).ok(),
            };
            let Some(newest) = newest else { continue };
            let (gallery, tile) = (self.gallery.clone(), window.tile.clone());
            let task = self.tasks.spawn(carry(newest, gallery, tile.clone()));
            self.carriers.insert(tile, Carrier { origin, task });
        }
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        for tile in self.origins.keys() {
            self.gallery.end(tile);
        }
    }
}

/// Takes each picture to its tile, the newest first.
async fn carry(mut newest: watch::Receiver<Option<Arc<Picture>>>, gallery: Gallery, tile: TileId) {
    newest.mark_changed();
    while newest.changed().await.is_ok() {
        let picture = newest.borrow_and_update().clone();
        if let Some(picture) = picture {
            gallery.show(&tile, picture);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::VideoTrack;

    fn person(user: &str, is_self: bool, videos: Vec<VideoTrack>) -> Person {
        Person {
            user: user.into(),
            is_self,
            streams: Vec::new(),
            has_audio: true,
            has_data: false,
            videos,
        }
    }

    #[test]
    fn each_track_has_a_tile_and_only_changes_are_told() {
        let video = |track: i64, content| VideoTrack {
            stream: StreamId(track),
            track: TrackId::from(track.to_string()),
            content,
        };
        let (camera, screen) = (VideoContent::Camera, VideoContent::Screen);
        let ben = vec![video(1, camera), video(2, camera), video(3, screen)];
        let people =
            [person("ana", true, vec![video(9, screen)]), person("ben", false, ben.clone())];
        let mut pictures = Pictures::new(Gallery::default());
        let tiles = |shares: Option<Vec<Share>>| -> Vec<TileId> {
            shares.unwrap_or_default().into_iter().map(|share| share.tile).collect()
        };
        let told = tiles(pictures.set_people(&people, true));
        let expected = [
            TileId::person("ana".into()),
            TileId::screen("ben".into(), 1),
            TileId::screen("ben".into(), 2),
            TileId::person("ben".into()),
        ];
        assert_eq!(told, expected, "a second camera is shown like a screen");
        assert_eq!(pictures.set_people(&people, true), None);
        pictures.switched();
        assert!(pictures.set_people(&people, true).is_some(), "another camera");
        let told = tiles(pictures.set_people(&people, false));
        assert_eq!(told.len(), 3, "one's own screen is not shown to oneself");
    }
}
