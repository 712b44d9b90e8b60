//! The UDP sockets of a connection as one source and one sink of datagrams.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Context;
use std::task::Poll;

use tokio::io::ReadBuf;

use super::engine::Transmit;
use super::peer::Listening;

/// Longest datagram. Nobody sends media beyond the Ethernet MTU.
const MAX_DATAGRAM: usize = 2048;
/// Socket errors taken in a row before the socket is left alone until something else happens.
const MAX_ERRORS: usize = 8;

/// A datagram in the buffer of its [`Sockets`].
pub(super) struct Datagram {
    pub(super) socket: usize,
    pub(super) to: SocketAddr,
    pub(super) from: SocketAddr,
    len: usize,
}

/// Every socket that a connection listens on.
pub(super) struct Sockets {
    list: Vec<Listening>,
    /// Whose turn it is, so that a busy socket does not silence the others.
    next: usize,
    buffer: Box<[u8]>,
}

impl Sockets {
    pub(super) fn new(list: Vec<Listening>) -> Self {
        Self { list, next: 0, buffer: vec![0; MAX_DATAGRAM].into_boxed_slice() }
    }

    pub(super) fn add(&mut self, listening: Listening) {
        self.list.push(listening);
    }

    pub(super) fn payload(&self, datagram: &Datagram) -> &[u8] {
        self.buffer.get(..datagram.len).unwrap_or_default()
    }

    pub(super) async fn recv(&mut self) -> Datagram {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Datagram> {
        let count = self.list.len();
        for offset in 0..count {
            let socket = (self.next + offset) % count;
            let Some(listening) = self.list.get(socket) else {
                continue;
            };
            for _ in 0..MAX_ERRORS {
                let mut buffer = ReadBuf::new(&mut self.buffer);
                match listening.socket.poll_recv_from(cx, &mut buffer) {
                    Poll::Pending => break,
                    // An ICMP answer to something sent earlier. The checks notice by themselves.
                    Poll::Ready(Err(_)) => {}
                    Poll::Ready(Ok(from)) => {
                        let len = buffer.filled().len();
                        self.next = socket + 1;
                        return Poll::Ready(Datagram { socket, to: listening.address, from, len });
                    }
                }
            }
        }
        Poll::Pending
    }

    pub(super) fn try_recv(&mut self, socket: usize) -> Option<Datagram> {
        let listening = self.list.get(socket)?;
        let (len, from) = listening.socket.try_recv_from(&mut self.buffer).ok()?;
        Some(Datagram { socket, to: listening.address, from, len })
    }

    pub(super) fn send(&self, transmit: &Transmit) {
        let sender = self.list.iter().find(|listening| listening.address == transmit.from);
        let Some(sender) = sender else {
            return;
        };
        if let Err(error) = sender.socket.try_send_to(&transmit.payload, transmit.to) {
            tracing::trace!(%error, "datagram not sent");
        }
    }
}
