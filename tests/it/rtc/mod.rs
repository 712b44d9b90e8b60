//! Peer connections against another WebRTC stack on loopback.

mod counterpart;
mod publisher;
mod sfu;
mod subscriber;
mod turn;
mod video;

use std::time::Duration;

use conclave::rtc::PeerConfig;
use conclave::rtc::PeerState;
use tokio::sync::watch;

fn loopback() -> PeerConfig {
    PeerConfig { loopback: true, ..PeerConfig::default() }
}

async fn until(state: &mut watch::Receiver<PeerState>, wanted: PeerState) {
    let wait = state.wait_for(|state| *state == wanted);
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("state within 10 s").unwrap();
}
