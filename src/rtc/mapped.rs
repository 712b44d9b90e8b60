//! Notices that the other side sees us at another address than before.
//!
//! An address translator that was restarted, or another way into the network, changes the
//! address that our datagrams come from, and nothing here fails: our checks are answered. The
//! answers tell (XOR-MAPPED-ADDRESS, RFC 8489 §14.2), and the engine does not look at that once
//! it has a path. What is read here is not authenticated, so it may cause a new search for a
//! path now and then, and nothing else.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

/// First bytes of an answer to a check: binding, success.
const SUCCESS: [u8; 2] = [0x01, 0x01];
/// Bytes of a STUN header.
const HEADER: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Attributes of a message that are looked at.
const MAX_ATTRIBUTES: usize = 16;
/// Paths whose address is remembered.
const MAX_PATHS: usize = 32;
/// A change is told this often at most.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// What is known about our addresses as the other side sees them.
#[derive(Default)]
pub(super) struct MappedAddress {
    /// By our socket and theirs; the port and address as they are sent.
    seen: HashMap<(SocketAddr, SocketAddr), Vec<u8>>,
    told_at: Option<Instant>,
    moved: bool,
}

impl MappedAddress {
    /// Looks at a datagram.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        datagram: &[u8],
    ) {
        let Some(address) = mapped_address(datagram) else { return };
        let known = self.seen.get(&(local, from));
        if known.is_some_and(|known| known == address) {
            return;
        }
        let changed = known.is_some();
        if !changed && self.seen.len() >= MAX_PATHS {
            return;
        }
        self.seen.insert((local, from), address.to_vec());
        let lately = |at: Instant| now.saturating_duration_since(at) < TELL_EVERY;
        if changed && !self.told_at.is_some_and(lately) {
            self.told_at = Some(now);
            self.moved = true;
        }
    }

    /// Whether the address has changed since this was last asked.
    pub(super) fn poll_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }
}

/// The value of the attribute, which begins with the family; addresses over IPv6 are masked
/// with the number of the exchange, so only IPv4 can be compared.
fn mapped_address(datagram: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = datagram.split_at_checked(HEADER)?;
    if !header.starts_with(&SUCCESS) || header.get(4..8)? != MAGIC {
        return None;
    }
    for _ in 0..MAX_ATTRIBUTES {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let [kind_high, kind_low, length_high, length_low] = *head;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let value = tail.get(..length)?;
        if u16::from_be_bytes([kind_high, kind_low]) == XOR_MAPPED_ADDRESS {
            return Some(value).filter(|value| value.len() == 8);
        }
        rest = tail.get(length.checked_next_multiple_of(4)?..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(port: u16) -> Vec<u8> {
        let mut message = vec![1, 1, 0, 20];
        message.extend(MAGIC);
        message.extend([7; 12]);
        // Software "abc", padded, and then the address.
        message.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        message.extend([0, 0x20, 0, 8, 0, 1]);
        message.extend(port.to_be_bytes());
        message.extend([192, 0, 2, 1]);
        message
    }

    #[test]
    fn another_address_is_told_once() {
        let mut now = Instant::now();
        let (local, from) = ("10.0.0.1:1".parse().unwrap(), "192.0.2.9:2".parse().unwrap());
        let mut mapped = MappedAddress::default();
        for (port, moved) in [(5, false), (5, false), (6, true), (6, false), (5, true)] {
            mapped.observe(now, local, from, &answer(port));
            assert_eq!(mapped.poll_moved(), moved, "{port}");
            now += TELL_EVERY;
        }
        mapped.observe(now, local, "192.0.2.9:3".parse().unwrap(), &answer(9));
        assert!(!mapped.poll_moved(), "another path");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut message = answer(1);
            message.truncate(HEADER);
            message.extend(&bytes);
            let _ = mapped_address(&message);
            let _ = mapped_address(&bytes);
        }
    }
}
