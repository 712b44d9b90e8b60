//! Pictures in whole calls: from a test picture that counts to what others see of it.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::DeviceSpec;
use conclave::api::LocalTrack;
use conclave::api::Person;
use conclave::api::RemoteStreamEvent;
use conclave::api::StreamApi;
use conclave::api::StreamRoomChange;
use conclave::api::VideoSpec;
use conclave::api::VideoTrack;
use conclave::api::Wanted;
use conclave::bridge::BridgeConfig;
use conclave::device::video::pattern;
use conclave::media::video::Picture;
use conclave::media::video::psnr_y;
use conclave::model::CallStats;
use conclave::model::StreamRoomId;
use conclave::model::StreamSubscription;
use conclave::model::TrackKind;
use conclave::model::VideoContent;
use tokio::sync::watch;

use super::world::World;
use super::world::soon;
use crate::support::letters;
use crate::support::lossy;
use crate::support::lossy::Lossy;

type Pictures = watch::Receiver<Option<Arc<Picture>>>;

fn quiet(room: &StreamRoomId) -> CallConfig {
    CallConfig::new(room.clone()).with_microphone(None).with_speaker(DeviceSpec::Null)
}

async fn two_in_a_room(world: &World) -> (StreamApi, StreamApi, StreamRoomId) {
    let ana = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let room = world.room(&ana, &["ana", "ben"]).await;
    (ana, ben, room)
}

/// Waits until `user` shows so many things.
async fn shown(call: &Call, user: &str, count: usize) -> Vec<VideoTrack> {
    let mut people = call.people();
    let shows = |people: &Vec<Person>| {
        people.iter().any(|p| p.user.as_str() == user && p.videos.len() == count)
    };
    let people = soon("a camera", people.wait_for(shows)).await.unwrap().clone();
    people.into_iter().find(|person| person.user.as_str() == user).unwrap().videos
}

fn want(call: &Call, videos: &[VideoTrack]) {
    let wanted = videos.iter().map(|video| Wanted {
        stream: video.stream,
        track: video.track.clone(),
        max_width: 0,
        max_height: 0,
    });
    call.want_pictures(wanted.collect());
}

/// Looks at a track and waits for its first picture.
async fn see(call: &Call, video: &VideoTrack) -> Pictures {
    let mut pictures = call.pictures(video.stream, &video.track).unwrap();
    want(call, std::slice::from_ref(video));
    soon("a picture", pictures.wait_for(Option::is_some)).await.unwrap();
    pictures
}

async fn next(pictures: &mut Pictures) -> Arc<Picture> {
    soon("the next picture", pictures.changed()).await.unwrap();
    let newest = pictures.borrow_and_update().clone();
    newest.expect("a picture")
}

/// A camera that only one at a time can have is closed before it is opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_camera_can_be_chosen_again() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana, _, room) = two_in_a_room(&world).await;
    let lock = tempfile::NamedTempFile::new().unwrap();
    let command = format!("flock -n -E 9 {} sh -c 'printf free; read x'", lock.path().display());
    let camera: VideoSpec =
        format!("terminal:\"{command}; test $? -ne 9 || printf busy\"").parse().unwrap();
    let ana = Call::join(ana, quiet(&room)).await.unwrap();
    for _ in 0..3 {
        ana.set_camera(Some(camera.clone())).await.unwrap();
        let mut own = ana.own_pictures(VideoContent::Camera).await.unwrap();
        let says = |picture: &Option<Arc<Picture>>| {
            let row = picture.as_ref().map(|picture| letters::read(picture).remove(0));
            row.filter(|row| !row.is_empty())
        };
        let picture = own.wait_for(|picture| says(picture).is_some());
        let picture = soon("the camera", picture).await.unwrap().clone();
        assert!(says(&picture).unwrap().starts_with("free"), "{:?}", says(&picture));
    }
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_shows_is_what_the_other_sees() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let config = quiet(&room).with_camera(Some(VideoSpec::Pattern));
    let ana = Call::join(ana, config).await.unwrap();
    assert_eq!(ana.limits().camera, None);
    let ben = Call::join(ben, quiet(&room)).await.unwrap();
    let stats = ben.stats().unwrap();
    let videos = shown(&ben, "ana", 1).await;
    assert_eq!(videos[0].content, VideoContent::Camera);
    assert!(stats.borrow().video.is_empty(), "nothing is received that nobody looks at");
    let own = ana.own_pictures(VideoContent::Camera).await.unwrap();

    let began = Instant::now();
    let mut pictures = see(&ben, &videos[0]).await;
    println!("first picture {} ms after looking", began.elapsed().as_millis());
    let (mut worst, mut sum, mut last, mut count) = (f64::INFINITY, 0.0, 0, 0);
    let began = Instant::now();
    while count < 30 {
        let picture = next(&mut pictures).await;
        assert_eq!((picture.width(), picture.height()), (320, 180));
        let counter = pattern::read_counter(&picture).expect("a readable counter");
        // A picture is sent once more if somebody has asked for one that stands alone.
        assert!(counter >= last, "{counter} after {last}");
        last = counter;
        let source = pattern::picture(counter, 320, 180);
        let db = psnr_y(&source, &picture);
        worst = worst.min(db);
        sum += db;
        count += 1;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("30 pictures in {seconds:.2} s, PSNR {:.1} dB, worst {worst:.1} dB", sum / 30.0);
    assert!(sum / 30.0 > 25.0, "the pictures are the same");
    assert!(own.borrow().is_some());
    let mut stats = stats;
    let counted = |stats: &CallStats| {
        stats.video.iter().any(|track| track.user.as_str() == "ana" && track.pictures > 30)
    };
    let last = soon("figures", stats.wait_for(counted)).await.unwrap().clone();
    println!("{:?}", last.video);
    assert_eq!(last.dropped_unauthenticated, 0);
    let sent = ana
        .stats()
        .unwrap()
        .wait_for(|stats| !stats.video_sent.is_empty())
        .await
        .unwrap()
        .video_sent
        .clone();
    println!("{sent:?}");
    assert_eq!(sent[0].content, VideoContent::Camera);

    // Smaller, as for a tile; and no more, once nobody looks.
    let (stream, track) = (videos[0].stream, videos[0].track.clone());
    ben.want_pictures(vec![Wanted { stream, track, max_width: 80, max_height: 45 }]);
    let small = pictures.wait_for(|p| p.as_ref().is_some_and(|p| p.width() == 80));
    soon("a small picture", small).await.unwrap();
    ben.want_pictures(Vec::new());
    soon("the end of pictures", pictures.wait_for(Option::is_none)).await.unwrap();
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cameras_and_screens_come_and_go_during_a_call() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let ana = Call::join(ana, quiet(&room)).await.unwrap();
    let ben_api = ben.clone();
    let ben = Call::join(ben, quiet(&room)).await.unwrap();
    ana.set_camera(Some(VideoSpec::Pattern)).await.unwrap();
    let mut camera = see(&ben, &shown(&ben, "ana", 1).await[0]).await;
    ana.set_screen(Some(VideoSpec::Pattern)).await.unwrap();
    let both = shown(&ben, "ana", 2).await;
    assert_eq!([both[0].content, both[1].content], [VideoContent::Camera, VideoContent::Screen]);
    let mut screen = ben.pictures(both[1].stream, &both[1].track).unwrap();
    want(&ben, &both);
    let wide = screen.wait_for(|p| p.as_ref().is_some_and(|p| p.width() == 1280));
    soon("the screen", wide).await.unwrap();
    next(&mut camera).await;

    ana.set_camera(None).await.unwrap();
    let rest = shown(&ben, "ana", 1).await;
    assert_eq!(rest[0].content, VideoContent::Screen);
    soon("the camera's end", camera.wait_for(Option::is_none)).await.unwrap();
    assert!(ana.own_pictures(VideoContent::Camera).await.is_none());
    ana.set_camera(Some(VideoSpec::Pattern)).await.unwrap();
    let again = shown(&ben, "ana", 2).await;
    see(&ben, &again[0]).await;
    let refused = ana.set_camera(Some("file:/nowhere.y4m".parse().unwrap())).await;
    assert!(refused.is_err());
    let mut camera = see(&ben, &again[0]).await;
    next(&mut camera).await;

    // Whoever comes back sees it again.
    ben.leave().await.unwrap();
    let ben = Call::join(ben_api, quiet(&room)).await.unwrap();
    see(&ben, &shown(&ben, "ana", 2).await[0]).await;
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_go_on_under_a_new_key() {
    let world = World::with_users(&["ana", "ben", "eve"]).await;
    let ana_api = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let room = world.room(&ana_api, &["ana", "ben", "eve"]).await;
    let config = quiet(&room).with_camera(Some(VideoSpec::Pattern));
    let ana = Call::join(ana_api.clone(), config).await.unwrap();
    let ben = Call::join(ben, quiet(&room)).await.unwrap();
    let mut pictures = see(&ben, &shown(&ben, "ana", 1).await[0]).await;
    let change = StreamRoomChange {
        stream_room_id: room.clone(),
        users: world.users(&["ana", "ben"]),
        managers: world.users(&["ana"]),
        version: 1,
        ..StreamRoomChange::default()
    };
    ana_api.update_stream_room(&change).await.unwrap();
    for _ in 0..30 {
        next(&mut pictures).await;
    }
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_come_back_after_a_second_without_any() {
    let mut network = Lossy::bind().await;
    let mut config = BridgeConfig::in_memory(SocketAddr::from((Ipv4Addr::LOCALHOST, network.port)));
    config.advertise = vec![lossy::OUTSIDE];
    let world = World::provision(config, &["ana", "ben"]).await;
    let broken = Arc::new(AtomicBool::new(false));
    let loses = Arc::clone(&broken);
    network.carry(Arc::new(move |_, datagram| {
        // Control and checks are lost as well, as on any network that is away.
        !datagram.is_empty() && loses.load(Ordering::Relaxed)
    }));
    let (ana, ben, room) = two_in_a_room(&world).await;
    let config = quiet(&room).with_camera(Some(VideoSpec::Pattern));
    let ana = Call::join(ana, config).await.unwrap();
    let ben = Call::join(ben, quiet(&room)).await.unwrap();
    let mut pictures = see(&ben, &shown(&ben, "ana", 1).await[0]).await;
    let own = ana.own_pictures(VideoContent::Camera).await.unwrap();
    for _ in 0..3 {
        for _ in 0..20 {
            next(&mut pictures).await;
        }
        broken.store(true, Ordering::Relaxed);
        let mut away = tokio::time::interval(Duration::from_secs(1));
        away.tick().await;
        away.tick().await;
        pictures.mark_unchanged();
        broken.store(false, Ordering::Relaxed);
        let back = Instant::now();
        next(&mut pictures).await;
        let first = back.elapsed().as_millis();
        // What was lost may come again, one by one; what counts is what happens now.
        let lag = |seen: &Picture| {
            let now = own.borrow().as_ref().and_then(|picture| pattern::read_counter(picture));
            now.unwrap_or(0).saturating_sub(pattern::read_counter(seen).unwrap_or(0))
        };
        let caught_up = pictures.wait_for(|seen| seen.as_ref().is_some_and(|seen| lag(seen) <= 3));
        soon("the present", caught_up).await.unwrap();
        let present = back.elapsed().as_millis();
        println!("after an outage of 1 s: a picture in {first} ms, the present in {present} ms");
    }
    println!("{:?}", ben.stats().unwrap().borrow().video);
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn official_methods_show_and_deliver_pictures_too() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    ana.join_stream_room(&room).await.unwrap();
    ben.join_stream_room(&room).await.unwrap();
    let handle = ana.create_stream(&room).unwrap();
    let camera = ana.add_stream_track(handle, LocalTrack::Video(VideoSpec::Pattern)).await.unwrap();
    ana.add_stream_track(handle, LocalTrack::Desktop(VideoSpec::Pattern)).await.unwrap();
    let published = ana.publish_stream(handle).await.unwrap().data.unwrap().stream;
    let described: Vec<_> =
        published.tracks.iter().map(|track| (track.kind, track.description.as_deref())).collect();
    let video = TrackKind::Video;
    assert_eq!(described, [(video, Some("camera")), (video, Some("screen"))]);
    let mut listener = ben.add_remote_stream_listener(&room, None).unwrap();
    let add = [StreamSubscription { stream_id: published.id, stream_track_id: None }];
    ben.subscribe_to_remote_streams(&room, &add).await.unwrap();
    let mut waiting = vec![("0", 320), ("1", 1280)];
    soon("a picture of each", async {
        while !waiting.is_empty() {
            let event = listener.next_event().await.unwrap();
            if let RemoteStreamEvent::Picture { track, picture, stream, .. } = event {
                assert_eq!(stream, published.id);
                waiting.retain(|known| *known != (track.as_str(), picture.width()));
            }
        }
    })
    .await;
    ana.remove_stream_track(handle, &camera).await.unwrap();
    let left = ana.update_stream(handle).await.unwrap().data.unwrap().stream;
    assert!(left.tracks[0].disabled && !left.tracks[1].disabled);
    ben.leave_stream_room(&room).await.unwrap();
    ana.leave_stream_room(&room).await.unwrap();
    world.bridge.shutdown().await;
}
