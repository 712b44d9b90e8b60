//! Takes the terminal over and gives it back, whatever happens in between.
//!
//! Exactly one of these undoes what [`Terminal::enter`] did: leaving on purpose, dropping
//! the guard, or the panic hook, whichever comes first. The others find nothing to do.

use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::panic;
use std::sync::Once;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use crossterm::cursor::Show;
use crossterm::event::DisableBracketedPaste;
use crossterm::event::DisableMouseCapture;
use crossterm::event::EnableBracketedPaste;
use crossterm::event::EnableMouseCapture;
use crossterm::execute;
use crossterm::terminal;
use crossterm::terminal::EndSynchronizedUpdate;
use crossterm::terminal::EnterAlternateScreen;
use crossterm::terminal::LeaveAlternateScreen;
use ratatui::layout::Size;
use tokio::sync::Notify;

use super::error::UiError;

/// The terminal is ours at the moment.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Something panicked while the terminal was ours.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Wakes the event loop when something panics on another task.
static PANIC: Notify = Notify::const_new();

/// Installs the panic hook once per process.
static HOOK: Once = Once::new();

/// The terminal while it is ours. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Terminal {
    mouse: bool,
}

impl Terminal {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste, mouse if asked.
    ///
    /// # Errors
    ///
    /// [`UiError::NotATerminal`] if standard input or output is something else, and
    /// [`UiError::Terminal`] if it does not obey.
    pub fn enter(mouse: bool) -> Result<Self, UiError> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(UiError::NotATerminal);
        }
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // The report must land on the ordinary screen, where it can be read.
                if ENTERED.load(Ordering::SeqCst) {
                    PANICKED.store(true, Ordering::SeqCst);
                    restore();
                    PANIC.notify_one();
                }
                report(info);
            }));
        });
        let terminal = Self { mouse };
        terminal.resume()?;
        Ok(terminal)
    }

    /// Takes the terminal over again after [`suspend`](Self::suspend).
    ///
    /// # Errors
    ///
    /// [`UiError::Terminal`] if it does not obey.
    pub fn resume(&self) -> Result<(), UiError> {
        ENTERED.store(true, Ordering::SeqCst);
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        if self.mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        Ok(())
    }

    /// Gives the terminal back for a while.
    pub fn suspend(&self) {
        restore();
    }

    /// How large it is.
    ///
    /// # Errors
    ///
    /// [`UiError::Terminal`] if it does not tell.
    pub fn size(&self) -> Result<Size, UiError> {
        let (width, height) = terminal::size()?;
        Ok(Size { width, height })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Something panicked since the terminal was taken over: it has been given back.
#[must_use]
pub fn has_panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// Waits until something panics.
///
/// # Cancel safety
///
/// Nothing is lost if the future is dropped.
pub async fn panicked() {
    PANIC.notified().await;
}

/// Undoes what was done to the terminal. Failing is not an option, so failures are ignored:
/// what can be put back is put back.
fn restore() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = terminal::disable_raw_mode();
    let _ = out.flush();
}
