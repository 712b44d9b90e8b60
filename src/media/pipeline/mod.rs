//! From samples and pictures to sealed packets and back.

mod descriptor;
mod frames;
pub mod recv;
pub mod send;
mod sequence;
pub mod video_recv;
pub mod video_send;

pub use recv::AudioReceiver;
pub use recv::Received;
pub use recv::ReceiverStats;
pub use send::AudioSender;
pub use video_recv::VideoPacket;
pub use video_recv::VideoReceiver;
pub use video_recv::VideoReceiverStats;
pub use video_send::EncodedPicture;
pub use video_send::VideoSender;
pub use video_send::VideoSenderStats;
