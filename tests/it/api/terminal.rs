//! A shared terminal between whole clients: seen, typed into with control only, and apart from
//! the messages of applications.

use std::time::Duration;

use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::DeviceSpec;
use conclave::api::terminal::SharedCommand;
use conclave::api::terminal::TerminalControl;
use conclave::api::terminal::TerminalOrder;
use conclave::api::terminal::TerminalSize;
use conclave::api::terminal::TerminalStatus;
use conclave::api::terminal::TerminalView;
use conclave::api::terminal::TerminalViews;
use conclave::model::StreamId;
use conclave::model::StreamRoomId;
use tokio::sync::watch;

use super::world::World;
use super::world::soon;

async fn join(world: &World, name: &str, room: &StreamRoomId) -> Call {
    let api = world.connect(name).await.create_stream_api();
    let config = CallConfig::new(room.clone()).with_microphone(None).with_speaker(DeviceSpec::Null);
    Call::join(api, config).await.unwrap()
}

/// Waits until a view is as wanted, and returns it.
async fn see(
    what: &str,
    views: &mut watch::Receiver<TerminalViews>,
    wanted: impl Fn(&TerminalView) -> bool,
) -> TerminalView {
    let is_there = |views: &TerminalViews| views.iter().any(|view| wanted(view));
    let views = soon(what, views.wait_for(is_there)).await.unwrap();
    views.iter().find(|view| wanted(view)).unwrap().as_ref().clone()
}

fn shows(view: &TerminalView, text: &str) -> bool {
    (0..view.screen.size().rows()).any(|row| view.screen.text(row).contains(text))
}

/// All rows, to be read when a test fails.
fn text(view: &TerminalView) -> String {
    (0..view.screen.size().rows()).map(|row| view.screen.text(row) + "\n").collect()
}

/// Ben asks for control, is given it, and types.
async fn lend(ana: &Call, ben: &Call, stream: StreamId) {
    let (mut own, mut bens) = (ana.terminals().views(), ben.terminals().views());
    ben.terminals().order(TerminalOrder::Ask(stream));
    see("the question", &mut own, |view| view.watchers.iter().any(|one| one.asks)).await;
    ana.terminals().order(TerminalOrder::Lend(None));
    see("ben's control", &mut bens, |view| view.control == TerminalControl::Me).await;
    // The key is opened beside; what is typed before that is not sent.
    let typed = async {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        let is_there = |view: &TerminalView| shows(view, "<by ben>");
        loop {
            tokio::select! {
                _ = tick.tick() => ben.terminals().order(TerminalOrder::Keys(Some(stream), b"by ben\n".to_vec())),
                view = see("what ben typed", &mut bens, is_there) => break view,
            }
        }
    };
    typed.await;
    let view = see("ben's words", &mut own, |view| shows(view, "<by ben>")).await;
    assert_eq!(view.control, TerminalControl::Other("ben".to_owned()));
    assert!(!shows(&view, "evil"), "ben had no control then");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminal_is_seen_by_all_and_typed_into_by_one() {
    let world = World::with_users(&["ana", "ben", "chi"]).await;
    let api = world.connect("ana").await.create_stream_api();
    let room = world.room(&api, &["ana", "ben", "chi"]).await;
    let ana = join(&world, "ana", &room).await;
    let ben = join(&world, "ben", &room).await;
    let mut messages = ben.messages().unwrap();
    let command = "while read line; do echo \"<$line>\"; stty size; done; exit 3";
    ana.terminals().share(SharedCommand::new(command)).await.unwrap();
    let (mut own, mut bens) = (ana.terminals().views(), ben.terminals().views());

    // Seen, and what the owner types; not what somebody without control types.
    let view = see("ben's view", &mut bens, |view| view.complete).await;
    let stream = view.stream;
    assert_eq!((view.user.as_str(), &view.control), ("ana", &TerminalControl::Owner));
    ben.terminals().order(TerminalOrder::Keys(stream, b"evil\n".to_vec()));
    ana.terminals().order(TerminalOrder::Keys(None, b"hello\n".to_vec()));
    see("what ana typed", &mut bens, |view| shows(view, "<hello>")).await;

    lend(&ana, &ben, stream.unwrap()).await;

    // A late joiner gets it all, and asks for a smaller terminal.
    let chi = join(&world, "chi", &room).await;
    let mut chis = chi.terminals().views();
    let view = see("chi's view", &mut chis, |view| view.complete && shows(view, "<hello>")).await;
    assert_eq!(view.control, TerminalControl::Other("ben".to_owned()));
    chi.terminals().order(TerminalOrder::Room(view.stream, Some(TerminalSize::new(60, 20))));
    let small = |view: &TerminalView| view.screen.size() == TerminalSize::new(60, 20);
    see("the smaller terminal", &mut own, small).await;
    see("the smaller terminal at ben's", &mut bens, small).await;

    // Taken back; ben's keys don't count any more. Messages have not been disturbed.
    ana.terminals().order(TerminalOrder::TakeBack);
    see("the end of control", &mut bens, |view| view.control == TerminalControl::Owner).await;
    ben.terminals().order(TerminalOrder::Keys(stream, b"late\n".to_vec()));
    ana.send_message(b"\0cnc is no terminal").await.unwrap();
    let message = soon("the message", messages.next_message()).await.unwrap();
    assert_eq!(message.data, b"\0cnc is no terminal");
    ana.terminals().order(TerminalOrder::Keys(None, b"last\n\x04".to_vec()));
    let view = see("the end", &mut bens, |view| view.status != TerminalStatus::Running).await;
    assert_eq!(view.status, TerminalStatus::Exited(3));
    let theirs = view;
    // The last of the screen may follow the end.
    let whole = |view: &TerminalView| shows(view, "<last>") && shows(view, "20 60");
    let mine = see("the last words", &mut own, whole).await;
    assert!(!shows(&mine, "late"), "ben had no control any more:\n{}", text(&mine));
    let same = |view: &TerminalView| view.screen == mine.screen;
    assert_eq!(theirs.share, mine.share);
    see("the same screen, cell for cell", &mut bens, same).await;
    see("the same at chi's", &mut chis, same).await;

    // Nobody is left with a terminal that is shared no more.
    ana.terminals().order(TerminalOrder::Stop);
    soon("the end of the share", bens.wait_for(|views| views.is_empty())).await.unwrap();
    for call in [ana, ben, chi] {
        call.leave().await.unwrap();
    }
    world.bridge.shutdown().await;
}
