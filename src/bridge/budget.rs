//! How many bytes the bridge holds for its connections, all together.
//!
//! Counted is what was read and is not answered yet, and what waits to be sent. Each
//! connection has bounds of its own, but a thousand of them at their bounds would be more than
//! a machine has. Whoever asks for more than is left is disconnected; one address gets a part
//! of the whole only, so that nobody takes everybody's share.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

/// One address may hold this part of the whole.
const PART_OF_ONE: usize = 4;

#[derive(Debug, Default)]
struct State {
    used: usize,
    owners: HashMap<IpAddr, usize>,
}

/// The bytes that connections may hold together.
#[derive(Debug)]
pub struct Budget {
    max: usize,
    state: Mutex<State>,
}

/// A number of bytes held for one address; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    owner: IpAddr,
    held: usize,
}

impl Budget {
    /// Allows `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.state().used
    }

    fn take(&self, owner: IpAddr, bytes: usize) -> bool {
        let mut state = self.state();
        let own = state.owners.get(&owner).copied().unwrap_or(0).saturating_add(bytes);
        let all = state.used.saturating_add(bytes);
        if all > self.max || own > self.max / PART_OF_ONE {
            return false;
        }
        state.used = all;
        state.owners.insert(owner, own);
        true
    }

    fn give(&self, owner: IpAddr, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut state = self.state();
        state.used = state.used.saturating_sub(bytes);
        if let Some(own) = state.owners.get_mut(&owner) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                state.owners.remove(&owner);
            }
        }
    }
}

impl Share {
    /// A share of nothing yet.
    #[must_use]
    pub const fn new(budget: Arc<Budget>, owner: IpAddr) -> Self {
        Self { budget, owner, held: 0 }
    }

    /// Another share of the same owner with this many bytes; `None` if they are not left.
    #[must_use]
    pub fn another(&self, bytes: usize) -> Option<Self> {
        let mut other = Self::new(Arc::clone(&self.budget), self.owner);
        other.grow(bytes).then_some(other)
    }

    /// Holds more; `false` if there is no more.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let granted = bytes == 0 || self.budget.take(self.owner, bytes);
        if granted {
            self.held = self.held.saturating_add(bytes);
        }
        granted
    }

    /// Gives some back.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.budget.give(self.owner, bytes);
    }

    /// Gives everything back.
    pub fn clear(&mut self) {
        self.shrink(self.held);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What was read from one connection and is not done with; shared by the stream that reads
/// and by whoever is done with a message.
#[derive(Clone, Debug)]
pub struct Meter {
    share: Arc<Mutex<Share>>,
    exhausted: Arc<AtomicBool>,
}

impl Meter {
    /// Counts towards `share`.
    #[must_use]
    pub fn new(share: Share) -> Self {
        Self { share: Arc::new(Mutex::new(share)), exhausted: Arc::default() }
    }

    /// Whether a read failed because there was no room.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// The share, for a moment.
    pub fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream whose reads are counted; it fails with [`io::ErrorKind::QuotaExceeded`] when there
/// is no room for what it reads.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    meter: Meter,
}

impl<S> Metered<S> {
    /// Counts what is read from `stream`.
    pub const fn new(stream: S, meter: Meter) -> Self {
        Self { stream, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read = buffer.filled().len().saturating_sub(before);
        if matches!(poll, Poll::Ready(Ok(()))) && !self.meter.share().grow(read) {
            self.meter.exhausted.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn nobody_gets_more_than_there_is_nor_everything() {
        let budget = Budget::new(100);
        let mut one = Share::new(Arc::clone(&budget), address(1));
        assert!(one.grow(25));
        assert!(!one.grow(1), "a quarter is for one address");
        assert!(one.another(1).is_none());
        let others: Vec<Share> = (2..5)
            .map(|last| {
                let mut share = Share::new(Arc::clone(&budget), address(last));
                assert!(share.grow(25));
                share
            })
            .collect();
        assert!(!Share::new(Arc::clone(&budget), address(9)).grow(1), "everything is taken");
        drop(others);
        one.shrink(5);
        let more = one.another(5).unwrap();
        assert_eq!(budget.used(), 25);
        drop(more);
        drop(one);
        assert_eq!(budget.used(), 0);
        assert!(budget.state().owners.is_empty());
    }

    #[tokio::test]
    async fn reading_is_counted_and_ends_where_there_is_no_room() {
        let budget = Budget::new(40);
        let meter = Meter::new(Share::new(Arc::clone(&budget), address(1)));
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Metered::new(near, meter.clone());
        far.write_all(&[7; 16]).await.unwrap();
        let mut read = [0; 8];
        near.read_exact(&mut read).await.unwrap();
        assert_eq!(budget.used(), 8);
        meter.share().clear();
        near.read_exact(&mut read).await.unwrap();
        assert_eq!(budget.used(), 8);
        far.write_all(&[7; 8]).await.unwrap();
        let error = near.read_exact(&mut read).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    }
}
