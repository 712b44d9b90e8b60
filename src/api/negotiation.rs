//! What lies under publishing and subscribing: media sessions, relay servers, candidates.
//!
//! [`StreamApi`] negotiates by itself; nobody has to call this to hold a call. It is here for
//! programs that bring media of their own, and to look at what is going on.

use serde_json::Number;
use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::model::SessionId;
use crate::model::StreamHandle;
use crate::model::StreamRoomId;
use crate::model::TurnCredentials;
use crate::rtc::PeerState;
use crate::wire::dto::signal::CandidateKind;
use crate::wire::dto::signal::Component;
use crate::wire::dto::signal::Protocol;
use crate::wire::dto::signal::RtcCandidate;
use crate::wire::dto::signal::SessionDescription;
use crate::wire::dto::signal::StreamAcceptOffer;
use crate::wire::dto::signal::StreamSetNewOffer;
use crate::wire::dto::signal::StreamTrickle;
use crate::wire::dto::signal::TcpType;
use crate::wire::dto::stream::StreamGetTurnCredentials;

use super::error::ApiError;
use super::publish::PublishCommand;
use super::stream_api::StreamApi;
use super::stream_api::ask;
use super::subscribe::SubscribeCommand;

/// The two media sessions of a joined room, as far as they have begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaSessions {
    /// Of the connection that sends.
    pub publisher: Option<SessionId>,
    /// Of the connection that receives.
    pub subscriber: Option<SessionId>,
}

/// A candidate for a media connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCandidate {
    /// The line of the session description, without `a=`.
    pub candidate: String,
    /// The `mid` of the first bundled m-line: SFUs ignore others and refuse to do without.
    pub sdp_mid: String,
    /// The index of that line, 0.
    pub sdp_m_line_index: u32,
    /// The `ufrag` it belongs to, if it is known.
    pub username_fragment: Option<String>,
}

impl IceCandidate {
    /// As bridges of both generations accept it: with all members, and with real values for
    /// what bridges before June 2026 do not let be null (streams.md §5.4, §14.3 J3).
    fn to_wire(&self) -> Result<RtcCandidate, ApiError> {
        let invalid = |reason: &str| ApiError::Invalid {
            what: "candidate",
            reason: format!("{:?} {reason}", self.candidate),
        };
        let mut words = self.candidate.split_ascii_whitespace();
        let mut word = || words.next().ok_or_else(|| invalid("is cut short"));
        let foundation = word()?.strip_prefix("candidate:").map(str::to_owned);
        let foundation = foundation.ok_or_else(|| invalid("is no candidate line"))?;
        let component = match word()? {
            "1" => Component::Rtp,
            "2" => Component::Rtcp,
            _ => return Err(invalid("is for neither media nor reports")),
        };
        let protocol = word()?.to_ascii_lowercase();
        let priority: u32 = word()?.parse().map_err(|_| invalid("has no priority"))?;
        let address = word()?.to_owned();
        let port: u16 = word()?.parse().map_err(|_| invalid("has no port"))?;
        let protocol = match protocol.as_str() {
            "udp" => Protocol::Udp,
            "tcp" => Protocol::Tcp,
            _ => return Err(invalid("is for another transport than UDP and TCP")),
        };
        let rest: Vec<&str> = words.collect();
        let value = |key: &str| {
            let at = rest.iter().position(|word| *word == key)?;
            rest.get(at.checked_add(1)?).map(|value| (*value).to_owned())
        };
        let kind = match value("typ").as_deref() {
            Some("host") => CandidateKind::Host,
            Some("srflx") => CandidateKind::Srflx,
            Some("prflx") => CandidateKind::Prflx,
            Some("relay") => CandidateKind::Relay,
            _ => return Err(invalid("is of no known type")),
        };
        let tcp_type = match value("tcptype").as_deref() {
            Some("passive") => TcpType::Passive,
            Some("so") => TcpType::So,
            // Unused for UDP, but older bridges refuse null.
            _ => TcpType::Active,
        };
        let related_port = value("rport").and_then(|port| port.parse::<u16>().ok());
        Ok(RtcCandidate {
            candidate: self.candidate.clone(),
            address: Some(address),
            foundation: Some(foundation),
            sdp_mid: Some(self.sdp_mid.clone()),
            related_address: value("raddr"),
            username_fragment: self.username_fragment.clone(),
            port: Some(Number::from(port)),
            priority: Some(Number::from(priority)),
            related_port: related_port.map(Number::from),
            sdp_m_line_index: Some(Number::from(self.sdp_m_line_index)),
            component: Some(component),
            protocol: Some(protocol),
            tcp_type: Some(tcp_type),
            kind: Some(kind),
        })
    }
}

impl StreamApi {
    /// The relay servers that the bridge offers, with credentials that end at
    /// `expiration_time`. Fetched anew by each call; rooms fetch theirs by themselves.
    ///
    /// # Errors
    ///
    /// - [`ApiError::TurnServerUrl`] if one is no `turn:` or `turns:` URL.
    /// - [`ApiError::Net`] if the bridge can't be reached.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn get_turn_credentials(&self) -> Result<Vec<TurnCredentials>, ApiError> {
        let answer = self.core().call(&StreamGetTurnCredentials {}).await?;
        if let Some(bad) = answer.credentials.iter().find(|turn| !is_turn_url(&turn.url)) {
            return Err(ApiError::TurnServerUrl(bad.url.clone()));
        }
        Ok(answer.credentials.into_iter().map(Into::into).collect())
    }

    /// How the media connection of a local stream is, now and from now on, through all the
    /// connections that the stream has one after the other. It begins as [`PeerState::New`].
    ///
    /// # Errors
    ///
    /// [`ApiError::UnknownHandle`] if there is no such stream.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn stream_state(
        &self,
        handle: StreamHandle,
    ) -> Result<watch::Receiver<PeerState>, ApiError> {
        let publish = self.publisher(handle)?;
        ask(&publish, |reply| PublishCommand::State { reply }).await
    }

    /// The media sessions of a joined room. Negotiations under way are waited for.
    ///
    /// # Errors
    ///
    /// [`ApiError::NotJoined`] if the room is not joined.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn media_sessions(&self, room: &StreamRoomId) -> Result<MediaSessions, ApiError> {
        let joined = self.joined(room)?;
        let (reply, answer) = oneshot::channel();
        let command = SubscribeCommand::Session { reply };
        joined.subscribe.send(command).await.map_err(|_| ApiError::Closed)?;
        let subscriber = answer.await.map_err(|_| ApiError::Closed)?;
        let publisher = match joined.publisher() {
            Some(publish) => ask(&publish, |reply| PublishCommand::Session { reply }).await?,
            None => None,
        };
        Ok(MediaSessions { publisher, subscriber })
    }

    /// Tells the SFU of a candidate. Not needed: offers and answers hold all of ours, and SFUs
    /// find out by themselves where packets come from.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Invalid`] if the line is no candidate.
    /// - [`ApiError::Net`] if the session is not one of this connection's (−32602).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent it.
    pub async fn trickle(
        &self,
        session: SessionId,
        candidate: &IceCandidate,
    ) -> Result<(), ApiError> {
        let rtc_candidate = candidate.to_wire()?;
        let call = StreamTrickle { session_id: session.0, rtc_candidate };
        self.core().call(&call).await.map(drop)
    }

    /// Answers an offer of the SFU on a receiving connection of the application's own.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] if the bridge refuses: no such session, nothing offered.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent it.
    pub async fn accept_offer_on_reconfigure(
        &self,
        session: SessionId,
        answer_sdp: &str,
    ) -> Result<(), ApiError> {
        let (session_id, answer) = (session.0, SessionDescription::answer(answer_sdp));
        self.core().call(&StreamAcceptOffer { session_id, answer }).await.map(drop)
    }

    /// Makes an offer on a sending connection of the application's own. Official bridges throw
    /// the answer away, so [`update_stream`](Self::update_stream) is what works.
    ///
    /// # Errors
    ///
    /// [`ApiError::Net`] if the bridge refuses: no such session (−32602), a description that
    /// the SFU can't use (0x6211).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent it.
    pub async fn set_new_offer_on_reconfigure(
        &self,
        session: SessionId,
        offer_sdp: &str,
    ) -> Result<(), ApiError> {
        let (session_id, offer) = (session.0, SessionDescription::offer(offer_sdp));
        self.core().call(&StreamSetNewOffer { session_id, offer }).await.map(drop)
    }
}

/// Whether a URL names a relay server.
pub(super) fn is_turn_url(url: &str) -> bool {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("turn" | "turns"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn candidate(line: &str) -> IceCandidate {
        IceCandidate {
            candidate: line.to_owned(),
            sdp_mid: "0".to_owned(),
            sdp_m_line_index: 0,
            username_fragment: None,
        }
    }

    #[test]
    fn defect_14_3_j3_candidates_have_all_their_members() {
        let line = "candidate:7 1 UDP 2122260223 10.0.0.2 40000 typ srflx raddr 10.0.0.1 rport 9";
        let wire = serde_json::to_value(candidate(line).to_wire().unwrap()).unwrap();
        assert_eq!(wire.as_object().unwrap().len(), 14);
        let null: Vec<_> =
            wire.as_object().unwrap().iter().filter(|(_, value)| value.is_null()).collect();
        assert_eq!(null, [(&"usernameFragment".to_owned(), &Value::Null)]);
        assert_eq!((&wire["type"], &wire["tcpType"]), (&"srflx".into(), &"active".into()));
        assert_eq!((&wire["relatedPort"], &wire["port"]), (&9.into(), &40_000.into()));
        for bad in ["", "candidate:1 1 udp", "x 1 udp 1 a 1 typ host", "candidate:1 3 udp 1 a 1"] {
            assert!(matches!(candidate(bad).to_wire(), Err(ApiError::Invalid { .. })), "{bad}");
        }
    }

    #[test]
    fn relay_servers_are_named_by_turn_urls() {
        let cases = [
            ("turn:a:1", true),
            ("TURNS:a", true),
            ("stun:a", false),
            ("turn", false),
            ("", false),
        ];
        for (url, good) in cases {
            assert_eq!(is_turn_url(url), good, "{url}");
        }
    }
}
