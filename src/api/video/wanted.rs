//! Which pictures of others are wanted, and for how long they stay subscribed to after that.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::StreamId;
use crate::model::TrackId;

/// How long pictures that are not wanted any more still come: whoever looks elsewhere for a
/// moment finds them as they were.
const GRACE: Duration = Duration::from_secs(3);

/// Pictures that shall be received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The stream.
    pub stream: StreamId,
    /// Its track, as [`Person::videos`](super::super::Person) names it.
    pub track: TrackId,
    /// Pixels across that are shown at most; larger pictures are made smaller before they are
    /// handed out. 0: as they come.
    pub max_width: u32,
    /// The same for pixels down.
    pub max_height: u32,
}

/// What is wanted, and what was until lately.
#[derive(Debug, Default)]
pub(in crate::api) struct WantedPictures {
    wanted: BTreeSet<(StreamId, TrackId)>,
    fading: BTreeMap<(StreamId, TrackId), Instant>,
}

impl WantedPictures {
    /// Wants these from now on, and no others.
    pub(in crate::api) fn set(&mut self, wanted: &[Wanted], now: Instant) {
        let wanted: BTreeSet<_> =
            wanted.iter().map(|wanted| (wanted.stream, wanted.track.clone())).collect();
        let gone = self.wanted.difference(&wanted).cloned();
        self.fading.extend(gone.map(|track| (track, now + GRACE)));
        self.fading.retain(|track, _| !wanted.contains(track));
        self.wanted = wanted;
    }

    /// What is to be subscribed to.
    pub(in crate::api) fn tracks(&mut self, now: Instant) -> BTreeSet<(StreamId, TrackId)> {
        self.fading.retain(|_, until| *until > now);
        self.wanted.iter().chain(self.fading.keys()).cloned().collect()
    }

    /// When that changes by itself.
    pub(in crate::api) fn due(&self) -> Option<Instant> {
        self.fading.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(stream: i64) -> Wanted {
        Wanted { stream: StreamId(stream), track: "1".into(), max_width: 0, max_height: 0 }
    }

    #[test]
    fn pictures_stay_for_a_while_after_nobody_looks() {
        let now = Instant::now();
        let mut pictures = WantedPictures::default();
        let mut streams = |set: Option<&[i64]>, after| {
            let now = now + after;
            if let Some(set) = set {
                let list: Vec<_> = set.iter().map(|stream| wanted(*stream)).collect();
                pictures.set(&list, now);
            }
            let tracks = pictures.tracks(now);
            (tracks.iter().map(|(stream, _)| stream.0).collect::<Vec<_>>(), pictures.due())
        };
        assert_eq!(streams(Some(&[1, 2]), Duration::ZERO), (vec![1, 2], None));
        assert_eq!(streams(Some(&[2]), Duration::ZERO), (vec![1, 2], Some(now + GRACE)));
        assert_eq!(streams(Some(&[1]), GRACE / 2).0, [1, 2], "looked at again");
        assert_eq!(streams(None, GRACE).0, [1, 2]);
        assert_eq!(streams(None, GRACE * 2), (vec![1], None));
    }
}
