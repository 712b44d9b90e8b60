//! Short sounds that tell what happened while nobody looks at the screen.
//!
//! They are synthesised, not loaded, and played beside the call on the same speaker. Without a
//! speaker nothing is heard and nothing fails.

use std::f32::consts::TAU;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use super::real::ChimeSink;
use super::spec::DeviceSpec;
use crate::media::frame::SAMPLE_RATE;

/// From whoever calls [`ChimePlayer::play`] to its thread. When it is full, the newest chime is
/// dropped: a burst of joins is heard as a few.
const QUEUE: usize = 4;
/// Longest wait for the thread; a sound server that hangs keeps it for itself.
const FAREWELL: Duration = Duration::from_secs(1);
/// A quarter of full scale: beside speech, not above it.
const AMPLITUDE: f32 = 0.25;
/// Samples over which a note begins: 5 ms, against the click.
const ATTACK: f32 = 240.0;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chime {
    /// Somebody joined: two notes going up.
    Joined,
    /// Somebody left: two notes going down.
    Left,
    /// The microphone was muted: one low note.
    Muted,
    /// The microphone was unmuted: one high note.
    Unmuted,
}

impl Chime {
    /// Its notes, in hertz.
    const fn notes(self) -> &'static [f32] {
        match self {
            Self::Joined => &[587.33, 880.0],
            Self::Left => &[880.0, 587.33],
            Self::Muted => &[440.0],
            Self::Unmuted => &[659.25],
        }
    }

    /// The sound itself: 48 kHz mono, a quarter of a second at most.
    #[must_use]
    pub fn samples(self) -> Vec<f32> {
        /// 120 ms.
        const NOTE: u16 = 5760;
        let note = |hertz: f32| {
            (0..NOTE).map(move |index| {
                let time = f32::from(index);
                let rise = (time / ATTACK).min(1.0);
                let fall = 1.0 - time / f32::from(NOTE);
                let phase = (time * hertz / SAMPLE_RATE as f32).fract() * TAU;
                AMPLITUDE * rise * fall * fall * phase.sin()
            })
        };
        self.notes().iter().copied().flat_map(note).collect()
    }
}

/// Plays chimes on a thread of its own, so that nobody waits for a sound card.
#[derive(Debug)]
pub struct ChimePlayer {
    queue: Option<mpsc::SyncSender<Chime>>,
    /// The thread holds the other end for as long as it runs.
    /// (In a mutex only so that the player can be shared; nobody ever waits for it.)
    ended: Option<Mutex<mpsc::Receiver<()>>>,
}

impl ChimePlayer {
    /// Starts a player on the speaker that `spec` names; only real speakers chime.
    #[must_use]
    pub fn new(spec: &DeviceSpec) -> Self {
        let name = match spec {
            DeviceSpec::Default => None,
            DeviceSpec::Named(name) => Some(name.clone()),
            _ => return Self { queue: None, ended: None },
        };
        let (queue, chimes) = mpsc::sync_channel(QUEUE);
        let (running, ended) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("chime".to_owned()).spawn(move || {
            run(name.as_deref(), &chimes);
            drop(running);
        });
        Self { queue: Some(queue), ended: thread.ok().map(|_| Mutex::new(ended)) }
    }

    /// Plays `chime` and returns at once.
    pub fn play(&self, chime: Chime) {
        if let Some(queue) = &self.queue {
            // A full queue drops the chime; a thread without a speaker has hung up.
            let _ = queue.try_send(chime);
        }
    }

    /// Ends the player after what it plays now; waits for that, a second at most.
    pub fn shutdown(mut self) {
        self.queue = None;
        if let Some(Ok(ended)) = self.ended.take().map(Mutex::into_inner) {
            // Answers when the thread drops its end, or the time is up.
            let _ = ended.recv_timeout(FAREWELL);
        }
    }
}

/// Opens the speaker with the first chime, and keeps it: opening takes longer than a chime.
fn run(name: Option<&str>, chimes: &mpsc::Receiver<Chime>) {
    let mut sink = None;
    while let Ok(chime) = chimes.recv() {
        if sink.is_none() {
            sink = ChimeSink::open(name);
        }
        if let Some(sink) = &sink {
            sink.play(chime.samples());
        }
    }
}
