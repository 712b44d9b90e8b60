//! The frame layer: a message is a sequence of frames, in plaintext until a
//! CHANGE_CIPHER_SPEC switches the direction to encryption (transport.md 3).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::crypto::cipher;
use crate::crypto::cipher::BLOCK_BYTES;
use crate::crypto::hash;
use crate::crypto::kdf;
use crate::model::Secret;

/// How the payloads of a message are written: the version in the header of its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// What clients speak.
    #[default]
    Pson = 1,
    /// What servers understand, too.
    MessagePack = 2,
}

const HEADER_BYTES: usize = 8;
const TAG_BYTES: usize = 8;
const MAC_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// Longest message that is read. Requests are at most 5 MiB; a page of rooms with long
/// histories may take more.
pub const MESSAGE_MAX: usize = 16 << 20;
/// Most frames of one message; official peers send three or four.
pub const FRAMES_MAX: usize = 1024;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ContentType {
    /// What follows in this direction is encrypted.
    ChangeCipherSpec = 20,
    /// An error text that ends the message.
    Alert = 21,
    /// A packet of the handshake.
    Handshake = 22,
    /// A call or its answer.
    ApplicationData = 23,
    /// Authorisation of an application; read over.
    Hello = 24,
}

/// A frame without its wrapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it carries.
    pub content: ContentType,
    /// The content in plaintext.
    pub payload: Vec<u8>,
    /// Whether it was encrypted, and with that authentic.
    pub encrypted: bool,
}

/// Why a message cannot be read on. The texts of the first two are the server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The header of an encrypted frame is not authentic.
    #[error("Invalid frame TAG")]
    Tag,
    /// The content of an encrypted frame is not authentic.
    #[error("Invalid frame MAC")]
    Mac,
    /// A version that is not spoken here.
    #[error("Unsupported frame version {0}")]
    Version(u8),
    /// A content type that does not exist.
    #[error("Unsupported frame type {0}")]
    ContentType(u8),
    /// The message ends inside a frame.
    #[error("Invalid frame length")]
    Truncated,
    /// Longer than [`MESSAGE_MAX`] or more than [`FRAMES_MAX`] frames.
    #[error("Message too large")]
    TooLarge,
}

/// The keys of one direction.
pub struct RecordKeys {
    key: Secret<[u8; KEY_BYTES]>,
    mac: Secret<[u8; KEY_BYTES]>,
}

/// The keys of both directions.
pub struct KeyBlock {
    /// From client to server.
    pub client: RecordKeys,
    /// From server to client.
    pub server: RecordKeys,
}

/// Keys with the number of the next frame.
struct Cipher {
    keys: RecordKeys,
    sequence: u64,
}

/// Wraps frames one after another into a message.
#[derive(Default)]
pub struct RecordWriter {
    encoding: Encoding,
    message: Vec<u8>,
    cipher: Option<Cipher>,
}

/// Unwraps the frames of one message.
pub struct RecordReader {
    /// What all frames have to be written in; nothing if the first decides.
    encoding: Option<Encoding>,
    message: Vec<u8>,
    at: usize,
    frames: usize,
    cipher: Option<Cipher>,
}

impl KeyBlock {
    /// The keys of one exchange.
    #[must_use]
    pub fn derive(master: &[u8], client_random: &[u8], server_random: &[u8]) -> Self {
        let seed = [b"key expansion".as_slice(), server_random, client_random].concat();
        let mut block = zeroize::Zeroizing::new([0; KEY_BYTES * 4]);
        kdf::prf(master, &seed, block.as_mut_slice());
        let (keys, _) = block.as_chunks::<KEY_BYTES>();
        let part = |index: usize| *keys.get(index).expect("a block is four keys long");
        Self {
            client: RecordKeys::new(part(2), part(0)),
            server: RecordKeys::new(part(3), part(1)),
        }
    }
}

impl RecordKeys {
    /// Keys of one direction for encryption and authentication.
    #[must_use]
    pub const fn new(key: [u8; KEY_BYTES], mac: [u8; KEY_BYTES]) -> Self {
        Self { key: Secret::new(key), mac: Secret::new(mac) }
    }
}

impl Cipher {
    /// The sequence number and the header, which every MAC of a frame covers.
    fn seed(&self, header: &[u8; HEADER_BYTES]) -> [u8; BLOCK_BYTES] {
        let mut seed = [0; BLOCK_BYTES];
        for (to, from) in seed.iter_mut().zip(self.sequence.to_be_bytes().iter().chain(header)) {
            *to = *from;
        }
        seed
    }

    fn tag(&self, seed: &[u8; BLOCK_BYTES]) -> [u8; TAG_BYTES] {
        first(&hash::hmac_sha256(self.keys.mac.expose(), seed))
    }

    fn mac(&self, seed: &[u8; BLOCK_BYTES], sealed_header: &[u8], body: &[u8]) -> [u8; MAC_BYTES] {
        let parts = [seed.as_slice(), sealed_header, body];
        first(&hash::hmac_sha256_parts(self.keys.mac.expose(), &parts))
    }

    fn seal(
        &mut self,
        encoding: Encoding,
        content: ContentType,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        let padded = if payload.is_empty() { 0 } else { padded_length(payload.len()) };
        let header = header(encoding, content, padded);
        let seed = self.seed(&header);
        let mut sealed_header = [0; BLOCK_BYTES];
        let tag = self.tag(&seed);
        for (to, from) in sealed_header.iter_mut().zip(header.iter().chain(&tag)) {
            *to = *from;
        }
        cipher::ecb_encrypt_block(self.keys.key.expose(), &mut sealed_header);
        out.extend_from_slice(&sealed_header);
        if !payload.is_empty() {
            let body = cipher::cbc_encrypt(self.keys.key.expose(), &sealed_header, payload);
            out.extend_from_slice(&body);
            out.extend_from_slice(&self.mac(&seed, &sealed_header, &body));
        }
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Opens the frame that `rest` begins with and returns what follows it.
    fn open<'a>(
        &mut self,
        encoding: Encoding,
        rest: &'a [u8],
    ) -> Result<(Frame, &'a [u8]), RecordError> {
        let (sealed_header, rest) =
            rest.split_first_chunk::<BLOCK_BYTES>().ok_or(RecordError::Truncated)?;
        let mut block = *sealed_header;
        cipher::ecb_decrypt_block(self.keys.key.expose(), &mut block);
        let (header, tag) = block.split_first_chunk::<HEADER_BYTES>().ok_or(RecordError::Tag)?;
        let seed = self.seed(header);
        if !hash::equal(&self.tag(&seed), tag) {
            return Err(RecordError::Tag);
        }
        let (content, length) = parse_header(encoding, header)?;
        let mut payload = Vec::new();
        let mut rest = rest;
        if length != 0 {
            let (body, after) = rest.split_at_checked(length).ok_or(RecordError::Truncated)?;
            let (mac, after) =
                after.split_first_chunk::<MAC_BYTES>().ok_or(RecordError::Truncated)?;
            if !hash::equal(&self.mac(&seed, sealed_header, body), mac) {
                return Err(RecordError::Mac);
            }
            payload = cipher::cbc_decrypt(self.keys.key.expose(), sealed_header, body)
                .map_err(|_| RecordError::Mac)?;
            rest = after;
        }
        self.sequence = self.sequence.wrapping_add(1);
        Ok((Frame { content, payload, encrypted: true }, rest))
    }
}

impl RecordWriter {
    /// Frames from now on say that they are written like this.
    pub const fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    /// Adds a frame, encrypted if the keys were changed.
    pub fn write(&mut self, content: ContentType, payload: &[u8]) {
        match &mut self.cipher {
            Some(cipher) => cipher.seal(self.encoding, content, payload, &mut self.message),
            None => {
                let header = header(self.encoding, content, payload.len());
                self.message.extend_from_slice(&header);
                self.message.extend_from_slice(payload);
            }
        }
    }

    /// Adds a CHANGE_CIPHER_SPEC; what follows is encrypted with `keys`.
    pub fn change_cipher(&mut self, keys: RecordKeys) {
        self.write(ContentType::ChangeCipherSpec, &[]);
        self.cipher = Some(Cipher { keys, sequence: 0 });
    }

    /// Whether what follows is encrypted.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// Bytes of the message so far.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.message.len()
    }

    /// The message.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.message
    }
}

impl RecordReader {
    /// Reads the frames of `message`, which are in PSON.
    #[must_use]
    pub const fn new(message: Vec<u8>) -> Self {
        Self { encoding: Some(Encoding::Pson), message, at: 0, frames: 0, cipher: None }
    }

    /// Reads the frames of `message`, whose first decides what it is in.
    #[must_use]
    pub const fn of_any_encoding(message: Vec<u8>) -> Self {
        Self { encoding: None, message, at: 0, frames: 0, cipher: None }
    }

    /// What the message is in, as far as that is known.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding.unwrap_or_default()
    }

    /// The next frame, or nothing at the end.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; what follows cannot be read either.
    pub fn read(&mut self) -> Result<Option<Frame>, RecordError> {
        let rest = self.message.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        if self.message.len() > MESSAGE_MAX || self.frames >= FRAMES_MAX {
            return Err(RecordError::TooLarge);
        }
        let encoding = match (self.encoding, rest.first()) {
            (Some(encoding), _) => encoding,
            (None, Some(2)) => Encoding::MessagePack,
            (None, _) => Encoding::Pson,
        };
        let (frame, rest) = match &mut self.cipher {
            Some(cipher) => cipher.open(encoding, rest)?,
            None => open_plain(encoding, rest)?,
        };
        self.encoding = Some(encoding);
        self.at = self.message.len().saturating_sub(rest.len());
        self.frames = self.frames.saturating_add(1);
        Ok(Some(frame))
    }

    /// What follows is encrypted with `keys`; to be called after a CHANGE_CIPHER_SPEC.
    pub fn change_cipher(&mut self, keys: RecordKeys) {
        self.cipher = Some(Cipher { keys, sequence: 0 });
    }
}

fn open_plain(encoding: Encoding, rest: &[u8]) -> Result<(Frame, &[u8]), RecordError> {
    // The version comes first even if the header is cut short, so that noise is told apart.
    match rest.first() {
        Some(&version) if version != encoding as u8 => return Err(RecordError::Version(version)),
        _ => {}
    }
    let (header, rest) = rest.split_first_chunk::<HEADER_BYTES>().ok_or(RecordError::Truncated)?;
    let (content, length) = parse_header(encoding, header)?;
    let (payload, rest) = rest.split_at_checked(length).ok_or(RecordError::Truncated)?;
    Ok((Frame { content, payload: payload.to_vec(), encrypted: false }, rest))
}

fn header(encoding: Encoding, content: ContentType, length: usize) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(length).expect("our own messages are far below 4 GiB");
    let [a, b, c, d] = length.to_be_bytes();
    [encoding as u8, content as u8, a, b, c, d, 0, 0]
}

fn parse_header(
    encoding: Encoding,
    header: &[u8; HEADER_BYTES],
) -> Result<(ContentType, usize), RecordError> {
    let [version, content, a, b, c, d, _, _] = *header;
    if version != encoding as u8 {
        return Err(RecordError::Version(version));
    }
    let content = match content {
        20 => ContentType::ChangeCipherSpec,
        21 => ContentType::Alert,
        22 => ContentType::Handshake,
        23 => ContentType::ApplicationData,
        24 => ContentType::Hello,
        other => return Err(RecordError::ContentType(other)),
    };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d]));
    Ok((content, length.map_err(|_| RecordError::TooLarge)?))
}

/// Length after PKCS#7 padding.
const fn padded_length(length: usize) -> usize {
    (length / BLOCK_BYTES).saturating_add(1).saturating_mul(BLOCK_BYTES)
}

fn first<const N: usize>(mac: &[u8; 32]) -> [u8; N] {
    *mac.first_chunk().expect("a MAC is cut to a part of itself")
}
