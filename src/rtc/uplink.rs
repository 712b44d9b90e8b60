//! How much of what is sent gets lost, as the other side reports it.

use tokio::sync::watch;

/// More than this is no loss that could be covered, but a network that is away.
const MOST: u8 = 30;

/// Turns reports into a figure that a codec can act on: it rises at once, because the next
/// frame may be lost as well, and falls by a quarter with each report.
pub(super) struct Uplink {
    percent: watch::Sender<u8>,
    reports: u64,
}

impl Uplink {
    pub(super) const fn new(percent: watch::Sender<u8>) -> Self {
        Self { percent, reports: 0 }
    }

    /// Takes the latest `fraction` of 256 that was reported, and how many reports there were.
    pub(super) fn observe(&mut self, reports: u64, fraction: u8) {
        if reports == self.reports {
            return;
        }
        self.reports = reports;
        let reported = u8::try_from(u32::from(fraction) * 100 / 256).unwrap_or(MOST).min(MOST);
        self.percent.send_if_modified(|shown| {
            let before = *shown;
            *shown = reported.max(before.saturating_sub(before.div_ceil(4)));
            *shown != before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_rises_at_once_and_falls_slowly() {
        let (sender, shown) = watch::channel(0);
        let mut uplink = Uplink::new(sender);
        let mut after = |reports, fraction| {
            uplink.observe(reports, fraction);
            *shown.borrow()
        };
        assert_eq!(after(1, 26), 10);
        assert_eq!(after(1, 255), 10, "told already");
        assert_eq!(after(2, 0), 7);
        assert_eq!(after(3, 255), MOST);
        let fall: Vec<_> = (4..14).map(|report| after(report, 0)).collect();
        assert_eq!(fall, [22, 16, 12, 9, 6, 4, 3, 2, 1, 0]);
    }
}
