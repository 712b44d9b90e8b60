//! Calls about Stream Rooms as containers (streams.md 5.2, 5.3, 5.5; transport.md 12).

mod change;
mod policy;
mod read;
mod room;

pub use change::DeleteResult;
pub use change::KeyEntry;
pub use change::StreamRoomCreate;
pub use change::StreamRoomCreated;
pub use change::StreamRoomDelete;
pub use change::StreamRoomDeleteMany;
pub use change::StreamRoomUpdate;
pub use change::StreamRoomsDeleted;
pub use policy::Policy;
pub use policy::PolicyParams;
pub use read::StreamRoomAnswer;
pub use read::StreamRoomClose;
pub use read::StreamRoomEnableRecording;
pub use read::StreamRoomGet;
pub use read::StreamRoomJoin;
pub use read::StreamRoomLeave;
pub use read::StreamRoomList;
pub use read::StreamRoomListAll;
pub use read::StreamRoomSendCustomEvent;
pub use read::StreamRooms;
pub use room::ROOM_TYPE;
pub use room::RoomData;
pub use room::RoomKey;
pub use room::StreamRoom;
