//! The interface with a backend that brings nothing but a video.

use std::sync::Arc;
use std::time::Duration;

use conclave::media::video::Picture;
use conclave::model::StreamRoomId;
use conclave::model::UserId;
use conclave::ui::Backend;
use conclave::ui::Effect;
use conclave::ui::Event;
use conclave::ui::Look;
use conclave::ui::effect::DeviceChoice;
use conclave::ui::event::Participant;
use conclave::ui::event::RoomInfo;
use conclave::ui::run_with;
use conclave::ui::stage::Gallery;
use conclave::ui::stage::Share;
use conclave::ui::stage::TileId;
use conclave::ui::state::Identity;
use conclave::ui::text::SafeText;
use tokio::time;
use tokio::time::Interval;

/// Time between two pictures.
const FRAME: Duration = Duration::from_millis(66);

const WIDTH: u32 = 320;
const HEIGHT: u32 = 180;

/// Shows the interface until it is ended.
pub fn run(budget: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let look = Look { video_budget: budget.parse().unwrap(), ..Look::default() };
    let me = Identity {
        user: UserId::from("ana"),
        fingerprint: SafeText::new("4f2a 91c0 77b1 03de"),
        bridge: SafeText::new("nowhere"),
    };
    let room = StreamRoomId::from("video");
    let _ = runtime.block_on(async {
        run_with(look, me, DeviceChoice::default(), Some(room), Video::new()).await
    });
}

/// Somebody whose camera is on.
struct Video {
    gallery: Option<Gallery>,
    /// What is still to be told.
    news: Vec<Event>,
    frame: u32,
    clock: Interval,
}

impl Video {
    fn new() -> Self {
        let person = |user: &str| Participant {
            user: UserId::from(user),
            publishing: true,
            muted: false,
            loss: None,
            unreadable: false,
        };
        let room = RoomInfo {
            id: StreamRoomId::from("video"),
            name: "video".to_owned(),
            users: vec!["ana".into(), "ben".into()],
            managers: vec!["ana".into()],
            closed: false,
            verified: true,
        };
        let share = Share { tile: TileId::person("ben".into()), title: SafeText::default() };
        // The last comes first.
        let news = vec![
            Event::SharesChanged(vec![share]),
            Event::ParticipantsChanged(vec![person("ana"), person("ben")]),
            Event::CallJoined { room: room.id.clone(), listen_only: false },
            Event::RoomsListed(vec![room]),
            Event::Connected,
        ];
        Self { gallery: None, news, frame: 0, clock: time::interval(FRAME) }
    }
}

impl Backend for Video {
    fn begin(&mut self, _effect: Effect) {}

    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.news.pop() {
            return Some(event);
        }
        loop {
            self.clock.tick().await;
            self.frame += 1;
            if let Some(gallery) = &self.gallery {
                gallery.show(&TileId::person("ben".into()), Arc::new(picture(self.frame)));
            }
        }
    }

    fn attach(&mut self, gallery: Gallery) {
        self.gallery = Some(gallery);
    }

    async fn shutdown(self) {}
}

/// Slanted waves that run and noise over them: every cell changes with every picture.
fn picture(frame: u32) -> Picture {
    let mut picture = Picture::new(WIDTH, HEIGHT).unwrap();
    let mut noise = frame | 1;
    let (y, u, v) = picture.planes_mut();
    for (place, luma) in (0_u32..).zip(y.iter_mut()) {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let (column, row) = (place % WIDTH, place / WIDTH);
        let wave = (column * 2 + row * 3 + frame * 11) % 256;
        *luma = 40 + (wave.abs_diff(128) + noise % 24) as u8;
    }
    let chroma = WIDTH / 2;
    for (place, (u, v)) in (0_u32..).zip(u.iter_mut().zip(v)) {
        *u = 90 + ((place % chroma + frame * 3) % 64) as u8;
        *v = 160 - ((place / chroma + frame * 2) % 64) as u8;
    }
    picture
}
