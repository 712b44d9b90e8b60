//! Keys of users, to seal the key of a grant with and to tell who has sealed one.

use crate::api::ApiError;
use crate::api::StreamApi;
use crate::api::joined::Room;
use crate::api::users::VerificationRequest;
use crate::crypto::ecies;
use crate::crypto::key::PublicKey;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::net::session::now as wall_clock;

/// The key that the bridge and the application agree on for somebody.
pub(super) async fn key_of(
    api: &StreamApi,
    room: &Room,
    user: &UserId,
) -> Result<PublicKey, ApiError> {
    let context = api.get_stream_room(&room.id).await?.context_id;
    let users = &room.core.users;
    users.prepare(&room.core.session, &context, &[user.as_str()]).await;
    let unknown = || ApiError::Crypto(format!("the key of {user} is not known or not trusted"));
    let pub_key = users.key(&context, user).ok_or_else(unknown)?;
    let request = VerificationRequest {
        context,
        user: user.clone(),
        pub_key: pub_key.clone(),
        date: Timestamp(wall_clock().0),
    };
    if !users.accepts(&request) {
        return Err(unknown());
    }
    PublicKey::from_base58(&pub_key).map_err(|error| ApiError::Crypto(error.to_string()))
}

/// Opens the key of a grant, if the owner has sealed it.
pub(super) async fn open_key(
    api: &StreamApi,
    room: &Room,
    owner: &UserId,
    sealed: &[u8],
) -> Result<[u8; 32], ApiError> {
    let failed = |error: String| ApiError::Crypto(error);
    let opened = ecies::open(&room.core.key, sealed).map_err(|error| failed(error.to_string()))?;
    if opened.author != key_of(api, room, owner).await? {
        return Err(failed(format!("a grant of {owner} was made by somebody else")));
    }
    let key = opened.plaintext.expose().as_slice();
    key.try_into().map_err(|_| failed("a grant has no key".to_owned()))
}
