//! Messages to the members of a room, on channels that the application names
//! (streams.md §5.5).
//!
//! The bridge passes on any JSON; official clients offer no such call, so what is inside is
//! ours: an event as between users of a Context, but under the room's key and signed for this
//! room. Whoever is not connected and subscribed at that moment misses it.

use crate::crypto::dio::Place;
use crate::crypto::event;
use crate::crypto::key::PublicKey;
use crate::model::EventKind;
use crate::model::KeyId;
use crate::model::StreamRoomId;
use crate::model::UserId;
use crate::model::UserWithPubKey;
use crate::wire::dto::event::Custom;
use crate::wire::dto::stream_room::StreamRoomGet;
use crate::wire::dto::stream_room::StreamRoomSendCustomEvent;

use super::connection::Core;
use super::error::ApiError;
use super::presence::untrusted;
use super::query;
use super::room;
use super::room::Trusted;
use super::stream_api::StreamApi;

impl StreamApi {
    /// Sends `data` to the members of a room, or to some of its users, sealed with its key, as
    /// an event on `channel` ([`room_event_query`](super::room_event_query) subscribes to it).
    /// The room need not be joined.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Invalid`] if the channel has an unusable name, or the data is more than
    ///   about 11 kB.
    /// - [`ApiError::Untrusted`] if the room does not verify; nothing is sent.
    /// - [`ApiError::Net`] if the bridge refuses: policy (0x30), recipients that are no users
    ///   of the room (0x6137).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the event from being sent.
    pub async fn send_stream_room_event(
        &self,
        room: &StreamRoomId,
        channel: &str,
        data: &[u8],
        users: Option<&[UserId]>,
    ) -> Result<(), ApiError> {
        query::check_name(channel)?;
        let core = self.core();
        let (_, opened) = self.fetch(room).await?;
        let trusted = opened.trusted.ok_or_else(|| untrusted(&opened.room))?;
        let user = core.own_id(&opened.room.context_id).await?;
        let call = {
            let rng = &mut rand::rng();
            let origin = core.author(&user).origin(trusted.place().clone(), rng);
            let key = trusted.current_key();
            let key = key.ok_or(ApiError::Crypto("the room has no current key".to_owned()))?;
            StreamRoomSendCustomEvent {
                stream_room_id: room.0.clone(),
                channel: channel.to_owned(),
                key_id: key.id.0.clone(),
                data: event::seal_for_room(&core.key, &origin, data, key, rng),
                users: users.map(|users| users.iter().map(|user| user.0.clone()).collect()),
            }
        };
        core.call(&call).await.map(drop)
    }
}

/// Opens a message to a room; one that does not verify is dropped.
pub(super) async fn open(
    core: &Core,
    custom: &Custom,
    key: &str,
    channel: String,
) -> Option<EventKind> {
    let sealed = match core.call(&StreamRoomGet::new(custom.id.as_str())).await {
        Ok(answer) => answer.stream_room,
        Err(error) => {
            tracing::info!(%error, "the room of a custom event could not be read");
            return None;
        }
    };
    if sealed.id != custom.id {
        return None;
    }
    let opened = core.open(&sealed).await;
    let trusted = opened.trusted?;
    let room = opened.room.stream_room_id;
    let context = &trusted.place().context;
    let user = UserId(custom.author.id.clone());
    core.users.prepare(&core.session, context, &[user.as_str()]).await;
    let opened = open_with(&trusted, custom, &user, &KeyId::from(key))?;
    if !core.users.accepts(&room::request(&opened.dio)) {
        tracing::info!(%user, "a custom event of an unverified author is dropped");
        return None;
    }
    let author = UserWithPubKey { user_id: user, pub_key: custom.author.pub_key.clone() };
    Some(EventKind::StreamRoomCustom { room, channel, author, data: opened.payload })
}

fn open_with(
    trusted: &Trusted,
    custom: &Custom,
    user: &UserId,
    key: &KeyId,
) -> Option<event::OpenedEvent> {
    let author = PublicKey::from_base58(&custom.author.pub_key).ok()?;
    let key = trusted.keys().find(|known| known.key.id == *key && known.proof.is_some())?;
    let place: &Place = trusted.place();
    match event::open_from_room(&key.key, place, user, &author, &custom.event_data) {
        Ok(opened) => Some(opened),
        Err(error) => {
            tracing::info!(%error, "a custom event is dropped");
            None
        }
    }
}
