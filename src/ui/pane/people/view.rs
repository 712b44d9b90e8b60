//! One row per person: role, name, key, meter, and what is to be said about them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::state::PeopleState;
use super::state::PersonRow;
use super::state::Presence;
use crate::ui::event::Trust;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::frame::Frame;
use crate::ui::widget::frame::empty_state;
use crate::ui::widget::line::Pen;
use crate::ui::widget::meter::Meter;

/// Loss from here on is worth a word: 1 %.
const LOSS_PER_MILLE: u16 = 10;

/// Columns of the level in figures.
const FIGURES: usize = 4;

/// A pane narrower than this leaves the figures to names.
const FIGURES_FROM: usize = 36;

/// The people of the call or of the room under the cursor.
pub struct PeoplePane<'a> {
    /// People and cursor.
    pub state: &'a PeopleState,
    /// This client is in the call that is shown.
    pub in_call: bool,
    /// How it looks.
    pub theme: &'a Theme,
    /// The pane has the keys.
    pub focused: bool,
}

impl PeoplePane<'_> {
    /// Index of the first row that is shown when the pane has `height` rows with its title.
    #[must_use]
    pub fn first_row(cursor: usize, height: u16) -> usize {
        let visible = usize::from(height.saturating_sub(1)).max(1);
        (cursor + 1).saturating_sub(visible)
    }

    fn row(&self, person: &PersonRow, selected: bool, area: Rect, buf: &mut Buffer) {
        let glyphs = self.theme.glyphs();
        let width = usize::from(area.width);
        let meter_width = if width >= 44 { 12 } else { 8 };
        let word_width = if width >= 30 { 9 } else { 0 };
        let figures = if width >= FIGURES_FROM { FIGURES } else { 0 };
        let name_width = width.saturating_sub(meter_width + figures + word_width + 7).max(3);
        let mut pen = Pen::new(area, buf, self.theme);
        pen.put(Role::Accent, if selected && self.focused { glyphs.cursor } else { " " });
        let here = person.presence == Presence::InCall;
        let mark = match person.presence {
            _ if person.manager => glyphs.manager,
            Presence::InCall => glyphs.member,
            Presence::Online => glyphs.online,
            Presence::Offline => glyphs.offline,
        };
        pen.put(if here { Role::Accent } else { Role::Dim }, mark).skip(1);
        let name_role = match () {
            () if person.speaking => Role::Speaking,
            () if here => Role::Strong,
            () => Role::Dim,
        };
        let (trust, trust_role) = trust_mark(person, self.theme);
        let you = person.own && person.name.width() + 6 <= name_width;
        let you = if you { " (you)" } else { "" };
        pen.column(name_role, &format!("{}{you}", person.name), name_width).skip(1);
        pen.put(trust_role, trust).skip(1);
        if self.in_call && here && person.publishing {
            let off = person.muted;
            let place = Rect { width: (meter_width as u16).min(pen.rest().width), ..pen.rest() };
            pen.skip(meter_width);
            if figures > 0 && !off && !person.meter.is_silent() {
                pen.put(Role::Dim, &format!("{:>4}", person.meter.level_db()));
            } else {
                pen.skip(figures);
            }
            let (word, role) = word(person, true);
            pen.skip(1).put(role, &word);
            Meter { state: &person.meter, off, theme: self.theme }.render(place, buf);
        } else {
            let (word, role) = word(person, self.in_call);
            pen.put(role, &word);
        }
        if selected && self.focused {
            buf.set_style(area, self.theme.style(Role::Selected));
        }
    }
}

impl Widget for PeoplePane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let here = self.state.in_call().count();
        let rows = self.state.rows();
        let note = if rows.is_empty() { String::new() } else { format!("{here}/{}", rows.len()) };
        let frame =
            Frame { title: "People", note: &note, focused: self.focused, theme: self.theme };
        let inner = frame.render(area, buf);
        if rows.is_empty() {
            let lines = ["Nobody to show.", "Choose a room, or open one with n."];
            return empty_state(inner, buf, self.theme, &lines);
        }
        let first = Self::first_row(self.state.cursor(), area.height);
        for (area, (index, person)) in inner.rows().zip(rows.iter().enumerate().skip(first)) {
            self.row(person, index == self.state.cursor(), area, buf);
        }
    }
}

/// The mark that says what is known about the key.
fn trust_mark(person: &PersonRow, theme: &Theme) -> (&'static str, Role) {
    let glyphs = theme.glyphs();
    match person.trust {
        _ if person.own => (" ", Role::Dim),
        Trust::Verified => (glyphs.good, Role::Good),
        Trust::Known => (" ", Role::Dim),
        Trust::Unknown => (glyphs.unchecked, Role::Warn),
        Trust::Changed => (glyphs.bad, Role::Bad),
    }
}

/// The one word about a person that matters most.
fn word(person: &PersonRow, in_call: bool) -> (String, Role) {
    let loss = person.loss_per_mille.filter(|loss| *loss >= LOSS_PER_MILLE);
    let (word, role) = match person.presence {
        _ if person.trust == Trust::Changed => ("new key!", Role::Bad),
        Presence::Offline => ("offline", Role::Dim),
        Presence::Online => ("online", Role::Dim),
        Presence::InCall if !in_call => ("in the call", Role::Base),
        Presence::InCall if !person.publishing => ("listening", Role::Dim),
        Presence::InCall if person.muted => ("muted", Role::Muted),
        Presence::InCall => match loss {
            Some(loss) => return (format!("{} % loss", (loss + 5) / 10), Role::Warn),
            None if person.speaking => ("speaking", Role::Speaking),
            None => ("", Role::Dim),
        },
    };
    (word.to_owned(), role)
}
