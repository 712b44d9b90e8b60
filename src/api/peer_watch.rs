//! Notices that a media connection is gone although the bridge can still be reached: the
//! network path changed, or the SFU was restarted.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::rtc::PeerState;

/// A connection that heard nothing for a while gets this long to come back by itself.
const GRACE: Duration = Duration::from_secs(10);

/// A path that is silent for so long, after five seconds of which nobody took notice, is not
/// waited for any more. Four seconds later it would be given up for good.
const LASTING: Duration = Duration::from_secs(6);

/// A search for another path takes no longer.
const SEARCH: Duration = Duration::from_secs(20);

/// What can go wrong with a connection that we may repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing comes any more, or the other side answers to another address than before.
    Path,
    /// The other side has closed it.
    Closed,
}

/// Returns when a connection needs another path, or can't be helped; `None` when it is dropped.
pub(super) async fn trouble(
    state: &mut watch::Receiver<PeerState>,
    moves: &mut watch::Receiver<u64>,
) -> Option<Trouble> {
    trouble_after(LASTING, state, moves).await
}

async fn trouble_after(
    lasting: Duration,
    state: &mut watch::Receiver<PeerState>,
    moves: &mut watch::Receiver<u64>,
) -> Option<Trouble> {
    loop {
        let now = *state.borrow_and_update();
        match now {
            PeerState::Closed => return Some(Trouble::Closed),
            PeerState::Failed => return Some(Trouble::Path),
            PeerState::Disconnected
            | PeerState::New
            | PeerState::Connecting
            | PeerState::Connected => {}
        }
        tokio::select! {
            () = sleep(lasting), if now == PeerState::Disconnected => return Some(Trouble::Path),
            changed = state.changed() => changed.ok()?,
            moved = moves.changed() => {
                moved.ok()?;
                moves.mark_unchanged();
                return Some(Trouble::Path);
            }
        }
    }
}

/// Waits until a search for another path has succeeded; `false` if it has not.
pub(super) async fn is_found(state: &mut watch::Receiver<PeerState>) -> bool {
    let ended = |state: &PeerState| {
        matches!(state, PeerState::Connected | PeerState::Failed | PeerState::Closed)
    };
    match timeout(SEARCH, state.wait_for(ended)).await {
        Ok(Ok(state)) => *state == PeerState::Connected,
        Ok(Err(_)) | Err(_) => false,
    }
}

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
    async fn silence_and_another_address_call_for_another_path() {
        let (sender, mut state) = watch::channel(PeerState::Connected);
        let (moved, mut moves) = watch::channel(0);
        sender.send_replace(PeerState::Disconnected);
        let lasting = trouble_after(Duration::ZERO, &mut state, &mut moves);
        assert_eq!(lasting.await, Some(Trouble::Path));
        sender.send_replace(PeerState::Connected);
        assert!(is_found(&mut state).await);
        moved.send_replace(1);
        assert_eq!(trouble(&mut state, &mut moves).await, Some(Trouble::Path));
        sender.send_replace(PeerState::Failed);
        assert!(!is_found(&mut state).await);
        sender.send_replace(PeerState::Closed);
        assert_eq!(trouble(&mut state, &mut moves).await, Some(Trouble::Closed));
        sender.send_replace(PeerState::Connected);
        drop((sender, moved));
        assert_eq!(trouble(&mut state, &mut moves).await, None);
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
