//! The tap: the one interceptor of our connections, nearest to the wire.
//!
//! It takes every received RTP packet out of the engine, because the engine can only place
//! packets whose source was declared and follows no line that changes its owner, while Streams
//! needs both. For what it takes it does the duties that the engine would have done: reception
//! statistics, receiver reports, and reports in front of feedback (Janus drops feedback without
//! one unless `rtcp-rsize` was negotiated); of video it asks for what is missing, and takes what
//! comes a second time for the first. For what is sent it counts, and measures round trips.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use rtc::interceptor::Interceptor;
use rtc::interceptor::Packet;
use rtc::interceptor::StreamInfo;
use rtc::interceptor::TaggedPacket;
use rtc::rtcp::header::PacketType;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::nack_pairs_from_sequence_numbers;
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use webrtc::error::Error;

use super::feedback::Wishes;
use super::nack::MissingPackets;
use super::reception::Block;
use super::reception::Reception;
use super::repair::Repairs;

/// Packets taken out and not yet fetched. The driver fetches after every burst of at most 64
/// datagrams, so this is never reached; beyond it the newest are dropped.
const INBOUND: usize = 1024;
/// Sources with statistics. More than that is no meeting; further ones are delivered unmeasured.
const MAX_SOURCES: usize = 512;
/// Blocks per report (RFC 3550 §6.4.2: a 5-bit count).
const MAX_BLOCKS: usize = 31;
/// How often reports are sent while packets arrive.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const AUDIO_CLOCK: u32 = 48_000;
const VIDEO_CLOCK: u32 = 90_000;

/// A received packet and when it came.
#[derive(Debug)]
pub(in crate::rtc) struct Inbound {
    pub(in crate::rtc) packet: rtc::rtp::Packet,
    pub(in crate::rtc) arrival: Instant,
}

/// Totals of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::rtc) struct Totals {
    pub(in crate::rtc) packets_received: u64,
    pub(in crate::rtc) bytes_received: u64,
    pub(in crate::rtc) packets_lost: u64,
    /// Of those lost, how many came when they were asked for.
    pub(in crate::rtc) recovered: u64,
    pub(in crate::rtc) jitter: Duration,
    pub(in crate::rtc) packets_sent: u64,
    pub(in crate::rtc) bytes_sent: u64,
    pub(in crate::rtc) overrun: u64,
    pub(in crate::rtc) remote_lost: u64,
    /// Share of our packets that the other side missed lately, of 256.
    pub(in crate::rtc) remote_fraction: u8,
    /// Counts the reports that said so.
    pub(in crate::rtc) remote_reports: u64,
    pub(in crate::rtc) remote_jitter: Duration,
    pub(in crate::rtc) rtt: Option<Duration>,
}

/// What the tap and its connection share.
#[derive(Default)]
pub(in crate::rtc) struct Shared {
    inbound: VecDeque<Inbound>,
    receptions: HashMap<u32, Reception>,
    outbound: HashMap<u32, SentReport>,
    totals: Totals,
    /// Payload types that count 90000 per second, as a bit set.
    video_types: u128,
    reduced_rtcp: bool,
    own_ssrc: u32,
    next_report: Option<Instant>,
    /// What is missing of video sources.
    missing: HashMap<u32, MissingPackets>,
    repairs: Repairs,
    wishes: Wishes,
}

#[derive(Default)]
struct SentReport {
    middle: u32,
    at: Option<Instant>,
    lost: u32,
    fraction: u8,
    jitter: u32,
}

/// The connection's end of the tap.
#[derive(Clone)]
pub(in crate::rtc) struct TapHandle(Arc<Mutex<Shared>>);

impl TapHandle {
    /// A tap that signs its reports with `own_ssrc`, and the handle to it.
    pub(in crate::rtc) fn new(own_ssrc: u32) -> (Self, Tap) {
        let shared = Arc::new(Mutex::new(Shared { own_ssrc, ..Shared::default() }));
        let tap =
            Tap { shared: Arc::clone(&shared), read: VecDeque::new(), write: VecDeque::new() };
        (Self(shared), tap)
    }

    /// Who we are in reports and feedback.
    pub(in crate::rtc) fn own_ssrc(&self) -> u32 {
        lock(&self.0).own_ssrc
    }

    /// The next packet received.
    pub(in crate::rtc) fn poll_inbound(&self) -> Option<Inbound> {
        lock(&self.0).inbound.pop_front()
    }

    /// What was negotiated: which payload types are video, and whether feedback may go bare.
    pub(in crate::rtc) fn configure(&self, video_types: impl Iterator<Item = u8>, reduced: bool) {
        let mut shared = lock(&self.0);
        shared.video_types = video_types.fold(0, |set, kind| set | 1u128 << (kind & 0x7f));
        shared.reduced_rtcp = reduced;
    }

    /// Where repeated packets belong.
    pub(in crate::rtc) fn configure_repair(&self, flows: Vec<(u32, u32)>, types: Vec<(u8, u8)>) {
        lock(&self.0).repairs = Repairs::new(flows, types);
    }

    /// What the other side has wanted of our video since the last time.
    pub(in crate::rtc) fn take_wishes(&self) -> Wishes {
        std::mem::take(&mut lock(&self.0).wishes)
    }

    /// Forgets a source that was replaced.
    pub(in crate::rtc) fn forget(&self, ssrc: u32) {
        let mut shared = lock(&self.0);
        shared.missing.remove(&ssrc);
        if let Some(gone) = shared.receptions.remove(&ssrc) {
            shared.totals.packets_lost = shared.totals.packets_lost.saturating_add(gone.lost());
        }
    }

    /// Totals so far.
    pub(in crate::rtc) fn totals(&self) -> Totals {
        let shared = lock(&self.0);
        let mut totals = shared.totals;
        for reception in shared.receptions.values() {
            totals.packets_lost = totals.packets_lost.saturating_add(reception.lost());
            totals.jitter = totals.jitter.max(reception.jitter());
        }
        totals.packets_lost = totals.packets_lost.saturating_sub(totals.recovered);
        for sent in shared.outbound.values() {
            totals.remote_lost = totals.remote_lost.saturating_add(u64::from(sent.lost));
            totals.remote_fraction = totals.remote_fraction.max(sent.fraction);
            let jitter = Duration::from_secs_f64(f64::from(sent.jitter) / f64::from(AUDIO_CLOCK));
            totals.remote_jitter = totals.remote_jitter.max(jitter);
        }
        totals
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn on_rtp(&mut self, packet: rtc::rtp::Packet, arrival: Instant) {
        let header = &packet.header;
        self.totals.packets_received = self.totals.packets_received.saturating_add(1);
        self.totals.bytes_received =
            self.totals.bytes_received.saturating_add(packet.payload.len() as u64);
        if self.repairs.is_repair(&packet) {
            self.on_repeated(packet, arrival);
            return;
        }
        let video = self.video_types >> (header.payload_type & 0x7f) & 1 == 1;
        if self.receptions.len() < MAX_SOURCES || self.receptions.contains_key(&header.ssrc) {
            let clock = if video { VIDEO_CLOCK } else { AUDIO_CLOCK };
            let reception =
                self.receptions.entry(header.ssrc).or_insert_with(|| Reception::new(clock));
            reception.on_packet(header.sequence_number, header.timestamp, arrival);
            self.next_report.get_or_insert(arrival + REPORT_INTERVAL);
            if video {
                let missing = self.missing.entry(header.ssrc).or_default();
                missing.on_packet(header.sequence_number, arrival);
            }
        }
        self.deliver(packet, arrival);
    }

    /// A packet that came because it was asked for. Nobody is told that it was ever missing,
    /// but reports go on saying so: the path is as bad as it is.
    fn on_repeated(&mut self, packet: rtc::rtp::Packet, arrival: Instant) {
        let Some(packet) = self.repairs.restore(packet) else { return };
        let (ssrc, seq) = (packet.header.ssrc, packet.header.sequence_number);
        if self.missing.get_mut(&ssrc).is_some_and(|missing| missing.on_repeated(seq)) {
            self.totals.recovered = self.totals.recovered.saturating_add(1);
            self.deliver(packet, arrival);
        }
    }

    fn deliver(&mut self, packet: rtc::rtp::Packet, arrival: Instant) {
        if self.inbound.len() < INBOUND {
            self.inbound.push_back(Inbound { packet, arrival });
        } else {
            self.totals.overrun = self.totals.overrun.saturating_add(1);
        }
    }

    fn on_rtcp(&mut self, packets: &[Box<dyn rtc::rtcp::Packet>], arrival: Instant) {
        for packet in packets {
            self.wishes.observe(packet.as_ref());
            if let Some(report) = packet.as_any().downcast_ref::<SenderReport>() {
                if let Some(reception) = self.receptions.get_mut(&report.ssrc) {
                    reception.on_sender_report(middle_bits(report.ntp_time), arrival);
                }
                self.on_blocks(&report.reports, arrival);
            } else if let Some(report) = packet.as_any().downcast_ref::<ReceiverReport>() {
                self.on_blocks(&report.reports, arrival);
            }
        }
    }

    fn on_blocks(&mut self, blocks: &[ReceptionReport], arrival: Instant) {
        for block in blocks {
            let Some(sent) = self.outbound.get_mut(&block.ssrc) else {
                continue;
            };
            sent.lost = block.total_lost;
            sent.fraction = block.fraction_lost;
            self.totals.remote_reports = self.totals.remote_reports.wrapping_add(1);
            sent.jitter = block.jitter;
            if let Some(at) = sent.at.filter(|_| block.last_sender_report == sent.middle) {
                let held = Duration::from_secs_f64(f64::from(block.delay) / 65_536.0);
                let elapsed = arrival.saturating_duration_since(at);
                self.totals.rtt = Some(elapsed.saturating_sub(held));
            }
        }
    }

    fn on_sent(&mut self, packet: &Packet, now: Instant) {
        match packet {
            Packet::Rtp(packet) => {
                self.totals.packets_sent = self.totals.packets_sent.saturating_add(1);
                self.totals.bytes_sent =
                    self.totals.bytes_sent.saturating_add(packet.payload.len() as u64);
            }
            Packet::Rtcp(packets) => {
                for packet in packets {
                    let Some(report) = packet.as_any().downcast_ref::<SenderReport>() else {
                        continue;
                    };
                    if self.outbound.len() < MAX_SOURCES || self.outbound.contains_key(&report.ssrc)
                    {
                        let sent = self.outbound.entry(report.ssrc).or_default();
                        sent.middle = middle_bits(report.ntp_time);
                        sent.at = Some(now);
                    }
                }
            }
            _ => {}
        }
    }

    /// Reports on every source heard since the last time; none when nothing came.
    fn reports(&mut self, now: Instant) -> Vec<ReceiverReport> {
        let blocks: Vec<_> = self
            .receptions
            .iter_mut()
            .filter(|(_, reception)| reception.is_active())
            .map(|(ssrc, reception)| reception_report(*ssrc, reception.block(now)))
            .collect();
        self.next_report = (!blocks.is_empty()).then(|| now + REPORT_INTERVAL);
        let own = self.own_ssrc;
        blocks.chunks(MAX_BLOCKS).map(|chunk| receiver_report(own, chunk.to_vec())).collect()
    }

    /// Requests for what is missing.
    fn requests(&mut self, now: Instant) -> Vec<TransportLayerNack> {
        let (sender_ssrc, mut requests) = (self.own_ssrc, Vec::new());
        for (media_ssrc, missing) in &mut self.missing {
            let due = missing.take_due(now);
            if !due.is_empty() {
                let (media_ssrc, nacks) = (*media_ssrc, nack_pairs_from_sequence_numbers(&due));
                requests.push(TransportLayerNack { sender_ssrc, media_ssrc, nacks });
            }
        }
        requests
    }

    fn due(&self) -> Option<Instant> {
        let missing = self.missing.values().filter_map(MissingPackets::due).min();
        [self.next_report, missing].into_iter().flatten().min()
    }

    /// Puts a report in front of feedback that would otherwise go alone.
    fn complete(&mut self, packets: &mut Vec<Box<dyn rtc::rtcp::Packet>>, now: Instant) {
        let Some(first) = packets.first() else {
            return;
        };
        let report = matches!(
            first.header().packet_type,
            PacketType::SenderReport | PacketType::ReceiverReport
        );
        if self.reduced_rtcp || report {
            return;
        }
        let media = first.destination_ssrc().first().copied().unwrap_or(0);
        let block = self.receptions.get_mut(&media).map(|reception| reception.block(now));
        let block = reception_report(media, block.unwrap_or_default());
        packets.insert(0, Box::new(receiver_report(self.own_ssrc, vec![block])));
    }
}

const fn middle_bits(ntp_time: u64) -> u32 {
    (ntp_time >> 16 & 0xffff_ffff) as u32
}

const fn reception_report(ssrc: u32, block: Block) -> ReceptionReport {
    ReceptionReport {
        ssrc,
        fraction_lost: block.fraction_lost,
        total_lost: block.total_lost,
        last_sequence_number: block.highest,
        jitter: block.jitter,
        last_sender_report: block.last_sender_report,
        delay: block.delay,
    }
}

fn receiver_report(ssrc: u32, reports: Vec<ReceptionReport>) -> ReceiverReport {
    ReceiverReport { ssrc, reports, ..ReceiverReport::default() }
}

/// The interceptor.
pub(in crate::rtc) struct Tap {
    shared: Arc<Mutex<Shared>>,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        let mut shared = lock(&self.shared);
        match message.message.packet {
            Packet::Rtp(packet) => shared.on_rtp(packet, message.now),
            Packet::Rtcp(ref packets) => {
                shared.on_rtcp(packets, message.now);
                self.read.push_back(message);
            }
            _ => {}
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, mut message: TaggedPacket) -> Result<(), Error> {
        let mut shared = lock(&self.shared);
        if let Packet::Rtcp(packets) = &mut message.message.packet {
            shared.complete(packets, message.now);
        }
        shared.on_sent(&message.message.packet, message.now);
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let mut shared = lock(&self.shared);
        let mut send = |packets: Vec<Box<dyn rtc::rtcp::Packet>>| {
            self.write.push_back(TaggedPacket {
                now,
                transport: TransportContext::default(),
                message: Packet::Rtcp(packets).into(),
            });
        };
        for request in shared.requests(now) {
            let mut packets: Vec<Box<dyn rtc::rtcp::Packet>> = vec![Box::new(request)];
            shared.complete(&mut packets, now);
            send(packets);
        }
        if shared.next_report.is_some_and(|at| now >= at) {
            shared.reports(now).into_iter().for_each(|report| send(vec![Box::new(report)]));
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        lock(&self.shared).due()
    }

    fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;

    use super::*;

    const OWN: u32 = 7;
    const MEDIA: u32 = 9;

    fn tagged(packet: Packet, now: Instant) -> TaggedPacket {
        TaggedPacket { now, transport: TransportContext::default(), message: packet.into() }
    }

    fn rtp(seq: u16) -> Packet {
        let header = rtc::rtp::Header {
            version: 2,
            sequence_number: seq,
            ssrc: MEDIA,
            timestamp: 960 * u32::from(seq),
            ..rtc::rtp::Header::default()
        };
        Packet::Rtp(rtc::rtp::Packet { header, payload: bytes::Bytes::from_static(b"x") })
    }

    fn request() -> Packet {
        let request = PictureLossIndication { sender_ssrc: OWN, media_ssrc: MEDIA };
        Packet::Rtcp(vec![Box::new(request)])
    }

    fn sent(tap: &mut Tap) -> Vec<Box<dyn rtc::rtcp::Packet>> {
        match tap.poll_write().map(|message| message.message.packet) {
            Some(Packet::Rtcp(packets)) => packets,
            _ => Vec::new(),
        }
    }

    #[test]
    fn feedback_has_a_report_in_front_unless_agreed_otherwise() {
        let now = Instant::now();
        let (handle, mut tap) = TapHandle::new(OWN);
        tap.handle_read(tagged(rtp(1), now)).unwrap();
        tap.handle_write(tagged(request(), now)).unwrap();
        let packets = sent(&mut tap);
        assert_eq!(packets.len(), 2);
        let report = packets[0].as_any().downcast_ref::<ReceiverReport>().unwrap();
        assert_eq!((report.ssrc, report.reports[0].ssrc), (OWN, MEDIA));

        handle.configure(std::iter::empty(), true);
        tap.handle_write(tagged(request(), now)).unwrap();
        assert_eq!(sent(&mut tap).len(), 1);
    }

    #[test]
    fn reports_come_once_per_second_while_packets_do() {
        let start = Instant::now();
        let (handle, mut tap) = TapHandle::new(OWN);
        assert_eq!(tap.poll_timeout(), None);
        for seq in [1, 2, 4] {
            tap.handle_read(tagged(rtp(seq), start)).unwrap();
        }
        assert_eq!(tap.poll_timeout(), Some(start + REPORT_INTERVAL));
        tap.handle_timeout(start + REPORT_INTERVAL).unwrap();
        let packets = sent(&mut tap);
        let report = packets[0].as_any().downcast_ref::<ReceiverReport>().unwrap();
        assert_eq!((report.reports[0].total_lost, report.reports[0].fraction_lost), (1, 64));
        tap.handle_timeout(start + REPORT_INTERVAL * 2).unwrap();
        assert!(sent(&mut tap).is_empty());
        assert_eq!(tap.poll_timeout(), None, "an idle connection wakes nobody");
        assert!(
            std::iter::from_fn(|| handle.poll_inbound()).count() == 3 && tap.poll_read().is_none()
        );
    }

    #[test]
    fn the_round_trip_is_told_by_reports_on_our_reports() {
        let start = Instant::now();
        let (handle, mut tap) = TapHandle::new(OWN);
        let ntp_time = 0x1234_5678_9abc_def0;
        let report = SenderReport { ssrc: MEDIA, ntp_time, ..SenderReport::default() };
        tap.handle_write(tagged(Packet::Rtcp(vec![Box::new(report)]), start)).unwrap();
        let block = ReceptionReport {
            ssrc: MEDIA,
            last_sender_report: 0x5678_9abc,
            delay: 65_536 / 2,
            total_lost: 3,
            fraction_lost: 64,
            ..ReceptionReport::default()
        };
        let report = receiver_report(1, vec![block]);
        let back = start + Duration::from_millis(540);
        tap.handle_read(tagged(Packet::Rtcp(vec![Box::new(report)]), back)).unwrap();
        let totals = handle.totals();
        assert_eq!((totals.rtt, totals.remote_lost), (Some(Duration::from_millis(40)), 3));
        assert_eq!((totals.remote_fraction, totals.remote_reports), (64, 1));
    }
}
