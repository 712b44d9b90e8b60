//! `conclave host`: an embedded bridge that others can reach, and an invite to it.

use std::sync::Arc;

use serde_json::json;

use crate::cli::args::Admit;
use crate::cli::args::Global;
use crate::cli::args::Host;
use crate::cli::args::Screen;
use crate::cli::args::Sound;
use crate::cli::clock;
use crate::cli::command::join::join_call;
use crate::cli::command::join::share;
use crate::cli::devices::Choice;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::gate::Gate;
use crate::cli::gate::GateHandle;
use crate::cli::headless::Headless;
use crate::cli::link;
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::cli::provision::InviteTerms;
use crate::cli::room_meta;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::cli::stop::Stop;
use crate::model::StreamRoom;
use crate::model::Timestamp;
use crate::profile::Invite;
use crate::profile::IssuedInvites;
use crate::profile::file;
use crate::ui;

use super::tui;

/// Hosts until the call is left.
pub async fn run(
    paths: Paths,
    global: &Global,
    sound: &Sound,
    screen: &Screen,
    host: &Host,
    output: Output,
) -> anyhow::Result<()> {
    let profile = Profile::open(paths, global.name.as_deref())?;
    let choice = Choice::new(sound, &profile.settings)?;
    let mut issued = IssuedInvites::load(&profile.paths.data)?;
    let session = Session::host(profile, host.listen, &host.media_address).await?;
    let room = match session.find_room(&host.room).await? {
        Some(room) if !room.closed => room,
        _ => session.create_room(&host.room).await?,
    };
    let invite = issue(&session, &room, host, &mut issued).await?;
    let link = invite.to_string();
    file::write_private(&session.profile.paths.data.join("invite.txt"), link.as_bytes())?;
    let gate = open_gate(&session, host.admit).await?;
    if !host.headless.headless {
        let start = tui::Start {
            room: Some(room.stream_room_id.clone()),
            invite: Some(ui::event::Invite {
                room: room_meta::name(&room),
                qr: link::qr(&link).unwrap_or_default(),
                link,
                validity: validity(host),
            }),
            gate: Some(gate),
            choice,
            muted: sound.muted,
            share: host.headless.shared(),
        };
        let shown = tui::show(&session, screen, start).await;
        session.close().await;
        return shown;
    }
    let mut stop = Stop::new()?;
    let hosting = json!({"event": "hosting", "url": session.url, "invite": link,
        "room": {"id": room.stream_room_id.as_str(), "name": room_meta::name(&room)}});
    output.result(&hosting, || announcement(&session.url, &link));
    let events = session.api.room_events(&room.stream_room_id);
    let joining_since = clock::now();
    let joining = join_call(&session, &room, &choice, sound.muted, output);
    let Some(call) = stop.unless_signalled(joining).await else {
        session.close().await;
        return Ok(());
    };
    let call = call?;
    share(&call, &host.headless, output).await?;
    let headless = Headless {
        output,
        call,
        joining_since,
        events,
        room: room.stream_room_id,
        gate: Some(gate),
        asks: host.admit == Admit::Ask,
        shares: host.headless.shared().is_some(),
        duration: host.headless.duration,
        video: host.headless.video,
    };
    let result = headless.run(stop).await;
    session.close().await;
    result
}

/// Starts answering guests of this session.
pub async fn open_gate(session: &Session, policy: Admit) -> anyhow::Result<GateHandle> {
    let gate = Gate {
        connection: session.connection.clone(),
        api: session.api.clone(),
        context: session.context.clone(),
        data: session.profile.paths.data.clone(),
        me: session.own_user(),
        known: Arc::clone(&session.keys),
        policy,
    };
    gate.open().await
}

/// Issues an invite to the room and writes it down for when its guests come.
async fn issue(
    session: &Session,
    room: &StreamRoom,
    host: &Host,
    issued: &mut IssuedInvites,
) -> anyhow::Result<Invite> {
    let Some(hosted) = &session.hosted else {
        return Err(Failure::new(Exit::Failure, "only a host can invite").into());
    };
    let lifetime = i64::try_from(host.invite_expires.as_millis()).unwrap_or(i64::MAX);
    let address = link::advertised(hosted.bridge.local_addr(), host.advertise.as_deref());
    let terms = InviteTerms {
        address: &address,
        bridge_key: &hosted.bridge.public_key(),
        inviter_key: session.profile.identity.key.public_key(),
        room: &room.stream_room_id,
        expires: Timestamp(clock::now().0.saturating_add(lifetime)),
        uses: host.invite_uses,
    };
    let invite = hosted.manager.issue_invite(&terms, &mut rand::rng()).await?;
    issued.add(&invite)?;
    Ok(invite)
}

fn validity(host: &Host) -> String {
    let people = if host.invite_uses == 1 {
        "1 person".to_owned()
    } else {
        format!("{} people", host.invite_uses)
    };
    format!("for {people}, valid {}", humantime::format_duration(host.invite_expires))
}

fn announcement(url: &str, link: &str) -> String {
    let qr = link::qr(link).unwrap_or_default();
    format!("hosting at {url}\n{qr}\ninvite others with:\n\n    conclave join {link}\n")
}
