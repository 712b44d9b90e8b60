//! `conclave rooms`: list, create, show, change and delete them.

use serde_json::Value;
use serde_json::json;

use crate::api::ApiError;
use crate::cli::args::Global;
use crate::cli::args::Rooms;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::cli::paths::Paths;
use crate::cli::room_meta;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::model::RecordingState;
use crate::model::StreamRoom;
use crate::model::UserId;
use crate::profile::room_meta as meta;

use super::members;

/// Carries the command out on the bridge of last time, or the embedded one.
pub async fn run(
    paths: Paths,
    global: &Global,
    command: &Rooms,
    output: Output,
) -> anyhow::Result<()> {
    let profile = Profile::open(paths, global.name.as_deref())?;
    let session = Session::resume(profile).await?;
    let result = carry_out(&session, command, output).await;
    session.close().await;
    result
}

async fn carry_out(session: &Session, command: &Rooms, output: Output) -> anyhow::Result<()> {
    match command {
        Rooms::List => {
            for room in session.rooms().await? {
                let people = people(session, &room).await;
                output.result(&describe("room", &room, people.as_deref()), || {
                    let state = if room.closed { "closed" } else { "open" };
                    let count = people.as_deref().unwrap_or_default().len();
                    let name = room_meta::name(&room);
                    format!("{}  {name}  {state}, {count} in call", room.stream_room_id)
                });
            }
        }
        Rooms::Create { room } => {
            let room = session.create_room(room).await?;
            output.result(&describe("room_created", &room, None), || {
                format!("created {} ({})", room_meta::name(&room), room.stream_room_id)
            });
        }
        Rooms::Show { room } => {
            let room = session.expect_room(room).await?;
            let people = people(session, &room).await;
            output.result(&describe("room", &room, people.as_deref()), || {
                in_words(&room, people.as_deref().unwrap_or_default())
            });
        }
        Rooms::Delete { room } => {
            let room = session.expect_room(room).await?;
            session.api.delete_stream_room(&room.stream_room_id).await?;
            output.result(&describe("room_deleted", &room, None), || {
                format!("deleted {} ({})", room_meta::name(&room), room.stream_room_id)
            });
        }
        Rooms::Members(wanted) => members::run(session, wanted, output).await?,
        Rooms::Rename { room, new_name } => {
            members::rename(session, room, new_name, output).await?;
        }
        Rooms::Avatar { room, file, user } => {
            members::avatar(session, room, user.as_deref(), file.as_deref(), output).await?;
        }
        Rooms::Policy { room, set } => members::policy(session, room, set, output).await?,
        Rooms::Recording { room } => recording(session, room, output).await?,
    }
    Ok(())
}

/// Tells whether a room is being recorded, as far as the bridge lets its members know.
async fn recording(session: &Session, room: &str, output: Output) -> anyhow::Result<()> {
    let room = session.expect_room(room).await?;
    let name = room_meta::name(&room);
    let (state, running) = match session.api.list_recordings(&room.stream_room_id).await {
        Ok(list) => match list.into_iter().find(|one| one.state == RecordingState::Running) {
            Some(running) => ("running", Some(running.id)),
            None => ("off", None),
        },
        Err(ApiError::NotOffered { .. }) => ("unknown", None),
        Err(error) => return Err(error.into()),
    };
    let line = json!({"event": "recording", "room": {"id": room.stream_room_id.as_str(),
        "name": name}, "state": state, "recording": running.as_ref().map(|id| id.as_str())});
    output.result(&line, || match (state, &running) {
        (_, Some(id)) => format!("{name} is recorded as {id}"),
        ("off", _) => format!("{name} is not recorded"),
        _ => format!("{name}: this bridge does not tell whether it records"),
    });
    Ok(())
}

/// Who publishes in the room now; `None` where the bridge can't tell, as for a closed room.
async fn people(session: &Session, room: &StreamRoom) -> Option<Vec<UserId>> {
    let streams = session.api.list_streams(&room.stream_room_id).await.ok()?;
    let mut users: Vec<_> = streams.into_iter().map(|stream| stream.user_id).collect();
    users.sort();
    users.dedup();
    Some(users)
}

pub(super) fn describe(event: &str, room: &StreamRoom, people: Option<&[UserId]>) -> Value {
    let texts = |users: &[UserId]| users.iter().map(|user| user.0.clone()).collect::<Vec<_>>();
    let avatars: Vec<_> = meta::avatars(&room.private_meta).into_keys().collect();
    json!({"event": event, "id": room.stream_room_id.as_str(), "name": room_meta::name(room),
        "users": texts(&room.users), "managers": texts(&room.managers), "version": room.version,
        "closed": room.closed, "created": room.create_date.0, "verified": room.status_code == 0,
        "in_call": people.map(texts), "avatars": texts(&avatars)})
}

fn in_words(room: &StreamRoom, people: &[UserId]) -> String {
    let list = |users: &[UserId]| {
        users.iter().map(|user| clean(user.as_str())).collect::<Vec<_>>().join(", ")
    };
    format!(
        "name      {}\nid        {}\nusers     {}\nmanagers  {}\nin call   {}\nversion   {}\nclosed    {}",
        room_meta::name(room),
        room.stream_room_id,
        list(&room.users),
        list(&room.managers),
        list(people),
        room.version,
        room.closed
    )
}
