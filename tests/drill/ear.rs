//! Listens to a loudspeaker that is a file, while it grows.

use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

/// Samples judged together: 20 ms.
const WINDOW: usize = 960;
/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes before the first sample.
const HEADER: u64 = 44;
/// A tone has a mean square of 0.125; this is 20 dB below.
const AUDIBLE: f64 = 0.001_25;

/// What one window sounded like.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// When it was written.
    pub at: Instant,
    /// Mean square.
    pub power: f64,
}

impl Heard {
    /// It was no silence.
    pub fn is_sound(&self) -> bool {
        self.power > AUDIBLE
    }
}

/// Follows one file until dropped.
pub struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// Begins to listen to the file, which need not be there yet.
    pub fn open(path: PathBuf) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (sink, ended) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut position = HEADER;
            let mut bytes = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                std::thread::park_timeout(LOOK);
                let Ok(mut file) = File::open(&path) else { continue };
                let fresh = file.seek(SeekFrom::Start(position)).is_ok()
                    && file.read_to_end(&mut bytes).is_ok();
                if fresh {
                    let at = Instant::now();
                    let whole = bytes.len() / (WINDOW * 2) * (WINDOW * 2);
                    let windows = bytes[..whole].chunks_exact(WINDOW * 2);
                    sink.lock().unwrap().extend(windows.map(|w| Heard { at, power: power(w) }));
                    position += whole as u64;
                }
                bytes.clear();
            }
        });
        Self { heard, stop, thread: Some(thread) }
    }

    /// Everything heard after that moment.
    pub fn since(&self, moment: Instant) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        let first = heard.partition_point(|heard| heard.at < moment);
        heard[first..].to_vec()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn power(bytes: &[u8]) -> f64 {
    let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    let sum: f64 = samples.map(|sample| (f64::from(sample) / 32_768.0).powi(2)).sum();
    sum / WINDOW as f64
}

/// How sound came back after the network did.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// From then until sound that lasted; zero if it had never stopped.
    pub seconds: f64,
    /// Mean square of what came back.
    pub power: f64,
}

/// Sound has to last this long to be back.
const LASTING: Duration = Duration::from_millis(1500);
/// A pause this short is no interruption.
const SHORT: Duration = Duration::from_millis(100);
/// If nothing stops within this time, nothing will.
const LATEST_GAP: Duration = Duration::from_secs(3);

/// Judges what was heard since the network came back: `None` while it is too early to tell.
pub fn recovery(heard: &[Heard], back: Instant) -> Option<Recovery> {
    let now = heard.last()?.at;
    // The beginning of the stretch of sound that reaches until now.
    let mut begin = None;
    let mut quiet_since = None;
    let mut power = Vec::new();
    for window in heard {
        if window.is_sound() {
            let pause = quiet_since.take().map(|since| window.at.saturating_duration_since(since));
            if begin.is_none() || pause.is_some_and(|pause| pause > SHORT) {
                begin = Some(window.at);
                power.clear();
            }
            power.push(window.power);
        } else {
            quiet_since.get_or_insert(window.at);
        }
    }
    let silent = quiet_since.is_some_and(|since| now.saturating_duration_since(since) > SHORT);
    let begin = begin.filter(|_| !silent)?;
    let waited = begin.saturating_duration_since(back);
    let lasted = now.saturating_duration_since(begin);
    let interrupted = waited > SHORT;
    let enough = if interrupted { LASTING } else { LATEST_GAP };
    if lasted < enough {
        return None;
    }
    // The beginning of a stretch is made up in part.
    let steady = &power[power.len() / 2..];
    let power = steady.iter().sum::<f64>() / steady.len() as f64;
    Some(Recovery { seconds: if interrupted { waited.as_secs_f64() } else { 0.0 }, power })
}
