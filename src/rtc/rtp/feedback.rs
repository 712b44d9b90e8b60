//! What the other side says about video of ours, besides reports: it needs a picture that
//! stands alone (PLI, FIR), and how much it can take (REMB).

use rtc::rtcp::Packet;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;

/// Sources with an open wish; beyond it, wishes are for nobody that we know.
const MAX_SOURCES: usize = 64;

/// Wishes that nobody has heard yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::rtc) struct Wishes {
    /// Sources of which a key frame is wanted, each once.
    pub(in crate::rtc) key_frames: Vec<u32>,
    /// The newest estimate, in bits per second, if there was one.
    pub(in crate::rtc) bitrate: Option<f32>,
}

impl Wishes {
    /// Takes note of one packet of feedback; others change nothing.
    pub(in crate::rtc) fn observe(&mut self, packet: &dyn Packet) {
        let any = packet.as_any();
        if let Some(request) = any.downcast_ref::<PictureLossIndication>() {
            self.want(request.media_ssrc);
        } else if let Some(request) = any.downcast_ref::<FullIntraRequest>() {
            request.fir.iter().for_each(|entry| self.want(entry.ssrc));
        } else if let Some(estimate) = any.downcast_ref::<ReceiverEstimatedMaximumBitrate>()
            && estimate.bitrate.is_finite()
            && estimate.bitrate >= 0.0
        {
            self.bitrate = Some(estimate.bitrate);
        }
    }

    fn want(&mut self, source: u32) {
        if self.key_frames.len() < MAX_SOURCES && !self.key_frames.contains(&source) {
            self.key_frames.push(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::payload_feedbacks::full_intra_request::FirEntry;

    use super::*;

    #[test]
    fn every_way_to_ask_for_a_key_frame_is_heard_once() {
        let mut wishes = Wishes::default();
        let loss = PictureLossIndication { sender_ssrc: 1, media_ssrc: 7 };
        wishes.observe(&loss);
        wishes.observe(&loss);
        let fir = vec![FirEntry { ssrc: 8, sequence_number: 0 }];
        wishes.observe(&FullIntraRequest { sender_ssrc: 1, media_ssrc: 0, fir });
        assert_eq!(wishes, Wishes { key_frames: vec![7, 8], bitrate: None });
        for (bitrate, heard) in [(512_000.0, Some(512_000.0)), (f32::NAN, Some(512_000.0))] {
            let ssrcs = vec![7];
            wishes.observe(&ReceiverEstimatedMaximumBitrate { sender_ssrc: 1, bitrate, ssrcs });
            assert_eq!(wishes.bitrate, heard);
        }
    }
}
