//! What the application holds of the shared terminals of a room.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::command::SharedCommand;
use super::task::Command;
use super::task::Task;
use super::view::TerminalViews;
use crate::api::ApiError;
use crate::api::Person;
use crate::api::StreamApi;
use crate::media::terminal::TerminalSize;
use crate::model::StreamHandle;
use crate::model::StreamId;
use crate::model::StreamRoomId;
use crate::model::UserId;

/// Commands from the application to the task. When full, the newest is refused.
const COMMANDS: usize = 64;

/// What is to be done with a shared terminal. One without a stream is this process's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminalOrder {
    /// End the own share and its command.
    Stop,
    /// Type into a terminal: the own one, or one that this process has control of. Without
    /// control nothing is sent.
    Keys(Option<StreamId>, Vec<u8>),
    /// Ask the owner for control.
    Ask(StreamId),
    /// Give control back to the owner.
    Release(StreamId),
    /// Give control of the own terminal to a user who watches; without a name, to the one who
    /// asks for it, or to the only one who watches.
    Lend(Option<UserId>),
    /// Take control of the own terminal back at once.
    TakeBack,
    /// There is so much room for a terminal, which its owner makes fit; `None` takes it as
    /// large as it is.
    Room(Option<StreamId>, Option<TerminalSize>),
    /// Keep the own terminal at one size; `None` lets the smallest room decide.
    Fix(Option<TerminalSize>),
    /// Fetch lines that have left the screen: the first one, and how many.
    Lines(Option<StreamId>, u64, u16),
}

/// The shared terminals of a room that this process is in.
pub struct Terminals {
    commands: mpsc::Sender<Command>,
    views: watch::Receiver<TerminalViews>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Terminals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminals").finish_non_exhaustive()
    }
}

impl Terminals {
    /// Follows the shared terminals of `room`. `handle` is the local stream, whose data track
    /// carries what is sent; without one, nothing can be shared or watched.
    pub(in crate::api) fn follow(
        api: &StreamApi,
        room: &StreamRoomId,
        handle: Option<StreamHandle>,
        people: watch::Receiver<Vec<Person>>,
    ) -> Result<Self, ApiError> {
        let (commands, orders) = mpsc::channel(COMMANDS);
        let (view_sender, views) = watch::channel(Vec::new());
        let task = Task::new(api, api.room(room)?, handle, people, (orders, view_sender))?;
        let task = Mutex::new(Some(tokio::spawn(task.run())));
        Ok(Self { commands, views, task })
    }

    /// All that is shared in the room, now and from now on.
    #[must_use]
    pub fn views(&self) -> watch::Receiver<TerminalViews> {
        self.views.clone()
    }

    /// Whether a terminal of this process is shared.
    #[must_use]
    pub fn is_sharing(&self) -> bool {
        self.views.borrow().first().is_some_and(|view| view.stream.is_none())
    }

    /// Shares a command in a terminal of its own, in place of what was shared before. Others
    /// see it and can't type, until they are given control.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NoDataTrack`] if the call was joined without messages.
    /// - [`ApiError::Device`] if the command can't be started.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent it.
    pub async fn share(&self, command: SharedCommand) -> Result<(), ApiError> {
        let (reply, answer) = oneshot::channel();
        let order = Command::Share { command, reply };
        self.commands.send(order).await.map_err(|_| ApiError::Closed)?;
        answer.await.map_err(|_| ApiError::Closed)?
    }

    /// Has something done and returns at once. What comes of it is seen in the
    /// [`views`](Self::views); an order that makes no sense any more does nothing.
    pub fn order(&self, order: TerminalOrder) {
        if self.commands.try_send(Command::Order(order)).is_err() {
            tracing::debug!("the task of the shared terminals takes no order");
        }
    }

    /// Ends the own share, says goodbye to the others and waits for the command to end.
    pub(in crate::api) async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A task that takes no order has ended.
            let _ = self.commands.send(Command::Close).await;
            let _ = task.await;
        }
    }
}
