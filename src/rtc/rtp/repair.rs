//! Packets that were sent once more, as they were the first time (RFC 4588).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::HashMap;

use bytes::Buf;

/// Which flows repair which.
#[derive(Debug, Default)]
pub(in crate::rtc) struct Repairs {
    flows: HashMap<u32, u32>,
    types: Vec<(u8, u8)>,
}

impl Repairs {
    /// Repair flows with what they repair, and the same for payload types.
    pub(in crate::rtc) fn new(flows: Vec<(u32, u32)>, types: Vec<(u8, u8)>) -> Self {
        Self { flows: flows.into_iter().collect(), types }
    }

    /// Whether the packet comes on a repair flow.
    pub(in crate::rtc) fn is_repair(&self, packet: &rtc::rtp::Packet) -> bool {
        self.types.iter().any(|(repair, _)| *repair == packet.header.payload_type)
    }

    /// The packet as it was the first time; `None` if nobody knows what it repairs, or if it
    /// is padding.
    pub(in crate::rtc) fn restore(&self, mut packet: rtc::rtp::Packet) -> Option<rtc::rtp::Packet> {
        let header = &mut packet.header;
        let of = |(repair, main): &(u8, u8)| (*repair == header.payload_type).then_some(*main);
        let payload_type = self.types.iter().find_map(of)?;
        let ssrc = *self.flows.get(&header.ssrc)?;
        // Two bytes of the first number, and at least one of the payload.
        if packet.payload.len() <= size_of::<u16>() {
            return None;
        }
        header.sequence_number = packet.payload.get_u16();
        header.payload_type = payload_type;
        header.ssrc = ssrc;
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_repeated_packet_is_the_first_one_again() {
        let repairs = Repairs::new(vec![(201, 200)], vec![(97, 96)]);
        let packet = |ssrc, payload_type, payload: &'static [u8]| rtc::rtp::Packet {
            header: rtc::rtp::Header {
                ssrc,
                payload_type,
                sequence_number: 1,
                timestamp: 5,
                marker: true,
                ..rtc::rtp::Header::default()
            },
            payload: Bytes::from_static(payload),
        };
        let restored = repairs.restore(packet(201, 97, &[1, 2, 3])).unwrap();
        let header = &restored.header;
        assert_eq!((header.ssrc, header.payload_type, header.sequence_number), (200, 96, 0x102));
        assert!(header.marker && header.timestamp == 5 && restored.payload[..] == [3]);
        for (name, packet) in [
            ("padding", packet(201, 97, &[1, 2])),
            ("stranger", packet(300, 97, &[1, 2, 3])),
            ("no repair", packet(201, 96, &[1, 2, 3])),
        ] {
            assert!(repairs.restore(packet).is_none(), "{name}");
        }
    }
}
