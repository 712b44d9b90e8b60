//! Owns the media port: feeds datagrams, requests and time to the step functions and sends
//! what they say. It decides nothing.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::config::SfuConfig;
use super::error::SfuError;
use super::handle::Command;
use super::handle::SfuEvent;

/// A driver that has been started.
pub(super) struct Started {
    pub(super) local_addr: SocketAddr,
    pub(super) task: JoinHandle<()>,
}

/// Opens the port and starts the task; its owner is the handle.
pub(super) async fn spawn(
    config: SfuConfig,
    mut inbox: mpsc::Receiver<Command>,
    _outbox: mpsc::Sender<SfuEvent>,
) -> Result<Started, SfuError> {
    let socket = UdpSocket::bind(config.bind).await.map_err(SfuError::Bind)?;
    let local_addr = socket.local_addr().map_err(SfuError::Bind)?;
    let task = tokio::spawn(async move {
        while let Some(command) = inbox.recv().await {
            if matches!(command, Command::Shutdown) {
                break;
            }
        }
    });
    Ok(Started { local_addr, task })
}
