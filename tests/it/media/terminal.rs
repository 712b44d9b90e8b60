//! Laws of shared terminals: viewers see what the owner has, whatever gets lost, and nobody
//! types without control.

use std::time::Duration;
use std::time::Instant;

use conclave::media::terminal::*;
use conclave::model::StreamId;
use conclave::model::UserId;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// An owner, and viewers at the other end of a network that loses what it is told to lose.
struct World {
    owner: Owner,
    /// Does what the owner's terminal does, by itself.
    reference: vt100::Parser,
    viewers: Vec<Viewer>,
    now: Instant,
    written: Vec<Vec<u8>>,
    rng: StdRng,
}

fn user(index: usize) -> UserId {
    UserId(format!("user{index}"))
}

fn stream(index: usize) -> StreamId {
    StreamId(i64::try_from(index).unwrap() + 1)
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let size = TerminalSize::USUAL;
        let side = |length| std::num::NonZeroU16::new(length).unwrap();
        Self {
            owner: Owner::new(7, "sh", size, now),
            reference: vt100::Parser::new(side(size.rows()), side(size.columns()), 1000),
            viewers: Vec::new(),
            now,
            written: Vec::new(),
            rng: StdRng::seed_from_u64(7),
        }
    }

    fn output(&mut self, bytes: &[u8]) {
        self.owner.output(bytes, self.now);
        self.reference.process(bytes);
        self.do_deeds();
    }

    fn do_deeds(&mut self) {
        for deed in self.owner.take_deeds() {
            match deed {
                Deed::Write(bytes) => self.written.push(bytes),
                Deed::Resize(size) => {
                    let side = |length| std::num::NonZeroU16::new(length).unwrap();
                    self.reference.set_size(side(size.rows()), side(size.columns()));
                }
                Deed::Asked(_) => {}
            }
        }
    }

    fn join(&mut self) {
        self.owner.receive(StreamId(99), &user(99), &Message::Query, self.now);
        for message in self.owner.poll(self.now, true) {
            if let Message::Beacon(beacon) = message {
                let me = 100 + u64::try_from(self.viewers.len()).unwrap();
                self.viewers.push(Viewer::new(me, beacon, self.now));
                return;
            }
        }
        panic!("no beacon for whoever comes");
    }

    /// Lets some time pass and delivers what is sent, but for what `lose` takes.
    fn pass(&mut self, mut lose: impl FnMut() -> bool) {
        self.now += Duration::from_millis(40);
        for index in 0..self.viewers.len() {
            for message in self.viewers[index].poll(self.now) {
                if !lose() {
                    self.deliver(index, &message);
                }
            }
        }
        for message in self.owner.poll(self.now, true) {
            let bytes = message.encode();
            assert!(bytes.len() <= 15 * 1024, "{} bytes", bytes.len());
            for viewer in &mut self.viewers {
                if !lose() {
                    let message = Message::decode(&bytes).expect("we understand ourselves");
                    if let Received::Granted { grant, sealed } = viewer.receive(message, self.now) {
                        viewer.set_key(grant, sealed.try_into().unwrap());
                    }
                }
            }
        }
        self.do_deeds();
    }

    fn deliver(&mut self, index: usize, message: &Message) {
        let message = Message::decode(&message.encode()).expect("we understand ourselves");
        self.owner.receive(stream(index), &user(index), &message, self.now);
        self.do_deeds();
    }

    /// Until everything has come everywhere.
    fn settle(&mut self) {
        for _ in 0..80 {
            self.pass(|| false);
        }
    }

    /// The key is handed over in the open here: sealing it for a user is not this layer's.
    fn grant(&mut self, index: usize) -> bool {
        let key = [u8::try_from(index).unwrap() + 1; 32];
        let viewer = 100 + u64::try_from(index).unwrap();
        self.owner.grant(viewer, key, key.to_vec(), self.now)
    }

    fn keys(&mut self, index: usize, text: &[u8]) -> bool {
        self.viewers[index].keys(text, &mut self.rng)
    }

    fn check(&self) {
        let screen = self.reference.screen();
        for (index, viewer) in self.viewers.iter().enumerate() {
            assert!(viewer.is_current(), "viewer {index}");
            let grid = viewer.screen();
            let (rows, columns) = screen.size();
            assert_eq!((grid.size().rows(), grid.size().columns()), (rows.get(), columns.get()));
            assert_eq!(grid.meta.cursor, screen.cursor_position());
            assert_eq!(grid.meta.alternate, screen.alternate_screen());
            assert_eq!(grid.meta.cursor_hidden, screen.hide_cursor());
            for row in 0..rows.get() {
                for column in 0..columns.get() {
                    let theirs = grid.row(row)[usize::from(column)];
                    let original = screen.cell(row, column).unwrap();
                    let width = match (original.is_wide(), original.is_wide_continuation()) {
                        (_, true) => Width::Continuation,
                        (true, _) => Width::Wide,
                        _ => Width::Narrow,
                    };
                    let at = format!("viewer {index} row {row} column {column}");
                    assert_eq!(theirs.width(), width, "{at}");
                    let filtered = Cell::new(original.contents(), width, theirs.style());
                    assert_eq!(theirs.text(), filtered.text(), "{at}");
                    assert_eq!(theirs.style().has(Style::BOLD), original.bold(), "{at}");
                    assert_eq!(theirs.style().has(Style::INVERSE), original.inverse(), "{at}");
                    let colour = match original.fgcolor() {
                        vt100::Color::Default => Colour::Default,
                        vt100::Color::Idx(index) => Colour::Indexed(index),
                        vt100::Color::Rgb(red, green, blue) => Colour::Rgb(red, green, blue),
                    };
                    assert_eq!(theirs.style().foreground, colour, "{at}");
                }
            }
        }
    }
}

/// What programs write: text, lines, wide characters, colours, movement, other screens, junk.
fn output() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ -~]{0,60}".prop_map(String::into_bytes),
        2 => prop::collection::vec("[a-z ]{0,30}", 1..40)
            .prop_map(|lines| lines.join("\r\n").into_bytes()),
        1 => "[会é漢🙂x\u{301}\u{fe0f}\u{200d}\u{202e}]{0,20}".prop_map(String::into_bytes),
        2 => (0u16..60, 0u16..120).prop_map(|(row, column)| format!("\x1b[{row};{column}H").into_bytes()),
        1 => (30u8..48).prop_map(|colour| format!("\x1b[1;{colour}m").into_bytes()),
        1 => any::<(u8, u8, u8)>().prop_map(|(r, g, b)| format!("\x1b[7;38;2;{r};{g};{b}m").into_bytes()),
        1 => prop::sample::select(vec![
            "\x1b[2J", "\x1b[K", "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25l", "\x1b[?25h", "\x1b[3;9r",
            "\x1b[r", "\x1b[5L", "\x1b[3M", "\x1b[4P", "\x1b[6@", "\x1bM", "\x1bc", "\x1b7", "\x1b8",
            "\x1b[2T", "\x1b[3S", "\x1b[0m", "\x1b[6n", "\x1b[c", "\x1b]2;title\x07", "\x1b[?6h", "\x1b[3J",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Output(Vec<u8>),
    Join,
    Room(usize, Option<(u16, u16)>),
    Pass,
    Lose(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => output().prop_map(Step::Output),
        1 => Just(Step::Join),
        1 => (0usize..4, prop::option::of((1u16..150, 1u16..60))).prop_map(|(i, room)| Step::Room(i, room)),
        3 => Just(Step::Pass),
        2 => any::<u8>().prop_map(Step::Lose),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn viewers_see_the_owners_screen_whatever_is_lost(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        world.join();
        for step in steps {
            match step {
                Step::Output(bytes) => world.output(&bytes),
                Step::Join if world.viewers.len() < 4 => world.join(),
                Step::Join => {}
                Step::Room(index, room) => {
                    let now = world.now;
                    let room = room.map(|(columns, rows)| TerminalSize::new(columns, rows));
                    if let Some(viewer) = world.viewers.get_mut(index) {
                        viewer.set_room(room, now);
                    }
                }
                Step::Pass => world.pass(|| false),
                Step::Lose(pattern) => {
                    let mut count = 0u32;
                    world.pass(|| {
                        count += 1;
                        pattern.rotate_left(count) & 1 == 1
                    });
                }
            }
        }
        world.settle();
        world.check();
    }

    #[test]
    fn keystrokes_get_through_only_with_control(
        acts in prop::collection::vec((0u8..6, 0usize..3, "[a-z]{1,8}"), 1..60),
    ) {
        let mut world = World::new();
        for _ in 0..3 {
            world.join();
        }
        world.settle();
        let mut holder: Option<usize> = None;
        let mut allowed = Vec::new();
        for (act, index, text) in acts {
            match act {
                0 => {
                    if world.grant(index) {
                        holder = Some(index);
                    }
                    world.settle();
                }
                1 => {
                    world.owner.take_back(world.now);
                    holder = None;
                    // Those on their way come too late.
                }
                2 => world.viewers[index].ask(),
                3 if holder == Some(index) => {
                    world.viewers[index].release();
                    world.settle();
                    holder = None;
                }
                _ => {
                    // A viewer that only pretends is refused by the owner, too.
                    let forged = Message::Keys {
                        share: 7,
                        viewer: 100 + u64::try_from(holder.unwrap_or(index)).unwrap(),
                        grant: 1,
                        sealed: text.clone().into_bytes(),
                    };
                    world.deliver(index, &forged);
                    if world.keys(index, text.as_bytes()) && holder == Some(index) {
                        allowed.push(text.into_bytes());
                    }
                    world.settle();
                }
            }
        }
        prop_assert_eq!(&world.written, &allowed);
    }

    #[test]
    fn messages_of_others_break_neither_side(
        messages in prop::collection::vec((0u8..24, prop::collection::vec(any::<u8>(), 0..80), any::<bool>()), 0..60),
    ) {
        let mut world = World::new();
        world.join();
        world.settle();
        for (kind, mut bytes, ours) in messages {
            let mut message = b"\0cncvty\x01".to_vec();
            message.push(kind);
            if ours {
                // Of this share, so that it is looked into.
                message.extend_from_slice(&7u64.to_be_bytes());
            }
            message.append(&mut bytes);
            if let Some(message) = Message::decode(&message) {
                world.owner.receive(StreamId(9), &user(9), &message, world.now);
                world.viewers[0].receive(message, world.now);
            }
            world.pass(|| false);
        }
        world.output(b"still here");
        // A forged number of the last update may cost another whole screen, no more.
        world.settle();
        prop_assert!(world.viewers[0].screen().size().columns() <= TerminalSize::MOST.columns());
        prop_assert!(world.written.iter().all(|bytes| bytes.starts_with(b"\x1b")), "{:?}", world.written);
    }
}

#[test]
fn a_late_viewer_gets_the_whole_screen_and_the_history() {
    let mut world = World::new();
    let lines: Vec<String> = (0..200).map(|line| format!("line {line}")).collect();
    world.output(lines.join("\r\n").as_bytes());
    world.pass(|| false);
    world.join();
    world.settle();
    world.check();
    let viewer = &mut world.viewers[0];
    let history = viewer.screen().meta.history;
    assert_eq!((history.first, history.end), (0, 200 - 24));
    let now = world.now;
    viewer.want_lines(100, 24, now);
    world.settle();
    let lines = world.viewers[0].lines();
    let text: String = lines[&100].iter().map(Cell::text).collect();
    assert_eq!(text, "line 100");
    // On the alternate screen there is none, and afterwards it is the same again.
    world.output(b"\x1b[?1049hvim\x1b[?1049l");
    world.settle();
    assert_eq!(world.viewers[0].screen().meta.history, history);
    world.check();
}

#[test]
fn the_smallest_room_decides_unless_the_owner_has_fixed_the_size() {
    let mut world = World::new();
    world.join();
    world.join();
    world.settle();
    let now = world.now;
    let size = |world: &World| {
        let size = world.owner.screen().size();
        (size.columns(), size.rows())
    };
    world.viewers[0].set_room(Some(TerminalSize::new(100, 50)), now);
    world.viewers[1].set_room(Some(TerminalSize::new(120, 30)), now);
    world.settle();
    assert_eq!(size(&world), (100, 30));
    world.owner.set_own_room(Some(TerminalSize::new(90, 40)), now);
    world.settle();
    assert_eq!(size(&world), (90, 30));
    world.viewers[1].set_room(Some(TerminalSize::new(10, 4)), now);
    world.settle();
    assert_eq!(size(&world), (40, 10), "less would be of no use to the others");
    world.owner.set_fixed(Some(TerminalSize::new(132, 43)), now);
    world.settle();
    assert_eq!(size(&world), (132, 43));
    world.check();
}

#[test]
fn control_ends_with_its_holder_and_with_the_program() {
    let mut world = World::new();
    world.join();
    world.settle();
    assert!(world.grant(0));
    world.settle();
    assert_eq!(world.viewers[0].control(), Control::Me);
    world.owner.forget(|_| true, world.now);
    assert!(world.owner.holder().is_none());
    world.settle();
    world.settle();
    assert!(world.grant(0), "it watches again");
    world.owner.ended(Status::Exited(3), world.now);
    world.settle();
    assert_eq!(world.viewers[0].control(), Control::Owner);
    assert_eq!(world.viewers[0].status(), Status::Exited(3));
    assert!(!world.grant(0));
    world.owner.keys(b"x");
    world.do_deeds();
    assert!(world.written.is_empty());
}
