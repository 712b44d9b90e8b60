//! Does sound get through to the media server and back?
//!
//! Two sessions of this user meet in a room: one publishes silence, the other one listens. What
//! arrives has gone through everything that a call needs: negotiation, a path over UDP (or a
//! relay), DTLS, and the keys of the room.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::api::ApiError;
use crate::api::Call;
use crate::api::CallConfig;
use crate::api::StreamApi;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::device::DeviceSpec;
use crate::model::StreamRoomId;
use crate::model::TrackStats;

use super::finding::Finding;

/// Name of the check.
const CHECK: &str = "media";
/// Name of the room that is made for it.
const ROOM: &str = "conclave doctor";
/// How long sound may take to come back.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Packets that prove a path; silence sends one every 400 ms.
const ENOUGH: u64 = 3;
const ACCESS_DENIED: i64 = 0x30;

/// Tries a call with ourselves, in `room` or in one that is made and deleted again.
pub async fn check(session: &Session, room: Option<&str>) -> Finding {
    let own = room.is_none();
    let found = match room {
        Some(name) => session.expect_room(name).await,
        None => session.create_room(ROOM).await,
    };
    let room = match found {
        Ok(room) => room.stream_room_id,
        Err(error) if own && is_denied(&error) => {
            let text = "you may not create rooms here; name one to try it in with --room ROOM";
            return Finding::skipped(CHECK, text);
        }
        Err(error) => return Finding::error(CHECK, &error),
    };
    let finding = meet(session, &room).await.unwrap_or_else(|error| {
        let message = error.to_string();
        match error {
            ApiError::Media(_) => broken(session, &message),
            _ => Finding::error(CHECK, &error.into()),
        }
    });
    if own && let Err(error) = session.api.delete_stream_room(&room).await {
        tracing::warn!(%error, "the room of the check could not be deleted");
    }
    finding
}

fn is_denied(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<ApiError>().is_some_and(|error| error.code() == Some(ACCESS_DENIED))
    })
}

async fn meet(session: &Session, room: &StreamRoomId) -> Result<Finding, ApiError> {
    let second = session.connect_again().await?;
    let api = second.create_stream_api();
    let config = CallConfig::new(room.clone()).with_speaker(DeviceSpec::Null).with_data(false);
    let speaking = config.clone().with_microphone(Some(DeviceSpec::Silence));
    let result = async {
        let speaker = Call::join(session.api.clone(), speaking).await?;
        let listener = Call::join(api.clone(), config.with_microphone(None)).await;
        let began = Instant::now();
        let heard = match &listener {
            Ok(_) => timeout(PATIENCE, listen(session, &api, room)).await.ok(),
            Err(_) => None,
        };
        let took = began.elapsed();
        if let Ok(listener) = &listener {
            leave(listener).await;
        }
        leave(&speaker).await;
        listener.map(|_| (heard, took))
    }
    .await;
    second.disconnect().await;
    let (heard, took) = result?;
    Ok(match heard {
        Some(track) => judge(&track, took),
        None => broken(session, &format!("nothing came back within {} s", PATIENCE.as_secs())),
    })
}

/// Waits until enough of our own has come back.
async fn listen(session: &Session, api: &StreamApi, room: &StreamRoomId) -> TrackStats {
    loop {
        let tracks = api.track_stats(room).await.unwrap_or_default();
        let ours = |track: &TrackStats| track.user == session.user && track.packets >= ENOUGH;
        if let Some(track) = tracks.into_iter().find(ours) {
            return track;
        }
        sleep(LOOK_EVERY).await;
    }
}

fn judge(track: &TrackStats, took: Duration) -> Finding {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let figures = json!({"after_ms": ms, "packets": track.packets, "lost": track.lost,
        "undecryptable": track.dropped_unauthenticated});
    let finding = if track.dropped_unauthenticated > 0 {
        let text = "sound comes back, but some of it does not authenticate";
        Finding::broken(CHECK, Exit::Failure, text, "do not trust this bridge with a meeting")
    } else {
        let (came, lost) = (track.packets, track.lost);
        Finding::fine(
            CHECK,
            format!("sound comes back: {came} packets within {ms} ms, {lost} lost"),
        )
    };
    finding.with_figures(figures)
}

fn broken(session: &Session, why: &str) -> Finding {
    let text = format!("calls are set up, but no sound gets through: {why}");
    let host = session.url.split("://").nth(1).unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    let fix = format!(
        "open UDP to {host} in firewalls and port forwardings (the media port of an embedded bridge has \
         the number of its TCP port), or have the bridge's administrator set up TURN"
    );
    Finding::broken(CHECK, Exit::Unreachable, text, &fix)
}

async fn leave(call: &Call) {
    if let Err(error) = call.leave().await {
        tracing::info!(%error, "the room of the check was not left properly");
    }
}
