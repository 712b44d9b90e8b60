//! Notices that a media connection is gone although the bridge can still be reached: the
//! network path changed, or the SFU was restarted.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::rtc::PeerState;

/// A connection that heard nothing for a while gets this long to come back by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Returns when a connection has failed, has been closed by the other side, or stays
/// silent; and when it is dropped, with `false`.
pub(super) async fn is_lost(state: watch::Receiver<PeerState>) -> bool {
    is_lost_after(GRACE, state).await
}

async fn is_lost_after(grace: Duration, mut state: watch::Receiver<PeerState>) -> bool {
    loop {
        let now = *state.borrow_and_update();
        let changed = match now {
            PeerState::Failed | PeerState::Closed => return true,
            PeerState::Disconnected => match timeout(grace, state.changed()).await {
                Ok(changed) => changed,
                Err(_) => return true,
            },
            PeerState::New | PeerState::Connecting | PeerState::Connected => state.changed().await,
        };
        if changed.is_err() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn failure_and_lasting_silence_are_losses() {
        for (state, patience) in [
            (PeerState::Failed, GRACE),
            (PeerState::Closed, GRACE),
            (PeerState::Disconnected, Duration::ZERO),
        ] {
            let (_sender, receiver) = watch::channel(state);
            assert!(is_lost_after(patience, receiver).await, "{state:?}");
        }
    }

    #[tokio::test]
    async fn silence_that_ends_is_none() {
        let (sender, receiver) = watch::channel(PeerState::Disconnected);
        let watching = tokio::spawn(is_lost(receiver));
        tokio::task::yield_now().await;
        sender.send_replace(PeerState::Connected);
        drop(sender);
        assert!(!watching.await.unwrap(), "closed by ourselves");
    }
}
