//! From whatever went wrong to one sentence and an exit code.

use crate::api::ApiError;
use crate::bridge::BridgeError;
use crate::device::DeviceError;
use crate::net::NetError;
use crate::profile::ProfileError;

use super::exit::Exit;
use super::exit::Failure;

const ACCESS_DENIED: i64 = 0x30;
const ROOM_CLOSED: i64 = 0x6208;
const ROOM_FULL: i64 = 0x620B;
/// The embedded bridge's own codes for invites.
const INVITE_UNKNOWN: i64 = 0x6f01;
const INVITE_REVOKED: i64 = 0x6f03;
const INVITE_EXPIRED: i64 = 0x6f04;
const INVITE_USED_UP: i64 = 0x6f05;
const TOO_MANY_ATTEMPTS: i64 = 0x6f06;
const INVITE_STALE: i64 = 0x6f07;

/// What the user is told, and the exit code.
pub fn explain(error: &anyhow::Error) -> (Exit, String) {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return (failure.exit, failure.message.clone());
        }
        if let Some(profile) = cause.downcast_ref::<ProfileError>() {
            return (of_profile(profile), profile.to_string());
        }
        if let Some(device) = cause.downcast_ref::<DeviceError>() {
            return (Exit::Device, device.to_string());
        }
        if let Some(bridge) = cause.downcast_ref::<BridgeError>() {
            return of_bridge(bridge);
        }
        if let Some(ApiError::Net(net)) = cause.downcast_ref::<ApiError>() {
            return of_net(net);
        }
        if let Some(api) = cause.downcast_ref::<ApiError>() {
            return of_api(api);
        }
        if let Some(net) = cause.downcast_ref::<NetError>() {
            return of_net(net);
        }
    }
    (Exit::Failure, format!("{error:#}"))
}

const fn of_profile(error: &ProfileError) -> Exit {
    match error {
        ProfileError::BadInvite(_) => Exit::Invite,
        ProfileError::BadName(_)
        | ProfileError::BadProfileName(_)
        | ProfileError::NoProfile(_)
        | ProfileError::ProfileExists { .. } => Exit::Usage,
        _ => Exit::Data,
    }
}

fn of_api(error: &ApiError) -> (Exit, String) {
    let exit = match error {
        ApiError::Device(_) => Exit::Device,
        ApiError::RoomClosed(_) => Exit::RoomUnavailable,
        ApiError::Untrusted { .. } => Exit::Denied,
        _ => Exit::Failure,
    };
    (exit, error.to_string())
}

fn of_net(error: &NetError) -> (Exit, String) {
    let text = match error {
        NetError::Unreachable { .. } => {
            format!("{error}; check the address, and that the host is running")
        }
        NetError::NotABridge { .. } => {
            format!("{error}; check the port: something else answers there")
        }
        NetError::BridgeIdentity { .. } => format!(
            "{error}; it is not the bridge whose key you were given, or somebody is in between: do \
             not go on, and ask whoever runs it"
        ),
        NetError::Alert { text } if text.contains("User doesn't exist") => {
            return (
                Exit::Denied,
                "the bridge does not know your key; ask the host for a new invite, or the bridge's \
                 administrator to register the key that `conclave identity` shows"
                    .to_owned(),
            );
        }
        NetError::Rpc { code, .. } => return of_code(*code, error),
        _ => error.to_string(),
    };
    (Exit::Unreachable, text)
}

fn of_code(code: i64, error: &NetError) -> (Exit, String) {
    match code {
        ACCESS_DENIED => {
            (Exit::Denied, format!("{error}: you are not a member, or not allowed to do that"))
        }
        ROOM_CLOSED => {
            (Exit::RoomUnavailable, "the room is closed for good; create a new one".to_owned())
        }
        ROOM_FULL => {
            (Exit::RoomUnavailable, "the room is full; try again when somebody has left".to_owned())
        }
        INVITE_UNKNOWN..=INVITE_USED_UP => {
            let why = match code {
                INVITE_REVOKED => "it was revoked",
                INVITE_EXPIRED => "it has expired",
                INVITE_USED_UP => "as many people as it is for have used it",
                _ => "the bridge does not know it",
            };
            (Exit::Invite, format!("the invite can't be used, {why}; ask the host for a new one"))
        }
        INVITE_STALE => {
            let text =
                "the bridge's clock and this machine's differ by more than an hour; set them right";
            (Exit::Invite, text.to_owned())
        }
        TOO_MANY_ATTEMPTS => {
            (Exit::Invite, "too many attempts from this address; wait a minute".to_owned())
        }
        _ => (Exit::Failure, error.to_string()),
    }
}

fn of_bridge(error: &BridgeError) -> (Exit, String) {
    let exit = match error {
        BridgeError::Store(_) | BridgeError::Identity | BridgeError::Recordings(_) => Exit::Data,
        _ => Exit::Listen,
    };
    let advice = match error {
        BridgeError::Listen { .. } => "; choose another --listen address, or stop what uses it",
        BridgeError::Metrics { .. } => {
            "; choose another address with bridge.metrics, or none with bridge.metrics=\"\""
        }
        _ => "",
    };
    (exit, format!("{error}{advice}"))
}
