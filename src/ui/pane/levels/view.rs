//! Two meters with their peaks, and the figures of the link.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::state::LevelsState;
use super::state::SMALL_MS;
use super::state::Shown;
use crate::ui::state::CallState;
use crate::ui::theme::Role;
use crate::ui::theme::Theme;
use crate::ui::widget::frame::Frame;
use crate::ui::widget::frame::empty_state;
use crate::ui::widget::line::Pen;
use crate::ui::widget::meter::FLOOR_DB;
use crate::ui::widget::meter::Meter;
use crate::ui::widget::meter::MeterState;

/// A round trip that people begin to notice when they talk, in milliseconds.
const SLOW_MS: u32 = 250;

/// Loss that is heard although it is concealed, in tenths of a percent.
const LOSSY_PER_MILLE: u32 = 30;

/// Own meters and link quality.
pub struct LevelsPane<'a> {
    /// What it shows.
    pub state: &'a LevelsState,
    /// The call, if there is one.
    pub call: Option<&'a CallState>,
    /// How it looks.
    pub theme: &'a Theme,
    /// The pane has the keys.
    pub focused: bool,
}

impl LevelsPane<'_> {
    fn meter(&self, row: Rect, buf: &mut Buffer, label: &str, meter: &MeterState, off: &str) {
        let mut pen = Pen::new(row, buf, self.theme);
        pen.skip(1).column(Role::Dim, label, 4);
        let peak = match meter.peak_db() {
            _ if !off.is_empty() => off.to_owned(),
            db if db > FLOOR_DB => format!("peak {db:>3}"),
            _ => String::new(),
        };
        let role = if off.is_empty() { Role::Dim } else { Role::Muted };
        let width = pen.rest().width.saturating_sub(10).min(40);
        let place = Rect { width, ..pen.rest() };
        pen.skip(usize::from(width) + 1).put(role, &peak);
        Meter { state: meter, off: !off.is_empty(), theme: self.theme }.render(place, buf);
    }

    /// The figures one after the other, as many to a row as fit.
    fn figures(&self, rows: impl Iterator<Item = Rect>, buf: &mut Buffer, shown: &Shown) {
        let figures = figures(shown);
        let mut left = figures.iter().peekable();
        for row in rows {
            let mut pen = Pen::new(row, buf, self.theme);
            pen.skip(1);
            while let Some((label, figure, role)) =
                left.next_if(|(label, figure, _)| pen.fits(label.len() + 1 + figure.len()))
            {
                pen.put(Role::Dim, label).skip(1).put(*role, figure).skip(2);
            }
        }
    }
}

/// Label, value and role of each figure, the most telling first.
fn figures(shown: &Shown) -> [(&'static str, String, Role); 5] {
    let role = |warn: bool| if warn { Role::Warn } else { Role::Base };
    let rtt = shown.rtt_ms.map_or_else(|| "-".to_owned(), delay);
    let slow = shown.rtt_ms.is_some_and(|ms| ms > SLOW_MS);
    let loss = format!("{}.{} %", shown.loss_per_mille / 10, shown.loss_per_mille % 10);
    let concealed = format!("{}.{} s", shown.concealed_ds / 10, shown.concealed_ds % 10);
    [
        ("rtt", rtt, role(slow)),
        ("loss", loss, role(shown.loss_per_mille >= LOSSY_PER_MILLE)),
        ("jitter", delay(shown.jitter_ms), Role::Base),
        ("refused", shown.dropped.to_string(), role(shown.dropped > 0)),
        ("concealed", concealed, Role::Base),
    ]
}

/// Milliseconds in words.
fn delay(ms: u32) -> String {
    if ms < SMALL_MS { format!("<{SMALL_MS} ms") } else { format!("{ms} ms") }
}

impl Widget for LevelsPane<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let frame =
            Frame { title: "Levels", note: "dBFS", focused: self.focused, theme: self.theme };
        let inner = frame.render(area, buf);
        let Some(call) = self.call else {
            return empty_state(inner, buf, self.theme, &["Your meters show in a call."]);
        };
        let off = match call {
            _ if call.listen_only => "no mic",
            _ if call.muted => "muted",
            _ => "",
        };
        let mut rows = inner.rows();
        if let Some(row) = rows.next() {
            self.meter(row, buf, "mic", &self.state.microphone, off);
        }
        if let Some(row) = rows.next() {
            self.meter(row, buf, "out", &self.state.output, "");
        }
        match self.state.shown() {
            Some(shown) => self.figures(rows, buf, shown),
            None => {
                if let Some(row) = rows.next() {
                    Pen::new(row, buf, self.theme).skip(1).put(Role::Dim, "measuring the link");
                }
            }
        }
    }
}
