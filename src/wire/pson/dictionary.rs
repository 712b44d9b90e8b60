//! The words that both sides know beforehand (transport.md 6.2).

/// Words in the order of their index.
const WORDS: [&str; 11] = [
    "type",
    "ticket",
    "tickets",
    "ticket_id",
    "ticket_request",
    "ticket_response",
    "ecdhe",
    "ecdh",
    "key",
    "count",
    "client_random",
];

/// Which words a writer may abbreviate, or a reader must know.
///
/// Servers write with [`Dictionary::Static`] in frames, clients with [`Dictionary::Empty`];
/// both read frames with the static one. Notifications use none on either side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dictionary {
    /// No words: every text is written out.
    #[default]
    Empty,
    /// The eleven words of the handshake.
    Static,
}

impl Dictionary {
    /// Index of `word`, if it may be abbreviated.
    pub(super) fn index_of(self, word: &str) -> Option<u32> {
        let position = self.words().iter().position(|known| *known == word)?;
        u32::try_from(position).ok()
    }

    /// The words known from the start.
    pub(super) const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Empty => &[],
            Self::Static => &WORDS,
        }
    }
}
