//! The driver on a real socket: one smoke test of the whole way.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use str0m::Input;
use str0m::media::MediaKind::Audio;
use tokio::net::UdpSocket;

use super::super::ClientId;
use super::super::Sfu;
use super::super::SfuConfig;
use super::super::SfuError;
use super::super::SfuEvent;
use super::client::Client;
use super::world::whole;

/// A client on a socket, driven until it has what the test waits for.
struct Wired {
    client: Client,
    socket: UdpSocket,
}

impl Wired {
    async fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = Client::new(socket.local_addr().unwrap(), Instant::now());
        Self { client, socket }
    }

    async fn step(&mut self) {
        let (out, wake) = self.client.drain(Instant::now());
        for (to, data) in out {
            // Not every address of the SFU can be reached from loopback.
            let _ = self.socket.send_to(&data, to).await;
        }
        let mut buffer = [0; 2000];
        tokio::select! {
            received = self.socket.recv_from(&mut buffer) => {
                let (length, from) = received.unwrap();
                self.client.handle_packet(from, &buffer[..length], Instant::now());
            }
            () = tokio::time::sleep_until(wake.into()) => {
                self.client.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn packets_cross_a_socket_on_loopback() {
    call_over((Ipv4Addr::LOCALHOST, 0).into()).await;
}

#[tokio::test]
async fn packets_cross_a_socket_on_all_addresses() {
    call_over((Ipv4Addr::UNSPECIFIED, 0).into()).await;
}

#[tokio::test]
async fn packets_cross_a_socket_of_both_families() {
    // A machine may be without IPv6.
    if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await.is_ok() {
        call_over((Ipv6Addr::UNSPECIFIED, 0).into()).await;
    }
}

async fn call_over(bind: SocketAddr) {
    let config = SfuConfig { bind, ..SfuConfig::default() };
    let (sfu, mut events) = Sfu::start(config).await.unwrap();
    assert_eq!(sfu.local_addr().ip(), bind.ip());
    let room = "room".into();
    let (alice, bob) = (ClientId(1), ClientId(2));
    let stream = sfu.join(&room, alice, &"alice".into()).await.unwrap();
    sfu.join(&room, bob, &"bob".into()).await.unwrap();

    let mut publisher = Wired::new().await;
    let (offer, mids) = publisher.client.offer(&[Audio], false);
    let published = sfu.publish(&room, alice, offer).await.unwrap();
    publisher.client.take_answer(&published.answer_sdp, Instant::now());
    let event = loop {
        tokio::select! {
            event = events.recv() => break event.unwrap(),
            () = publisher.step() => {}
        }
    };
    assert!(matches!(event, SfuEvent::PublisherConnected { .. }), "{event:?}");
    assert_eq!(sfu.list(&room).await.unwrap().len(), 1);

    let mut subscriber = Wired::new().await;
    let subscribed = sfu.subscribe(&room, bob, vec![whole(stream)]).await.unwrap();
    let answer = subscriber.client.answer(&subscribed.offer.unwrap(), Instant::now());
    sfu.accept_offer(bob, subscribed.session_id, answer).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while subscriber.client.packets.is_empty() {
        tokio::select! {
            _ = ticks.tick() => publisher.client.send(mids[0], b"sealed", 0, Instant::now()),
            () = publisher.step() => {}
            () = subscriber.step() => {}
        }
    }
    assert_eq!(&*subscriber.client.packets[0].payload, b"sealed");
    let stats = sfu.stats().await.unwrap();
    assert_eq!((stats.rooms, stats.peers, stats.failed_peers), (1, 2, 0));
    assert!(stats.packets_out >= 1 && stats.packets_in >= stats.packets_out);

    sfu.shutdown().await;
    assert!(matches!(sfu.list(&room).await, Err(SfuError::Closed)));
}
