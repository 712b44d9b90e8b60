//! Reads what a drawn terminal says, also after it was encoded.

use conclave::media::terminal::Emulator;
use conclave::media::terminal::TerminalSize;
use conclave::media::terminal::paint::CELL_HEIGHT;
use conclave::media::terminal::paint::CELL_WIDTH;
use conclave::media::terminal::paint::paint;
use conclave::media::video::Picture;

/// Luma between that of text and that of what is behind it.
const EDGE: u8 = 110;

/// What a terminal looks like that shows these bytes.
pub fn drawn(size: TerminalSize, bytes: &str) -> Picture {
    let mut emulator = Emulator::new(size);
    emulator.process(bytes.as_bytes());
    paint(&emulator.grid()).unwrap()
}

/// The rows of a terminal of which this is a picture in full size: for each cell the printable
/// ASCII character that is nearest.
pub fn read(picture: &Picture) -> Vec<String> {
    let letters: Vec<char> = (' '..='~').collect();
    let size = TerminalSize::new(letters.len() as u16, 2);
    let text: String = letters.iter().collect();
    let known = drawn(size, &format!("\x1b[?25l{text}"));
    let looks: Vec<_> = (0..letters.len()).map(|column| dots(&known, column, 0)).collect();
    let columns = picture.width() as usize / usize::from(CELL_WIDTH);
    let rows = picture.height() as usize / usize::from(CELL_HEIGHT);
    let letter = |column, row| {
        let seen = dots(picture, column, row);
        let apart = |look: &Vec<bool>| look.iter().zip(&seen).filter(|(a, b)| a != b).count();
        let nearest = looks.iter().zip(&letters).min_by_key(|(look, _)| apart(look));
        nearest.map_or(' ', |(_, letter)| *letter)
    };
    let row = |row| (0..columns).map(|column| letter(column, row)).collect::<String>();
    (0..rows).map(|number| row(number).trim_end().to_owned()).collect()
}

fn dots(picture: &Picture, column: usize, row: usize) -> Vec<bool> {
    let (width, height) = (usize::from(CELL_WIDTH), usize::from(CELL_HEIGHT));
    let lines = picture.y().chunks(picture.width() as usize).skip(row * height).take(height);
    lines.flat_map(|line| line[column * width..][..width].iter().map(|luma| *luma > EDGE)).collect()
}
