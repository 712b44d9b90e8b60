//! `conclave join INVITE`: redeem, ask to be let in, wait, join. `conclave join ROOM`: join.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::api::Call;
use crate::api::CallConfig;
use crate::api::EventQueue;
use crate::cli::admission;
use crate::cli::args;
use crate::cli::args::Global;
use crate::cli::args::Join;
use crate::cli::args::Screen;
use crate::cli::args::Sound;
use crate::cli::clock;
use crate::cli::devices::Choice;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::headless::Headless;
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::cli::room_meta;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::cli::stop::Stop;
use crate::model::EventKind;
use crate::model::StreamRoom;
use crate::model::UserWithPubKey;
use crate::profile::Invite;
use crate::profile::KnownBridge;
use crate::profile::known_keys::Standing;

use super::tui;

/// How often the request is repeated: the inviter may not have been there the first time.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// Joins until the call is left. An invite is for this machine's own profile; a room is one of
/// the bridge that was chosen.
pub async fn run(
    (own, chosen): (Paths, Paths),
    global: &Global,
    sound: &Sound,
    screen: &Screen,
    join: &Join,
    output: Output,
) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let finding = find((own, chosen), global, sound, join, output);
    let Some(found) = stop.unless_signalled(finding).await else { return Ok(()) };
    let (session, choice, room) = found?;
    let result = meet(&session, room, choice, sound, screen, (&join.headless, output), stop).await;
    session.close().await;
    result
}

/// A session, the devices, and the room that is meant, once this user may go in.
async fn find(
    (own, chosen): (Paths, Paths),
    global: &Global,
    sound: &Sound,
    join: &Join,
    output: Output,
) -> anyhow::Result<(Session, Choice, StreamRoom)> {
    let (session, choice, room) = match join.invite.parse::<Invite>() {
        Ok(invite) => {
            global.remote.refuse_for("join INVITE")?;
            if invite.expires <= clock::now() {
                let text = "this invite has expired; ask the host for a new one";
                return Err(Failure::new(Exit::Invite, text).into());
            }
            let profile = Profile::open(own, global.name.as_deref())?;
            let choice = Choice::new(sound, &profile.settings)?;
            let session = Session::invited(profile, &invite).await?;
            let room = wait_for_admission(&session, &invite, output).await;
            (session, choice, room)
        }
        Err(error) => {
            let known = !chosen.overrides.is_empty() || KnownBridge::load(&chosen.data)?.is_some();
            if join.invite.starts_with("conclave:") || !known {
                return Err(error.into());
            }
            let profile = Profile::open(chosen, global.name.as_deref())?;
            let choice = Choice::new(sound, &profile.settings)?;
            let session = Session::resume(profile).await?;
            let room = session.expect_room(&join.invite).await;
            (session, choice, room)
        }
    };
    match room {
        Ok(room) => Ok((session, choice, room)),
        Err(error) => {
            session.close().await;
            Err(error)
        }
    }
}

/// Takes part until the call is left.
async fn meet(
    session: &Session,
    room: StreamRoom,
    choice: Choice,
    sound: &Sound,
    screen: &Screen,
    (headless, output): (&args::Headless, Output),
    mut stop: Stop,
) -> anyhow::Result<()> {
    if !headless.headless {
        let start = tui::Start {
            room: Some(room.stream_room_id),
            invite: None,
            gate: None,
            choice,
            muted: sound.muted,
            share: headless.shared(),
        };
        return tui::show(session, screen, start).await;
    }
    let events = session.api.room_events(&room.stream_room_id);
    let joining_since = clock::now();
    let joining = join_call(session, &room, &choice, sound.muted, output);
    let Some(call) = stop.unless_signalled(joining).await else { return Ok(()) };
    let call = call?;
    share(&call, headless, output).await?;
    let headless = Headless {
        output,
        call,
        joining_since,
        events,
        room: room.stream_room_id,
        gate: None,
        asks: false,
        shares: headless.shared().is_some(),
        duration: headless.duration,
        video: headless.video,
    };
    headless.run(stop).await
}

/// Joins the call of a room with the devices chosen, and says so.
///
/// A device that the user named must work; without the default one the call goes on without.
pub async fn join_call(
    session: &Session,
    room: &StreamRoom,
    choice: &Choice,
    muted: bool,
    output: Output,
) -> anyhow::Result<Call> {
    let started = Instant::now();
    let call = enter(session, room, choice, muted).await?;
    let after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let name = room_meta::name(room);
    let limits = call.limits();
    let listen_only = call.is_listen_only();
    let joined = json!({"event": "joined", "user": session.user.as_str(),
        "room": {"id": room.stream_room_id.as_str(), "name": name},
        "listen_only": listen_only, "after_ms": after_ms});
    output.result(&joined, || format!("joined {name} as {}", session.user));
    let without_mic = limits.microphone.iter().map(|why| format!("listening only: {why}"));
    let without_speaker = limits.speaker.iter().map(|why| format!("nothing can be heard: {why}"));
    for notice in without_mic.chain(without_speaker) {
        output.event(&json!({"event": "notice", "message": notice}));
        Output::note(&format!("conclave: {notice}"));
    }
    Ok(call)
}

/// Shares the terminal that was asked for, if any, and says so.
pub async fn share(call: &Call, headless: &args::Headless, output: Output) -> anyhow::Result<()> {
    let Some(command) = headless.shared() else { return Ok(()) };
    let sharing = async {
        call.terminals().share(command.clone()).await?;
        call.set_terminal_video(command.has_video()).await
    };
    if let Err(error) = sharing.await {
        // The terminal is what the user has to know about.
        let _ = call.leave().await;
        return Err(error.into());
    }
    let line = json!({"event": "sharing", "what": command.to_string()});
    output.result(&line, || format!("sharing {command}"));
    Ok(())
}

/// Joins the call of a room with the devices chosen.
pub async fn enter(
    session: &Session,
    room: &StreamRoom,
    choice: &Choice,
    muted: bool,
) -> anyhow::Result<Call> {
    let config = CallConfig::new(room.stream_room_id.clone())
        .with_microphone(choice.mic.clone())
        .with_speaker(choice.speaker.clone())
        .with_muted(muted)
        .with_camera(choice.camera.clone())
        .with_screen(choice.screen.clone());
    let call = Call::join(session.api.clone(), config).await?;
    let limits = call.limits();
    let refused = limits.microphone.as_ref().filter(|_| choice.mic_named);
    let refused = refused.or(limits.speaker.as_ref().filter(|_| choice.speaker_named));
    // Nothing is shown that was not named.
    let refused = refused.or(limits.camera.as_ref()).or(limits.screen.as_ref());
    if let Some(reason) = refused.cloned() {
        // The device is what the user has to know about; failing to say goodbye is not.
        let _ = call.leave().await;
        return Err(Failure::new(Exit::Device, reason).into());
    }
    Ok(call)
}

/// Asks to be let in until the room opens.
async fn wait_for_admission(
    session: &Session,
    invite: &Invite,
    output: Output,
) -> anyhow::Result<StreamRoom> {
    let inviter = admission::inviter(&session.connection, invite).await?;
    // The invite came from them directly, so their key is verified by it.
    if session.keys.remember(&invite.context, &inviter, true)? == Standing::Changed {
        let text = "the bridge presents another key for your host than before; do not go on, and ask \
                    them what has happened";
        return Err(Failure::new(Exit::Denied, text).into());
    }
    let mut events = session.connection.events();
    let context = &invite.context;
    let answers = format!("context/custom/{}|contextId={context}", admission::CHANNEL);
    let updates = format!("streamroom/update|contextId={context}");
    session.connection.subscribe_for(&[answers]).await?;
    session.api.subscribe_for(&[updates]).await?;
    let mut told = false;
    loop {
        if let Some(room) = open_room(session, invite).await? {
            return Ok(room);
        }
        let name = &session.profile.identity.name;
        let guest = session.profile.identity.key.public_key();
        admission::ask(&session.connection, invite, name, guest).await?;
        if !told {
            told = true;
            let line = json!({"event": "waiting", "fingerprint": guest.fingerprint().to_string()});
            output.result(&line, || {
                format!("waiting to be let in; your key is {}", guest.fingerprint())
            });
        }
        // A time-out is no answer: look at the room, then ask again.
        tokio::time::timeout(ASK_EVERY, news(&mut events, invite, &inviter))
            .await
            .unwrap_or(Ok(()))?;
    }
}

/// Waits for something that may have changed the answer.
async fn news(
    events: &mut EventQueue,
    invite: &Invite,
    inviter: &UserWithPubKey,
) -> anyhow::Result<()> {
    while let Some(event) = events.next_event().await {
        match event.kind {
            EventKind::StreamRoomUpdated(room) if room.stream_room_id == invite.room => {
                return Ok(());
            }
            EventKind::Custom { channel, author, data, .. }
                if channel == admission::CHANNEL
                    && author.pub_key == inviter.pub_key
                    && admission::is_denial(&data, &invite.room) =>
            {
                let text = "the host did not let you in; ask them, then join again";
                return Err(Failure::new(Exit::Denied, text).into());
            }
            _ => {}
        }
    }
    Err(Failure::new(Exit::Unreachable, "the connection to the bridge was closed").into())
}

/// The room, if this user is a member already.
async fn open_room(session: &Session, invite: &Invite) -> anyhow::Result<Option<StreamRoom>> {
    const ACCESS_DENIED: i64 = 0x30;
    const NO_SUCH_ROOM: i64 = 0x6122;
    match session.api.get_stream_room(&invite.room).await {
        Ok(room) if room.closed => {
            let text = "the room is closed for good; ask the host for an invite to a new one";
            Err(Failure::new(Exit::RoomUnavailable, text).into())
        }
        Ok(room) if room.status_code == 0 => {
            let users = admission::all_users(&session.connection, &invite.context).await?;
            let author = users.into_iter().find(|user| user.user_id == room.last_modifier);
            let verified = author.is_some_and(|author| {
                session.keys.standing(&invite.context, &author) == Standing::Verified
            });
            if verified {
                return Ok(Some(room));
            }
            let text = "the room was last changed by somebody whose key you have not verified, so it \
                        may not be the one you were invited to; ask your host for a new invite";
            Err(Failure::new(Exit::Denied, text).into())
        }
        Ok(room) => {
            let text = format!(
                "the room can't be verified (status {:#010x}): its keys or metadata were not made by \
                 whom they name; ask the host for a new invite",
                room.status_code
            );
            Err(Failure::new(Exit::Denied, text).into())
        }
        Err(error) if error.code() == Some(ACCESS_DENIED) => Ok(None),
        Err(error) if error.code() == Some(NO_SUCH_ROOM) => {
            let text = "the room of this invite was deleted; ask the host for a new invite";
            Err(Failure::new(Exit::RoomUnavailable, text).into())
        }
        Err(error) => Err(error.into()),
    }
}
