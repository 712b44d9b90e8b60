//! Recordings that the bridge makes of rooms: begin, end, list, read, and the keys to open them.
//!
//! Beginning and the keys are official. The rest exists on our own bridge only; an official one
//! keeps its recordings to itself.

use crate::model::Recording;
use crate::model::RecordingEncKey;
use crate::model::RecordingId;
use crate::model::StreamRoomId;
use crate::wire::dto::Call;
use crate::wire::dto::recording::READ_MAX;
use crate::wire::dto::recording::RecordingDelete;
use crate::wire::dto::recording::RecordingGet;
use crate::wire::dto::recording::RecordingList;
use crate::wire::dto::recording::RecordingPart;
use crate::wire::dto::recording::RecordingRead;
use crate::wire::dto::recording::RecordingStop;
use crate::wire::dto::stream_room::StreamRoomEnableRecording;
use crate::wire::rpc::code;

use super::error::ApiError;
use super::presence::untrusted;
use super::stream_api::StreamApi;

impl StreamApi {
    /// Records everything that is published in a joined room, now and later, until somebody
    /// stops it. What is stored is as sealed as it was on its way. Where the bridge is ours,
    /// everybody in the room is told; it does nothing to a room that is being recorded.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotJoined`] if the room is not joined.
    /// - [`ApiError::Net`] with code 0x30 unless policy lets this user update the room, and
    ///   with 0x6210 if the bridge can't record.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the recording.
    pub async fn enable_stream_room_recording(&self, room: &StreamRoomId) -> Result<(), ApiError> {
        self.joined(room)?;
        let call = StreamRoomEnableRecording { stream_room_id: room.0.clone() };
        self.core().call(&call).await.map(drop)
    }

    /// Ends the recording of a room, which need not be joined.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotOffered`] by official bridges.
    /// - [`ApiError::Net`] with code 0x6f11 if the room is not being recorded, 0x30 unless
    ///   policy lets this user update the room.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the end.
    pub async fn stop_stream_room_recording(&self, room: &StreamRoomId) -> Result<(), ApiError> {
        let call = RecordingStop { stream_room_id: room.0.clone() };
        self.own(&call, "stop recordings").await.map(drop)
    }

    /// The keys for everything that was ever recorded in a room, of all its epochs.
    ///
    /// # Errors
    ///
    /// - [`ApiError::Untrusted`] if the room does not verify.
    /// - [`ApiError::Net`] with code 0x30 if this user is not a member.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn get_stream_room_recording_keys(
        &self,
        room: &StreamRoomId,
    ) -> Result<Vec<RecordingEncKey>, ApiError> {
        let (_, opened) = self.fetch(room).await?;
        let trusted = opened.trusted.as_ref().ok_or_else(|| untrusted(&opened.room))?;
        Ok(trusted.recording_keys())
    }

    /// The recordings of a room, oldest first, without their tracks.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotOffered`] by official bridges.
    /// - [`ApiError::Net`] with code 0x30 if this user is not a member.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn list_recordings(&self, room: &StreamRoomId) -> Result<Vec<Recording>, ApiError> {
        let call = RecordingList { stream_room_id: room.0.clone() };
        let answer = self.own(&call, "list recordings").await?;
        Ok(answer.list.into_iter().map(Into::into).collect())
    }

    /// One recording with its tracks.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotOffered`] by official bridges.
    /// - [`ApiError::Net`] with code 0x6f12 if there is none, 0x30 if this user is not a member
    ///   of its room.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn get_recording(&self, recording: &RecordingId) -> Result<Recording, ApiError> {
        let call = RecordingGet { recording_id: recording.0.clone() };
        Ok(self.own(&call, "hand out recordings").await?.into())
    }

    /// A part of the file of one track, from `offset` on; empty at its end. The format is that
    /// of [`wire::recording`](crate::wire::recording).
    ///
    /// # Errors
    ///
    /// As [`get_recording`](Self::get_recording).
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing changes at the bridge.
    pub async fn read_recording(
        &self,
        recording: &RecordingId,
        track: u32,
        offset: u64,
    ) -> Result<Vec<u8>, ApiError> {
        let recording_id = recording.0.clone();
        let call = RecordingRead { recording_id, track, offset, length: READ_MAX };
        let part: RecordingPart = self.own(&call, "hand out recordings").await?;
        part.bytes().ok_or(ApiError::UnexpectedAnswer {
            method: RecordingRead::METHOD,
            reason: "data: not base64".to_owned(),
        })
    }

    /// Removes a recording from the bridge, for everybody and for good.
    ///
    /// # Errors
    ///
    /// - [`ApiError::NotOffered`] by official bridges.
    /// - [`ApiError::Net`] with code 0x6f12 if there is none, 0x6f13 while it runs, 0x30 unless
    ///   policy lets this user update its room.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not prevent the removal.
    pub async fn delete_recording(&self, recording: &RecordingId) -> Result<(), ApiError> {
        let call = RecordingDelete { recording_id: recording.0.clone() };
        self.own(&call, "delete recordings").await.map(drop)
    }

    /// Makes a call that only our own bridge knows.
    async fn own<C: Call>(&self, call: &C, what: &'static str) -> Result<C::Answer, ApiError> {
        self.core().call(call).await.map_err(|error| match error.code() {
            Some(code::METHOD_NOT_FOUND) => ApiError::NotOffered { what },
            _ => error,
        })
    }
}
