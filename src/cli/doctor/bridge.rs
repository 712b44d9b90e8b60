//! Can the bridge be reached, does it let us in, and do its clock and ours agree?

use std::time::Duration;
use std::time::Instant;

use jiff::Timestamp as Moment;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::output::clean;
use crate::cli::session::Session;
use crate::net::http::Http;
use crate::profile::KnownBridge;
use crate::wire::url::BridgeUrl;

use super::finding::Finding;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clocks that differ by more are worth a warning.
const CLOCK_WARNING: Duration = Duration::from_secs(5);
/// Bridges refuse what was signed longer ago than 150 s.
const CLOCK_LIMIT: Duration = Duration::from_secs(120);

/// Opens a TCP connection to the bridge and closes it again.
pub async fn reach(bridge: &KnownBridge) -> Finding {
    const CHECK: &str = "reach";
    let url = match BridgeUrl::parse(&bridge.url) {
        Ok(url) => url,
        Err(error) => {
            let text = format!("{:?} is not the address of a bridge: {error}", clean(&bridge.url));
            return Finding::broken(CHECK, Exit::Unreachable, text, "correct it in the profile");
        }
    };
    let (host, port) = (url.host().to_owned(), url.port());
    let began = Instant::now();
    let connected = timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let why = match connected {
        Ok(Ok(_)) => {
            let text = format!("{host} port {port} (TCP) answers within {ms} ms");
            return Finding::fine(CHECK, text).with_figures(json!({"connect_ms": ms}));
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let text = format!("{host} port {port} (TCP): {why}");
    let fix = "check the address, that the bridge runs, and that no firewall is in between";
    Finding::broken(CHECK, Exit::Unreachable, text, fix)
}

/// Tells who we are at the bridge.
#[must_use]
pub fn login(session: &Session) -> Finding {
    let (user, url) = (clean(session.user.as_str()), clean(&session.url));
    let text = format!("{url} knows you as {user}");
    let figures = json!({"url": session.url, "user": session.user.as_str(),
        "context": session.context.as_str()});
    if session.is_pinned {
        return Finding::fine("login", text).with_figures(figures);
    }
    let fix = "pin its key with --bridge-key when you know it, or whoever controls the network can pose as it";
    Finding::warning("login", format!("{text}, but its own key is not pinned"), fix)
        .with_figures(figures)
}

/// Compares the clock of the bridge with ours.
pub async fn compare_clocks(url: &str) -> Finding {
    const CHECK: &str = "clock";
    let Ok(parsed) = BridgeUrl::parse(url) else {
        return Finding::skipped(CHECK, "the bridge has no usable address");
    };
    let asked = clock::now().0;
    let date = match Http::new() {
        Ok(http) => http.date(&parsed.origin()).await,
        Err(error) => Err(error),
    };
    let answered = clock::now().0;
    let theirs = match date {
        Ok(Some(date)) => DateTimeParser::new().parse_zoned(&date).map(|zoned| zoned.timestamp()),
        Ok(None) => return Finding::skipped(CHECK, "the bridge does not tell the time"),
        Err(error) => return Finding::skipped(CHECK, error.to_string()),
    };
    match theirs {
        Ok(theirs) => judge(difference(theirs, asked, answered)),
        Err(_) => Finding::skipped(CHECK, "the bridge tells the time in an unknown form"),
    }
}

/// By how many milliseconds the other clock is ahead. It tells whole seconds only, and it was read
/// at some time between `asked` and `answered`: what these explain is no difference.
fn difference(theirs: Moment, asked: i64, answered: i64) -> i64 {
    let from = theirs.as_millisecond();
    let to = from.saturating_add(999);
    if to < asked {
        to.saturating_sub(asked)
    } else if from > answered {
        from.saturating_sub(answered)
    } else {
        0
    }
}

fn judge(ahead_ms: i64) -> Finding {
    const CHECK: &str = "clock";
    let off = Duration::from_millis(ahead_ms.unsigned_abs());
    let figures = json!({"ahead_ms": ahead_ms});
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let text = format!("the bridge's clock is {:.1} s {direction} ours", off.as_secs_f64());
    let fix = "set both clocks by NTP, as in `timedatectl set-ntp true`";
    let finding = if off > CLOCK_LIMIT {
        Finding::broken(CHECK, Exit::Failure, text, fix)
    } else if off > CLOCK_WARNING {
        Finding::warning(CHECK, text, fix)
    } else {
        Finding::fine(CHECK, "the bridge's clock agrees with ours")
    };
    finding.with_figures(figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn clocks_are_compared_as_closely_as_they_are_told() {
        let second = |s: i64| Moment::from_second(s).unwrap();
        let cases = [
            ("the same second", second(100), 100_000, 100_020, 0),
            ("its last moment", second(100), 100_999, 101_010, 0),
            ("a slow answer", second(103), 100_000, 104_000, 0),
            ("behind", second(90), 100_000, 100_020, -9_001),
            ("ahead", second(200), 100_000, 100_500, 99_500),
        ];
        for (name, theirs, asked, answered, expected) in cases {
            assert_eq!(difference(theirs, asked, answered), expected, "{name}");
        }
        let verdicts = [0, 4_000, -6_000, 119_000, -121_000].map(|ms| judge(ms).verdict);
        let (fine, warning) = (Verdict::Fine, Verdict::Warning);
        assert_eq!(verdicts, [fine, fine, warning, warning, Verdict::Broken]);
    }
}
