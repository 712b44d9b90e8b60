//! Session descriptions: reads what clients send and writes what they are sent.
//!
//! Nothing that a client wrote is copied into a description for somebody else: what is
//! understood is kept as numbers and short tokens, the rest is dropped.

mod parse;
mod publisher;
mod subscriber;
mod transport;

pub(super) use parse::Description;
pub(super) use parse::MediaKind;
pub(super) use publisher::Negotiated;
pub(super) use publisher::OfferedLine;
pub(super) use publisher::PublisherOffer;
pub(super) use subscriber::AUDIO_PT;
pub(super) use subscriber::LineKind;
pub(super) use subscriber::OfferLine;
pub(super) use subscriber::SubscriberAnswer;
pub(super) use subscriber::SubscriberOffer;
pub(super) use subscriber::VIDEO_PT;
pub(super) use transport::LocalTransport;
pub(super) use transport::Setup;
