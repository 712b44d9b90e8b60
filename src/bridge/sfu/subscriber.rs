//! A subscriber: the m-lines of its connection, what feeds them, and the offers about them
//! (streams.md §10.3 to §10.5).
//!
//! m-lines are never removed: a line whose source goes is left inactive and taken by the next
//! source of its kind. A line forwards only what the client has agreed to in an answer, so
//! that it never takes the new source for the old one. One offer waits for an answer at most.

use std::collections::BTreeSet;
use std::time::Duration;
use std::time::Instant;

use rand::Rng;
use str0m::media::MediaKind;
use str0m::media::Mid;
use str0m::media::Pt;
use str0m::rtp::ExtensionValues;
use str0m::rtp::RtpPacket;
use str0m::rtp::RtpWrite;
use str0m::rtp::Ssrc;

use super::channels::Channels;
use super::connection::Connection;
use super::rewrite::Rewriter;
use super::rewrite::Rewritten;
use super::rewrite::Source;
use super::sdp;
use super::sdp::LineKind;
use super::sdp::OfferLine;
use super::sdp::SubscriberAnswer;
use crate::model::SessionId;
use crate::model::StreamId;
use crate::model::StreamSubscription;
use crate::model::TrackId;

/// How often a client that stays away is asked to find a path anew. Clients give up a search
/// after 15 s and more, so that one search follows the other.
const RESTART_EVERY: Duration = Duration::from_secs(10);

/// A track of a publisher, as far as a subscriber needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Feed {
    pub(super) stream: StreamId,
    pub(super) track: TrackId,
    pub(super) publisher: SessionId,
    pub(super) kind: LineKind,
    pub(super) audio_level: bool,
}

/// State of one subscriber.
#[derive(Debug, Default)]
pub(super) struct Subscriber {
    lines: Vec<Line>,
    data_feeds: BTreeSet<(StreamId, TrackId)>,
    /// The lines differ from the last offer.
    changed: bool,
    /// How many lines the unanswered offer has; lines added since come after them.
    pending: Option<usize>,
    version: u64,
    /// SCTP has been started: messages can be sent.
    data_started: bool,
    /// The data channels of this connection.
    pub(super) channels: Channels,
    answered: bool,
    /// The last time the client was asked to find a path anew.
    restarted_at: Option<Instant>,
    /// The unanswered offer asks for it.
    restarting: bool,
}

#[derive(Debug)]
struct Line {
    kind: LineKind,
    mid: Mid,
    ssrc: u32,
    rtx_ssrc: u32,
    feed: Option<Feed>,
    /// What the last offer said.
    offered: Option<Feed>,
    /// What the client has agreed to.
    active: Option<Feed>,
    audio_level: bool,
    rewriter: Rewriter,
}

impl Line {
    /// Gives a line that is used again sources of its own: browsers forget the transform of a
    /// receiver whose source goes and comes back, but not of one that gets another source.
    fn renew(&mut self, ssrc: u32, rtx_ssrc: u32, connection: &mut Connection, rng: &mut impl Rng) {
        let (old, mid, video) = (self.ssrc, self.mid, self.kind == LineKind::Video);
        connection.run(|rtc| {
            let mut api = rtc.direct_api();
            api.remove_stream_tx(Ssrc::from(old));
            api.declare_stream_tx(Ssrc::from(ssrc), video.then_some(rtx_ssrc.into()), mid, None);
        });
        (self.ssrc, self.rtx_ssrc) = (ssrc, rtx_ssrc);
        let start =
            Rewritten { seq: u64::from(rng.next_u32() & 0x7FFF), timestamp: rng.next_u32() };
        self.rewriter = Rewriter::new(if video { 90_000 } else { 48_000 }, start);
    }
}

impl Subscriber {
    /// How many m-lines the connection would have after adding `feeds`.
    pub(super) fn lines_after(&self, feeds: &[Feed], removed: &[StreamSubscription]) -> usize {
        let count = |kind: LineKind| {
            let wanted = feeds.iter().filter(|f| f.kind == kind && !self.has(f)).count();
            let free = self.lines.iter().filter(|line| line.kind == kind).filter(|line| {
                line.feed.as_ref().is_none_or(|feed| removed.iter().any(|r| feed.matches(r)))
            });
            wanted.saturating_sub(free.count())
        };
        // One more for data, whether it is there already or not.
        self.lines.len() + count(LineKind::Audio) + count(LineKind::Video) + 1
    }

    /// Is subscribed to this track.
    fn has(&self, feed: &Feed) -> bool {
        match feed.kind {
            LineKind::Data => self.data_feeds.contains(&(feed.stream, feed.track.clone())),
            _ => self.lines.iter().any(|line| {
                let same = |f: &Feed| f.stream == feed.stream && f.track == feed.track;
                line.feed.as_ref().is_some_and(same)
            }),
        }
    }

    /// Adds a subscription, on a free line of its kind or a new one.
    pub(super) fn add(&mut self, feed: Feed, connection: &mut Connection, rng: &mut impl Rng) {
        if self.has(&feed) {
            return;
        }
        if feed.kind == LineKind::Data {
            self.data_feeds.insert((feed.stream, feed.track));
            if !self.lines.iter().any(|line| line.kind == LineKind::Data) {
                let line = self.new_line(LineKind::Data, connection, rng);
                self.lines.push(line);
                self.changed = true;
            }
            return;
        }
        self.changed = true;
        let free = self.lines.iter().position(|l| l.kind == feed.kind && l.feed.is_none());
        if let Some(index) = free {
            let (ssrc, rtx_ssrc) = (self.draw_ssrc(rng), self.draw_ssrc(rng));
            if let Some(line) = self.lines.get_mut(index) {
                line.renew(ssrc, rtx_ssrc, connection, rng);
                line.feed = Some(feed);
            }
            return;
        }
        let mut line = self.new_line(feed.kind, connection, rng);
        line.feed = Some(feed);
        self.lines.push(line);
    }

    fn new_line(&self, kind: LineKind, connection: &mut Connection, rng: &mut impl Rng) -> Line {
        let mid = Mid::from(self.lines.len().to_string().as_str());
        let (ssrc, rtx_ssrc) = (self.draw_ssrc(rng), self.draw_ssrc(rng));
        let (media, clock_hz) = match kind {
            LineKind::Audio => (Some(MediaKind::Audio), 48_000),
            LineKind::Video => (Some(MediaKind::Video), 90_000),
            LineKind::Data => (None, 1),
        };
        if let Some(media) = media {
            connection.run(|rtc| {
                let mut api = rtc.direct_api();
                api.declare_media(mid, media);
                let rtx = (kind == LineKind::Video).then_some(Ssrc::from(rtx_ssrc));
                api.declare_stream_tx(Ssrc::from(ssrc), rtx, mid, None);
            });
        }
        // The first number stays in the lower half, where receivers can't misread a wrap.
        let start =
            Rewritten { seq: u64::from(rng.next_u32() & 0x7FFF), timestamp: rng.next_u32() };
        Line {
            kind,
            mid,
            ssrc,
            rtx_ssrc,
            feed: None,
            offered: None,
            active: None,
            audio_level: false,
            rewriter: Rewriter::new(clock_hz, start),
        }
    }

    /// A source that no line has.
    fn draw_ssrc(&self, rng: &mut impl Rng) -> u32 {
        loop {
            let ssrc = rng.next_u32();
            if ssrc != 0 && !self.lines.iter().any(|l| l.ssrc == ssrc || l.rtx_ssrc == ssrc) {
                break ssrc;
            }
        }
    }

    /// Ends every subscription that `gone` says; answers whether m-lines changed.
    pub(super) fn remove(&mut self, gone: impl Fn(StreamId, &TrackId) -> bool) -> bool {
        let mut changed = false;
        for line in &mut self.lines {
            if line.feed.as_ref().is_some_and(|feed| gone(feed.stream, &feed.track)) {
                line.feed = None;
                line.active = None;
                line.rewriter.detach();
                changed = true;
            }
        }
        self.data_feeds.retain(|(stream, track)| !gone(*stream, track));
        self.changed |= changed;
        changed
    }

    /// Every track that is subscribed to.
    pub(super) fn subscriptions(&self) -> Vec<StreamSubscription> {
        let media = self.lines.iter().filter_map(|line| line.feed.as_ref());
        let media = media.map(|feed| (feed.stream, feed.track.clone()));
        media
            .chain(self.data_feeds.iter().cloned())
            .map(|(stream_id, track)| StreamSubscription {
                stream_id,
                stream_track_id: Some(track),
            })
            .collect()
    }

    /// What is forwarded to which line, by publisher and its mid.
    pub(super) fn active(&self) -> impl Iterator<Item = (usize, &Feed)> {
        let lines = self.lines.iter().enumerate();
        lines.filter_map(|(index, line)| Some((index, line.active.as_ref()?)))
    }

    /// The streams whose messages are wanted.
    pub(super) fn data_streams(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.data_feeds.iter().map(|(stream, _)| *stream)
    }

    /// Messages can be sent on this connection, as soon as it is up.
    pub(super) const fn takes_messages(&self) -> bool {
        self.data_started
    }

    /// What feeds the line with this mid.
    pub(super) fn feed_of(&self, mid: Mid) -> Option<&Feed> {
        self.lines.iter().find(|line| line.mid == mid)?.active.as_ref()
    }

    /// Asks a client that isn't heard any more to find a path anew (ICE restart), now and then
    /// as long as it stays away; answers whether there is something to offer because of it.
    /// Clients that have given up their path can't come back by themselves.
    pub(super) fn restart_if_quiet(&mut self, connection: &mut Connection, now: Instant) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < RESTART_EVERY;
        if !connection.is_quiet(now)
            || self.pending.is_some()
            || !self.answered
            || self.restarted_at.is_some_and(lately)
        {
            return false;
        }
        connection.renew_credentials();
        connection.expect_path(now, false);
        self.restarted_at = Some(now);
        self.restarting = true;
        self.changed = true;
        true
    }

    /// Counts an offer, if there is something to offer and none waits for an answer; the lines
    /// to offer and its version.
    pub(super) fn take_offer(&mut self) -> Option<(Vec<OfferLine>, u64)> {
        if !self.changed || self.pending.is_some() {
            return None;
        }
        self.changed = false;
        self.pending = Some(self.lines.len());
        self.version += 1;
        let lines = self.lines.iter_mut().map(|line| {
            line.offered.clone_from(&line.feed);
            OfferLine {
                kind: line.kind,
                ssrc: line.ssrc,
                rtx_ssrc: line.rtx_ssrc,
                msid: line.feed.as_ref().map(|feed| (feed.stream.0, feed.track.0.clone())),
                audio_level: line.feed.as_ref().is_some_and(|feed| feed.audio_level),
            }
        });
        Some((lines.collect(), self.version))
    }

    /// The kinds of the offered lines, if an offer waits for its answer.
    pub(super) fn pending_kinds(&self) -> Option<Vec<LineKind>> {
        let count = self.pending?;
        Some(self.lines.iter().take(count).map(|line| line.kind).collect())
    }

    /// Takes the answer to the offer that waits for one.
    pub(super) fn accept(
        &mut self,
        answer: &SubscriberAnswer,
        connection: &mut Connection,
        now: Instant,
    ) -> Result<(), &'static str> {
        let known = connection.run(|rtc| rtc.direct_api().remote_dtls_fingerprint().cloned());
        if known.flatten().is_some_and(|known| known != answer.fingerprint) {
            return Err("answer comes from another connection than the first one");
        }
        self.pending = None;
        for (line, answered) in self.lines.iter_mut().zip(&answer.lines) {
            let agreed = answered.accepted && line.offered == line.feed;
            line.active = line.feed.clone().filter(|_| agreed);
            line.audio_level = answered.audio_level;
            if line.active.is_none() {
                line.rewriter.detach();
            }
        }
        let data = self.lines.iter().zip(&answer.lines);
        let data = data.into_iter().any(|(line, a)| line.kind == LineKind::Data && a.accepted);
        let start_data = data && !self.data_started;
        let first = !self.answered;
        let restarting = std::mem::take(&mut self.restarting);
        let started = connection.run(|rtc| {
            let mut api = rtc.direct_api();
            if restarting {
                api.set_remote_ice_credentials(answer.credentials.clone());
            }
            if first {
                api.set_remote_ice_credentials(answer.credentials.clone());
                api.set_remote_fingerprint(answer.fingerprint.clone());
                api.start_dtls(answer.active)?;
            }
            if start_data {
                api.start_sctp(answer.active);
            }
            Ok::<_, str0m::RtcError>(())
        });
        if !matches!(started, Some(Ok(()))) {
            connection.fail();
            return Err("the connection can't be started");
        }
        self.answered = true;
        self.data_started |= start_data;
        connection.expect(now);
        if restarting {
            connection.expect_path(now, false);
        }
        Ok(())
    }

    /// Sends a packet of the line's source; whether it went out.
    pub(super) fn forward(
        &mut self,
        index: usize,
        source: Source,
        packet: &RtpPacket,
        connection: &mut Connection,
    ) -> bool {
        let Some(line) = self.lines.get_mut(index) else { return false };
        if !connection.is_up() {
            // The library would keep what it can't send yet.
            return false;
        }
        let now = packet.timestamp;
        let (seq, timestamp) = (*packet.seq_no, packet.header.timestamp);
        let Some(out) = line.rewriter.rewrite(source, seq, timestamp, now) else { return false };
        let pt = if line.kind == LineKind::Audio { sdp::AUDIO_PT } else { sdp::VIDEO_PT };
        let seen = &packet.header.ext_vals;
        let extensions = ExtensionValues {
            audio_level: seen.audio_level.filter(|_| line.audio_level),
            voice_activity: seen.voice_activity.filter(|_| line.audio_level),
            video_orientation: seen.video_orientation,
            ..Default::default()
        };
        let write = RtpWrite::new(
            Pt::new_with_value(pt),
            out.seq.into(),
            out.timestamp,
            now,
            packet.payload.clone(),
        )
        .marker(packet.header.marker)
        .nackable(line.kind == LineKind::Video)
        .ext_vals(extensions);
        let ssrc = Ssrc::from(line.ssrc);
        let sent = connection.run(|rtc| {
            rtc.direct_api().stream_tx(&ssrc).map(|stream| stream.write_rtp(write)).is_some()
        });
        sent.unwrap_or(false)
    }
}

impl Feed {
    /// A subscription item means this track.
    pub(super) fn matches(&self, item: &StreamSubscription) -> bool {
        means(item, self.stream, &self.track)
    }
}

/// A subscription item means this track of this stream.
pub(super) fn means(item: &StreamSubscription, stream: StreamId, track: &TrackId) -> bool {
    item.stream_id == stream && item.stream_track_id.as_ref().is_none_or(|id| id == track)
}
