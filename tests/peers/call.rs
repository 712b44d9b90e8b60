//! Calls through Janus.

use crate::janus::Ids;
use crate::janus::Janus;
use crate::member::KEY;
use crate::member::Member;
use crate::room;
use crate::room::track;
use crate::room::whole;
use crate::sound::Heard;
use crate::sound::keys;

const ANA: f64 = 440.0;
const BEN: f64 = 660.0;
const CAT: f64 = 330.0;
const SECOND: f64 = 880.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_hear_each_other_through_janus() {
    let Some(janus) = Janus::start() else { return };
    two_clients_hear_each_other(&janus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_janus_that_names_by_strings_is_the_same() {
    let Some(janus) = Janus::start_with(Ids::Strings) else { return };
    two_clients_hear_each_other(&janus).await;
}

async fn two_clients_hear_each_other(janus: &Janus) {
    let room = room::create(janus).await;
    let (mut ana, ana_talks) = Member::enter(janus, &room, "ana", ANA).await;
    let (mut ben, ben_talks) = Member::enter(janus, &room, "ben", BEN).await;
    let began = std::time::Instant::now();
    ana.modify(&[whole(ben.stream())], &[]).await.expect("an offer");
    ben.modify(&[whole(ana.stream())], &[]).await.expect("an offer");
    ana.up().await;
    ben.up().await;
    println!("both subscribed and connected after {} ms", began.elapsed().as_millis());
    let (anas, bens) = (ana.stream(), ben.stream());
    for (listener, speaker, hertz) in [(&mut ben, anas, ANA), (&mut ana, bens, BEN)] {
        let mid = listener.line_of(speaker).await;
        listener.hear(&mid).await.is_tone("heard through Janus", hertz);
    }
    let line = ben.line_of(anas).await;
    let strange = Heard::decode(&ben.listen(&line).await, keys(KEY + 1));
    println!("with another room's key: {:?}", strange.stats);
    assert_eq!(strange.stats.dropped_unauthenticated, strange.stats.packets);
    assert!(strange.samples.iter().all(|sample| *sample == 0.0), "silence, not noise");
    for round in 0..3 {
        let text = format!("message {round}");
        ana.say(&text).await;
        assert_eq!(ben.message().await, (ana.stream(), text.clone()));
        ben.say(&text).await;
        assert_eq!(ana.message().await, (ben.stream(), text));
    }
    let (sent, received) =
        (ana.publisher.stats().await.unwrap(), ben.subscriber.stats().await.unwrap());
    println!("ana sent: {sent:?}\nben received: {received:?}");
    assert_eq!(received.packets_dropped, 0, "{received:?}");
    ana_talks.stop().await;
    ben_talks.stop().await;
    ana.close().await;
    ben.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracks_come_and_go_and_lines_are_reused_through_janus() {
    let Some(janus) = Janus::start() else { return };
    let room = room::create(&janus).await;
    let (mut ana, ana_talks) = Member::enter(&janus, &room, "ana", ANA).await;
    let (mut ben, ben_talks) = Member::enter(&janus, &room, "ben", BEN).await;
    ben.modify(&[whole(ana.stream())], &[]).await.expect("an offer");
    let first = ben.line_of(ana.stream()).await;
    ben.hear(&first).await.is_tone("first track", ANA);

    // A second track: the subscriber has to ask for it.
    let sink = ana.publisher.add_audio_track().await.unwrap();
    let tracks = ana.update().await;
    let mid = ana.publisher.track_id(&sink).await.unwrap().unwrap();
    println!("after the update Janus lists {tracks:?}");
    assert!(tracks.iter().any(|track| track["mid"] == mid.as_str()), "{mid} in {tracks:?}");
    let second_talks = crate::member::Talker::start(sink, SECOND);
    ben.modify(&[track(ana.stream(), mid.as_str())], &[]).await.expect("an offer");
    let second = ben.other_line_of(ana.stream(), &first).await;
    ben.hear(&second).await.is_tone("second track", SECOND);
    ben.hear(&first).await.is_tone("first track beside it", ANA);

    // The first goes. Janus tells the room; Debian's 1.1 makes no offer for those who had
    // subscribed (later ones do), so they unsubscribe, as a client may anyway.
    let sink = ana_talks.stop().await;
    let gone = ana.publisher.track_id(&sink).await.unwrap().unwrap();
    ana.publisher.remove_track(&sink).await.unwrap();
    let tracks = ana.update().await;
    let listed = tracks.iter().find(|track| track["mid"] == gone.as_str()).unwrap();
    assert_eq!(listed["disabled"], true, "{listed}");
    let offer = ben.modify(&[], &[track(ana.stream(), gone.as_str())]).await.expect("an offer");
    assert!(offer.contains("a=inactive"), "{offer}");
    ben.line_ends(&first).await;
    ben.hear(&second).await.is_tone("second track alone", SECOND);

    // Somebody else takes the line over.
    let (cat, cat_talks) = Member::enter(&janus, &room, "cat", CAT).await;
    ben.modify(&[whole(cat.stream())], &[]).await.expect("an offer");
    let reused = ben.line_of(cat.stream()).await;
    assert_eq!(reused, first, "the line is reused");
    ben.hear(&reused).await.is_tone("a line reused with a new msid", CAT);
    ben.hear(&second).await.is_tone("the other line all the while", SECOND);

    // Unsubscribing brings an offer, too, and it must be answered for the next to come.
    ben.modify(&[], &[whole(cat.stream())]).await.expect("an offer");
    ben.line_ends(&reused).await;
    ben.modify(&[whole(cat.stream())], &[track(ana.stream(), mid.as_str())])
        .await
        .expect("an offer");
    ben.line_ends(&second).await;
    let back = ben.line_of(cat.stream()).await;
    ben.hear(&back).await.is_tone("subscribed again", CAT);

    second_talks.stop().await;
    ben_talks.stop().await;
    cat_talks.stop().await;
    for member in [ana, ben, cat] {
        member.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_leave_return_and_change_their_path_through_janus() {
    let Some(janus) = Janus::start() else { return };
    let room = room::create(&janus).await;
    let (mut ana, ana_talks) = Member::enter(&janus, &room, "ana", ANA).await;
    let (mut ben, ben_talks) = Member::enter(&janus, &room, "ben", BEN).await;
    ben.modify(&[whole(ana.stream())], &[]).await.expect("an offer");
    let line = ben.line_of(ana.stream()).await;
    ben.hear(&line).await.is_tone("before", ANA);

    ana.restart_ice().await;
    ben.hear(&line).await.is_tone("after an ICE restart", ANA);

    ana_talks.stop().await;
    ana.seat.unpublish().await;
    ben.follow().await;
    ben.line_ends(&line).await;
    ben.packets(&line);
    let ana_talks = ana.publish_again(SECOND).await;
    ben.modify(&[whole(ana.stream())], &[]).await.expect("an offer");
    let again = ben.line_of(ana.stream()).await;
    ben.hear(&again).await.is_tone("published again", SECOND);
    ana.say("back again").await;
    assert_eq!(ben.message().await, (ana.stream(), "back again".to_owned()));

    ana_talks.stop().await;
    ben_talks.stop().await;
    ana.close().await;
    ben.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_has_to_wait_comes_after_the_answer() {
    let Some(janus) = Janus::start() else { return };
    let room = room::create(&janus).await;
    let (mut ana, ana_talks) = Member::enter(&janus, &room, "ana", ANA).await;
    let (ben, ben_talks) = Member::enter(&janus, &room, "ben", BEN).await;
    let (cat, cat_talks) = Member::enter(&janus, &room, "cat", CAT).await;
    let (dan, dan_talks) = Member::enter(&janus, &room, "dan", SECOND).await;
    ana.modify(&[whole(ben.stream())], &[]).await.expect("an offer");
    let open = ana.modify_unanswered(&[whole(cat.stream())]).await.expect("an offer");
    let early = ana.modify_unanswered(&[whole(dan.stream())]).await;
    assert_eq!(early, None, "the offer before it is not answered");
    ana.accept(&open).await;
    ana.follow().await;
    for (member, hertz) in [(&ben, BEN), (&cat, CAT), (&dan, SECOND)] {
        let line = ana.line_of(member.stream()).await;
        ana.hear(&line).await.is_tone("one of three", hertz);
    }
    for talker in [ana_talks, ben_talks, cat_talks, dan_talks] {
        talker.stop().await;
    }
    for member in [ana, ben, cat, dan] {
        member.close().await;
    }
}
