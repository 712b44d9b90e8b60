//! A stream whose writes have to get through within some time.
//!
//! A client that asks and never reads would otherwise keep its connection and the answer for
//! as long as it likes. Reading has other deadlines: those of the head and of the body.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep_until;

/// Fails with [`io::ErrorKind::TimedOut`] when what was written does not leave in time.
#[derive(Debug)]
pub struct Deadline<S> {
    stream: S,
    limit: Duration,
    /// Runs since a write had to wait first, until everything has been flushed.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Deadline<S> {
    /// Allows `limit` for everything between two flushes.
    pub const fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, alarm: None }
    }

    /// Passes on that a write waits, or that it has waited too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_pending() {
            let limit = self.limit;
            let alarm =
                self.alarm.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
            if alarm.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Deadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Deadline<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        if poll.is_ready() {
            self.alarm = None;
        }
        self.watch(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn who_does_not_read_is_given_up() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Deadline::new(near, Duration::from_millis(20));
        near.write_all(b"abcd").await.unwrap();
        near.flush().await.unwrap();
        let begun = Instant::now();
        let stuck = near.write_all(b"e").await.unwrap_err();
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= Duration::from_millis(20));
        let mut read = [0; 4];
        far.read_exact(&mut read).await.unwrap();
        near.write_all(b"e").await.unwrap();
        near.flush().await.unwrap();
        far.read_exact(&mut read[..1]).await.unwrap();
        assert_eq!(&read, b"ebcd");
    }
}
