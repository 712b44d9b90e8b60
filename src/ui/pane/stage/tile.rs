//! One tile: what fills it, and the name tag that says whose it is, whether they can be
//! heard, what is known about their key, and how their link is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::widgets::Block;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use crate::ui::event::Trust;
use crate::ui::pane::people::PersonRow;
use crate::ui::pane::terminal;
use crate::ui::pane::terminal::TerminalPane;
use crate::ui::picture::PictureView;
use crate::ui::stage::Part;
use crate::ui::stage::TileContent;
use crate::ui::stage::arrange::Place;
use crate::ui::stage::arrange::Style;
use crate::ui::stage::scene;
use crate::ui::stage::scene::Tile;
use crate::ui::text;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::banner::Banner;
use crate::ui::widget::banner::has_shape;
use crate::ui::widget::line::Pen;
use crate::ui::widget::meter::Meter;

/// Roles whose colours tell people apart who have no picture.
const TINTS: [Role; 6] =
    [Role::Accent, Role::Good, Role::MeterMid, Role::Muted, Role::Spark, Role::Warn];

/// Loss from here on is worth a word: 1 %.
const LOSS_PER_MILLE: u16 = 10;

/// Columns of a name that are kept before a lesser fact is left out.
const NAME_WIDTH: usize = 8;

/// Columns of a meter in a name tag.
const METER_WIDTH: u16 = 8;

/// A tile and how it stands at the moment.
pub(super) struct TileView<'a> {
    pub(super) tile: &'a Tile<'a>,
    pub(super) content: &'a TileContent,
    /// The terminal that fills it, if it is one.
    pub(super) terminal: Option<TerminalPane<'a>>,
    /// Under the cursor, while the stage has the keys.
    pub(super) selected: bool,
    pub(super) pinned: bool,
    pub(super) theme: &'a Theme,
}

/// One fact of a name tag.
type Fact = (Role, String);

impl TileView<'_> {
    /// Draws the tile where it belongs.
    pub(super) fn render(&self, place: &Place, buf: &mut Buffer) {
        let inside = scene::inside(place);
        match place.style {
            Style::Line => return self.line(place.area, buf),
            Style::Boxed => self.boxed(place.area, buf),
            Style::Plain => match &self.terminal {
                Some(terminal) => {
                    let row = Rect { height: place.area.height.min(1), ..place.area };
                    terminal.heading(self.mark(), &self.facts(), row, buf);
                }
                None => {
                    let row = Rect { y: inside.bottom(), height: 1, ..place.area };
                    self.tag(row.intersection(place.area), buf);
                }
            },
        }
        if let Some(terminal) = self.terminal {
            return terminal.render(terminal::body(place), buf);
        }
        match self.content {
            TileContent::Initials => self.initials(inside, buf),
            TileContent::Avatar(picture) | TileContent::Picture(picture) => {
                let window = self.tile.window(place);
                PictureView { picture }.render(window, buf);
                let below =
                    Rect { y: window.bottom(), height: inside.height - window.height, ..inside };
                if !self.is_silent() {
                    self.meter(below, buf);
                }
            }
        }
    }

    /// There is nothing to be heard from whoever it is, or it belongs to another tile.
    fn is_silent(&self) -> bool {
        let person = self.person();
        !self.is_person() || person.muted || !person.publishing
    }

    /// The voice, in the last row of an area.
    fn meter(&self, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let width = area.width.saturating_sub(2).min(24);
        let x = area.x + (area.width - width) / 2;
        let place = Rect { x, y: area.bottom() - 1, width, height: 1 };
        Meter { state: &self.person().meter, off: false, theme: self.theme }.render(place, buf);
    }

    fn person(&self) -> &PersonRow {
        self.tile.person
    }

    /// The voice belongs to the person, not to the screen that they share.
    fn is_person(&self) -> bool {
        self.tile.id.part == Part::Person
    }

    fn speaks(&self) -> bool {
        self.is_person() && self.person().speaking
    }

    fn boxed(&self, area: Rect, buf: &mut Buffer) {
        let glyphs = self.theme.glyphs();
        let (set, role) = match (self.speaks(), self.selected) {
            (true, _) => (glyphs.border_strong, Role::Speaking),
            (false, true) => (glyphs.border, Role::RuleFocused),
            (false, false) => (glyphs.border, Role::Rule),
        };
        // A reversed frame would be a slab: without colours the heavier line has to do.
        let style = self.theme.style(role).remove_modifier(Modifier::REVERSED);
        Block::bordered().border_set(set).border_style(style).render(area, buf);
        let row = Rect {
            x: area.x + 1,
            y: area.bottom().saturating_sub(1),
            width: area.width.saturating_sub(2),
            height: 1,
        };
        self.tag(row.intersection(area), buf);
    }

    /// Name and facts, each with a space around it, as many as the row has room for.
    fn tag(&self, row: Rect, buf: &mut Buffer) {
        let name = self.name();
        let mut room = usize::from(row.width).saturating_sub(name.width().min(NAME_WIDTH) + 2);
        let mut facts = self.facts();
        facts.extend(self.terminal.map(|terminal| terminal.fact()));
        facts.retain(|(_, fact)| {
            let fits = fact.width() < room;
            room = room.saturating_sub(if fits { fact.width() + 1 } else { 0 });
            fits
        });
        let taken: usize = facts.iter().map(|(_, fact)| fact.width() + 1).sum();
        let width = usize::from(row.width).saturating_sub(taken + 2);
        let role = if self.speaks() { Role::Speaking } else { Role::Strong };
        let name = text::fit(&name, width, self.theme.glyphs().ellipsis);
        let mut pen = Pen::new(row, buf, self.theme);
        pen.put(Role::Accent, self.mark()).put(role, &name).put(role, " ");
        for (role, fact) in &facts {
            pen.put(*role, fact).put(*role, " ");
        }
    }

    fn mark(&self) -> &'static str {
        if self.selected { self.theme.glyphs().cursor } else { " " }
    }

    fn name(&self) -> String {
        let person = self.person();
        let title = self.tile.share.map(|share| share.title.as_str()).unwrap_or_default();
        match self.tile.id.part {
            Part::Person if person.own => format!("{} (you)", person.name),
            Part::Person => person.name.as_str().to_owned(),
            Part::Screen(_) if title.is_empty() => format!("{}: screen", person.name),
            Part::Terminal(_) if title.is_empty() => format!("{}: terminal", person.name),
            Part::Screen(_) | Part::Terminal(_) => format!("{}: {title}", person.name),
        }
    }

    /// What is to be said besides the name, the most important first.
    fn facts(&self) -> Vec<Fact> {
        let (person, glyphs) = (self.person(), self.theme.glyphs());
        let mut facts = Vec::new();
        facts.extend(key_fact(person, self.theme));
        if self.is_person() {
            if !person.publishing {
                facts.push((Role::Dim, "listening".to_owned()));
            } else if person.muted {
                facts.push((Role::Muted, format!("{} muted", glyphs.muted)));
            }
        }
        if let Some(loss) = person.loss_per_mille.filter(|loss| *loss >= LOSS_PER_MILLE) {
            facts.push((Role::Warn, format!("{} % loss", (loss + 5) / 10)));
        }
        if self.pinned {
            facts.push((Role::Accent, "pinned".to_owned()));
        }
        facts
    }

    /// The person's initials in block letters, and the meter below them.
    fn initials(&self, area: Rect, buf: &mut Buffer) {
        let person = self.person();
        let role = if self.speaks() { Role::Speaking } else { tint(person.user.as_str()) };
        let mut meter = u16::from(!self.is_silent() && area.height > 1);
        let (mut letters, (mut width, mut height)) = self.letters(area, meter);
        if width == 0 && meter > 0 {
            // Who it is matters more; that they speak is to be seen by the box.
            (letters, (width, height)) = self.letters(area, 0);
            meter = u16::from(width == 0);
        }
        if width > 0 {
            let place = Rect {
                x: area.x + (area.width - width) / 2,
                y: area.y + (area.height - meter - height) / 2,
                width,
                height,
            };
            Banner { text: &letters, role, theme: self.theme }.render(place, buf);
        }
        if meter > 0 {
            self.meter(area, buf);
        }
    }

    /// As many initials as fit, and their size; none if not even one does.
    fn letters(&self, area: Rect, below: u16) -> (String, (u16, u16)) {
        let mut letters = initials(self.person().name.as_str());
        loop {
            let (width, height) = Banner::size(&letters, self.theme);
            if width == 0 || (width <= area.width && height + below <= area.height) {
                return (letters, (width, height));
            }
            letters.pop();
        }
    }

    /// The tile on one line: name, meter, facts.
    fn line(&self, row: Rect, buf: &mut Buffer) {
        let (person, glyphs) = (self.person(), self.theme.glyphs());
        let role = if self.speaks() { Role::Speaking } else { Role::Base };
        let mark = match (self.selected, self.speaks()) {
            (true, _) => glyphs.cursor,
            (false, true) => glyphs.live,
            (false, false) => " ",
        };
        let mut pen = Pen::new(row, buf, self.theme);
        pen.skip(1).put(Role::Speaking, mark).skip(1);
        let name_width = usize::from(row.width.saturating_sub(14)).max(4);
        let (key, key_role) = key_mark(person, self.theme);
        pen.column(role, &self.name(), name_width.saturating_sub(2)).skip(1);
        pen.put(key_role, key).skip(1);
        let word = match self.tile.id.part {
            Part::Person if !person.publishing => "listening",
            Part::Person if person.muted => "muted",
            Part::Person => "",
            Part::Screen(_) => "screen",
            Part::Terminal(_) => "terminal",
        };
        if word.is_empty() {
            let place = Rect { width: pen.rest().width.min(METER_WIDTH), ..pen.rest() };
            Meter { state: &person.meter, off: false, theme: self.theme }.render(place, buf);
        } else {
            pen.put(Role::Dim, word);
        }
    }
}

/// What is known about somebody's key, in one symbol and its role.
fn key_mark(person: &PersonRow, theme: &Theme) -> (&'static str, Role) {
    let glyphs = theme.glyphs();
    match person.trust {
        _ if person.unreadable => (glyphs.bad, Role::Bad),
        _ if person.own => (" ", Role::Dim),
        Trust::Verified => (glyphs.good, Role::Good),
        Trust::Known => (" ", Role::Dim),
        Trust::Unknown => (glyphs.unchecked, Role::Warn),
        Trust::Changed => (glyphs.bad, Role::Bad),
    }
}

/// The same with a word where it matters.
fn key_fact(person: &PersonRow, theme: &Theme) -> Option<Fact> {
    let (mark, role) = key_mark(person, theme);
    match person.trust {
        _ if person.unreadable => Some((role, format!("{mark} no key"))),
        Trust::Changed if !person.own => Some((role, format!("{mark} new key!"))),
        _ if mark == " " => None,
        _ => Some((role, mark.to_owned())),
    }
}

/// A colour that stays with a person, whoever else is here.
fn tint(user: &str) -> Role {
    // FNV-1a: only has to spread names that differ in a letter.
    let hash = user
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let index = (hash >> 8) as usize % TINTS.len();
    TINTS.get(index).copied().unwrap_or(Role::Strong)
}

/// One or two letters that stand for a name.
fn initials(name: &str) -> String {
    let mut words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().and_then(|word| word.chars().next());
    let second = words.next().and_then(|word| word.chars().next());
    first.into_iter().chain(second).filter(|letter| has_shape(*letter)).collect()
}
