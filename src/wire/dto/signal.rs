//! Calls that carry session descriptions and candidates (streams.md 5.4).

use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Number;

use super::Call;
use super::Done;
use super::Invalid;
use super::call::nullable;
use super::limit;

/// A session description with its role.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionDescription {
    /// `offer` or `answer`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The description.
    pub sdp: String,
}

/// `stream.streamAcceptOffer`; WebSocket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamAcceptOffer {
    /// The subscriber's media session.
    pub session_id: i64,
    /// The subscriber's answer.
    pub answer: SessionDescription,
}

/// `stream.streamSetNewOffer`; WebSocket only. Its answer is lost, so clients do not use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamSetNewOffer {
    /// The publisher's media session.
    pub session_id: i64,
    /// The publisher's offer.
    pub offer: SessionDescription,
}

/// `stream.streamTrickle`; WebSocket only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamTrickle {
    /// The media session.
    pub session_id: i64,
    /// The candidate.
    pub rtc_candidate: RtcCandidate,
}

/// An ICE candidate as browsers describe it. All members must be there; all but the first
/// may be null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the members are those of RTCIceCandidate in the browser")]
pub struct RtcCandidate {
    /// The line without `a=`.
    pub candidate: String,
    #[serde(deserialize_with = "nullable")]
    pub address: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub foundation: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub sdp_mid: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub related_address: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub username_fragment: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub port: Option<Number>,
    #[serde(deserialize_with = "nullable")]
    pub priority: Option<Number>,
    #[serde(deserialize_with = "nullable")]
    pub related_port: Option<Number>,
    #[serde(rename = "sdpMLineIndex", deserialize_with = "nullable")]
    pub sdp_m_line_index: Option<Number>,
    #[serde(deserialize_with = "nullable")]
    pub component: Option<Component>,
    #[serde(deserialize_with = "nullable")]
    pub protocol: Option<Protocol>,
    #[serde(deserialize_with = "nullable")]
    pub tcp_type: Option<TcpType>,
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub kind: Option<CandidateKind>,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$each])* $variant,)* }
    )*};
}

words! {
    /// What a candidate is for.
    Component {
        /// Media.
        Rtp,
        /// Reports, when not multiplexed.
        Rtcp,
    }
    /// Transport of a candidate.
    Protocol {
        /// Datagrams.
        Udp,
        /// Streams.
        Tcp,
    }
    /// Who connects, when the transport is TCP.
    TcpType {
        /// This side.
        Active,
        /// The other side.
        Passive,
        /// Both at once.
        So,
    }
    /// Where a candidate comes from.
    CandidateKind {
        /// An interface of the host.
        Host,
        /// As a STUN server sees it.
        Srflx,
        /// As the peer sees it.
        Prflx,
        /// A TURN server.
        Relay,
    }
}

impl SessionDescription {
    /// An offer.
    pub fn offer(sdp: impl Into<String>) -> Self {
        Self { kind: "offer".to_owned(), sdp: sdp.into() }
    }

    /// An answer.
    pub fn answer(sdp: impl Into<String>) -> Self {
        Self { kind: "answer".to_owned(), sdp: sdp.into() }
    }

    pub(super) fn validate_offer(&self, key: &'static str) -> Result<(), Invalid> {
        limit::sdp(key, &self.sdp)?;
        if self.kind == "offer" { Ok(()) } else { Err(Invalid { key, rule: "must be an offer" }) }
    }

    fn validate_answer(&self, key: &'static str) -> Result<(), Invalid> {
        limit::sdp(key, &self.sdp)?;
        let rule = "must be an answer";
        if self.kind == "answer" { Ok(()) } else { Err(Invalid { key, rule }) }
    }
}

impl fmt::Debug for SessionDescription {
    /// Without the description: it holds addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionDescription({}, {} bytes)", self.kind, self.sdp.len())
    }
}

impl Call for StreamAcceptOffer {
    const METHOD: &'static str = "stream.streamAcceptOffer";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::session_id(self.session_id)?;
        self.answer.validate_answer("answer")
    }
}

impl Call for StreamSetNewOffer {
    const METHOD: &'static str = "stream.streamSetNewOffer";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::session_id(self.session_id)?;
        self.offer.validate_offer("offer")
    }
}

impl Call for StreamTrickle {
    const METHOD: &'static str = "stream.streamTrickle";
    type Answer = Done;

    fn validate(&self) -> Result<(), Invalid> {
        limit::session_id(self.session_id)?;
        let candidate = &self.rtc_candidate;
        let texts = [
            &candidate.address,
            &candidate.foundation,
            &candidate.sdp_mid,
            &candidate.related_address,
            &candidate.username_fragment,
        ];
        limit::candidate("rtcCandidate", Some(&candidate.candidate))?;
        texts.iter().try_for_each(|text| limit::candidate("rtcCandidate", text.as_deref()))
    }
}
