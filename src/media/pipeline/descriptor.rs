//! The payload descriptor in front of each piece of a VP8 frame (RFC 7741 §4.2).
//!
//! Ours is four bytes: where a frame starts, and a picture id of 15 bits. The others' may be of
//! any length up to six. A sealed frame is cut anywhere, so partitions mean nothing here.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// Bytes that [`write`] puts in front of a piece.
pub(super) const BYTES: usize = 4;
/// Picture ids of ours wrap around after this one.
const MAX_ID: u16 = 0x7fff;

const EXTENDED: u8 = 0x80;
const STARTS: u8 = 0x10;
const PARTITION: u8 = 0x07;
const HAS_ID: u8 = 0x80;
const HAS_TL0: u8 = 0x40;
const HAS_LAYER: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;
const LONG_ID: u8 = 0x80;

/// What a descriptor says, and the piece behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor<'a> {
    /// A frame starts with this piece.
    pub(super) starts: bool,
    /// The picture id.
    pub(super) id: Option<PictureId>,
    /// There are temporal layers, so frames may be left out on the way.
    pub(super) layered: bool,
    /// The piece of the frame, never empty.
    pub(super) piece: &'a [u8],
}

/// A picture id of 7 or 15 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureId {
    Short(u8),
    Long(u16),
}

impl PictureId {
    /// Whether this is the picture right after `before`.
    pub(super) fn follows(self, before: Self) -> bool {
        match (before, self) {
            (Self::Short(before), Self::Short(id)) => before.wrapping_add(1) & 0x7f == id,
            (Self::Long(before), Self::Long(id)) => next_id(before) == id,
            // The sender changed its mind: nothing can be told.
            _ => true,
        }
    }
}

/// The id after `id`.
pub(super) const fn next_id(id: u16) -> u16 {
    id.wrapping_add(1) & MAX_ID
}

/// The descriptor of one of our pieces.
pub(super) fn write(starts: bool, id: u16) -> [u8; BYTES] {
    let [high, low] = (id & MAX_ID).to_be_bytes();
    [EXTENDED | if starts { STARTS } else { 0 }, HAS_ID, LONG_ID | high, low]
}

/// Takes the descriptor off; `None` if there is no piece behind it.
pub(super) fn read(payload: &[u8]) -> Option<Descriptor<'_>> {
    let (&first, mut rest) = payload.split_first()?;
    let mut id = None;
    let mut layered = false;
    if first & EXTENDED != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        if extension & HAS_ID != 0 {
            let (&high, after) = rest.split_first()?;
            rest = after;
            id = Some(if high & LONG_ID == 0 {
                PictureId::Short(high)
            } else {
                let (&low, after) = rest.split_first()?;
                rest = after;
                PictureId::Long(u16::from_be_bytes([high & !LONG_ID, low]))
            });
        }
        if extension & HAS_TL0 != 0 {
            rest = rest.get(1..)?;
        }
        if extension & (HAS_LAYER | HAS_KEY_INDEX) != 0 {
            rest = rest.get(1..)?;
        }
        layered = extension & HAS_LAYER != 0;
    }
    let starts = first & STARTS != 0 && first & PARTITION == 0;
    (!rest.is_empty()).then_some(Descriptor { starts, id, layered, piece: rest })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn descriptors_of_every_length_are_read() {
        let long = |id| Some(PictureId::Long(id));
        for (payload, starts, id, layered) in [
            (&[0x10, 9][..], true, None, false),
            (&[0x00, 9], false, None, false),
            (&[0x11, 9], false, None, false),
            (&[0x90, 0x00, 9], true, None, false),
            (&[0x90, 0x80, 0x7f, 9], true, Some(PictureId::Short(0x7f)), false),
            (&[0x90, 0x80, 0x81, 0x02, 9], true, long(0x102), false),
            (&[0x80, 0xc0, 0xff, 0xff, 5, 9], false, long(0x7fff), false),
            (&[0x90, 0xe0, 0x80, 0x01, 5, 0x40, 9], true, long(1), true),
            (&[0x90, 0xf0, 0x80, 0x01, 5, 0x40, 9], true, long(1), true),
            (&[0x90, 0x10, 3, 9], true, None, false),
        ] {
            let expected = Descriptor { starts, id, layered, piece: &[9] };
            assert_eq!(read(payload), Some(expected), "{payload:x?}");
            for length in 0..payload.len() {
                let cut = payload.get(..length).unwrap_or_default();
                assert_eq!(read(cut), None, "{payload:x?} cut to {length}");
            }
        }
    }

    #[test]
    fn ids_count_and_wrap() {
        assert!(PictureId::Long(0).follows(PictureId::Long(0x7fff)));
        assert!(PictureId::Short(0).follows(PictureId::Short(0x7f)));
        assert!(!PictureId::Long(2).follows(PictureId::Long(0)));
        assert!(!PictureId::Short(5).follows(PictureId::Short(5)));
        assert!(PictureId::Short(5).follows(PictureId::Long(99)));
        assert_eq!(next_id(0x7fff), 0);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(starts: bool, id in 0_u16..0x8000, piece in prop::collection::vec(any::<u8>(), 1..9)) {
            let payload = [&write(starts, id)[..], &piece].concat();
            let expected = Descriptor { starts, id: Some(PictureId::Long(id)), layered: false, piece: &piece };
            prop_assert_eq!(read(&payload), Some(expected));
        }

        #[test]
        fn any_payload_is_read_without_panic(payload: Vec<u8>) {
            if let Some(descriptor) = read(&payload) {
                prop_assert!(payload.ends_with(descriptor.piece));
                prop_assert!(payload.len() <= descriptor.piece.len().saturating_add(6));
            }
        }
    }
}
