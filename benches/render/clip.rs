//! Clips out of nothing: hills of value noise with sensor noise on top, and a test pattern.

use std::fs::File;
use std::io::BufRead;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use conclave::media::codec::vp8::Decoder;
use conclave::media::codec::vp8::Encoder;
use conclave::media::codec::vp8::EncoderConfig;
use conclave::media::video::Picture;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;

/// Frames that there are as PNG, too: the one that reads them takes its time.
pub const PNGS: usize = 30;

/// Spread of the noise of each pixel, as of a camera indoors.
const NOISE: f32 = 3.0;

/// Pictures per second, and the bit rate, of a clip that has been encoded.
const FPS: u32 = 15;
const KBIT: u32 = 150;

/// A clip, in memory and as what it is called on disk.
pub struct Clip {
    /// Its name.
    pub name: &'static str,
    /// Its frames.
    pub pictures: Vec<Picture>,
}

impl Clip {
    /// Somebody moves before a wall that stands still; a pattern runs along the edge.
    pub fn meeting(frames: usize) -> Self {
        Self::new("meeting", frames, 0.0)
    }

    /// The same while the camera turns: everything moves.
    pub fn pan(frames: usize) -> Self {
        Self::new("pan", frames, 2.3)
    }

    /// The meeting as it comes out of a call: through our encoder and decoder. What shows pictures
    /// in a call never sees others.
    pub fn call(meeting: &Self) -> Self {
        let (width, height, fps) = (WIDTH as u32, HEIGHT as u32, FPS);
        let config = EncoderConfig { width, height, fps, bitrate_kbit: KBIT };
        let (mut encoder, mut decoder) = (Encoder::new(config).unwrap(), Decoder::new());
        let mut shown = None;
        let (mut pictures, mut bytes) = (Vec::new(), 0);
        for (picture, number) in meeting.pictures.iter().zip(0..) {
            let time = Duration::from_secs(1) / FPS * number;
            // A frame that is left out leaves the picture before it where it is.
            if let Some(frame) = encoder.encode(picture, time, false).unwrap() {
                bytes += frame.data.len();
                shown = decoder.decode(&frame.data).unwrap().or(shown);
            }
            pictures.push(shown.clone().unwrap());
        }
        let kbit = bytes as f64 * 8.0 * f64::from(FPS) / 1000.0 / pictures.len() as f64;
        println!("call: {kbit:.0} kbit/s");
        Self { name: "call", pictures }
    }

    fn new(name: &'static str, frames: usize, speed: f32) -> Self {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let pictures = (0..frames).map(|frame| picture(frame, speed, &mut random)).collect();
        Self { name, pictures }
    }

    /// Where it lies as YUV4MPEG2.
    pub fn y4m(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.y4m", self.name))
    }

    /// Where a frame lies as PNG.
    pub fn png(&self, directory: &Path, frame: usize) -> PathBuf {
        directory.join(format!("{}{frame:03}.png", self.name))
    }

    /// Writes the clip in the forms that the others read.
    pub fn write(&self, directory: &Path) {
        self.write_y4m(directory);
        for (frame, picture) in self.pictures.iter().take(PNGS).enumerate() {
            let (width, height) = (picture.width(), picture.height());
            let image = image::RgbImage::from_raw(width, height, picture.to_rgb()).unwrap();
            image.save(self.png(directory, frame)).unwrap();
        }
    }

    /// The frame rate is one that nobody reaches, so that none of them waits.
    fn write_y4m(&self, directory: &Path) {
        let mut out = BufWriter::new(File::create(self.y4m(directory)).unwrap());
        writeln!(out, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F1000:1 Ip A1:1 C420jpeg").unwrap();
        for picture in &self.pictures {
            out.write_all(b"FRAME\n").unwrap();
            for plane in [picture.y(), picture.u(), picture.v()] {
                out.write_all(plane).unwrap();
            }
        }
        out.flush().unwrap();
    }

    /// A picture of the size of the clip.
    pub fn blank(&self) -> Picture {
        Picture::new(WIDTH as u32, HEIGHT as u32).unwrap()
    }
}

/// Reads the next frame of a file, as the others do.
pub fn read(file: &mut impl BufRead, picture: &mut Picture) {
    let mut line = Vec::new();
    while line != b"FRAME\n" {
        line.clear();
        assert!(file.read_until(b'\n', &mut line).unwrap() > 0, "the clip is too short");
    }
    let (y, u, v) = picture.planes_mut();
    for plane in [y, u, v] {
        file.read_exact(plane).unwrap();
    }
}

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    /// About normal: the sum of four.
    fn noise(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| self.next() - 0.5).sum();
        sum * 1.73 * NOISE
    }
}

fn picture(frame: usize, speed: f32, random: &mut Random) -> Picture {
    let time = frame as f32;
    let mut picture = Picture::new(WIDTH as u32, HEIGHT as u32).unwrap();
    let head = (320.0 + 60.0 * (time / 14.0).sin(), 190.0 + 12.0 * (time / 5.0).sin());
    let (y, u, v) = picture.planes_mut();
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let (luma, blue, red) = scene(column as f32, row as f32, time, speed, head);
            let place = row * WIDTH + column;
            y[place] = (luma + random.noise()).clamp(16.0, 235.0) as u8;
            if row % 2 == 0 && column % 2 == 0 {
                let place = row / 2 * (WIDTH / 2) + column / 2;
                u[place] = (blue + random.noise() / 2.0).clamp(16.0, 240.0) as u8;
                v[place] = (red + random.noise() / 2.0).clamp(16.0, 240.0) as u8;
            }
        }
    }
    picture
}

/// Luma and chroma of a place.
fn scene(x: f32, y: f32, time: f32, speed: f32, head: (f32, f32)) -> (f32, f32, f32) {
    if y > 330.0 {
        // Colour bars that run along, and a clock of 16 bits above them that counts frames.
        let bar = ((x + time * 3.0) / 40.0) as usize % 8;
        let bits = (x / 40.0) as u32;
        if y < 338.0 {
            let on = time as u32 >> (15 - bits.min(15)) & 1 == 1;
            return (if on { 220.0 } else { 30.0 }, 128.0, 128.0);
        }
        let luma = 200.0 - bar as f32 * 22.0;
        return (luma, 60.0 + bar as f32 * 18.0, 190.0 - bar as f32 * 16.0);
    }
    let (dx, dy) = ((x - head.0) / 70.0, (y - head.1) / 95.0);
    let inside = dx * dx + dy * dy;
    if inside < 1.0 {
        // A face, more or less: lit from the left, with some texture that moves along.
        let texture = hills((x - head.0) / 14.0, (y - head.1) / 14.0, 7) * 26.0;
        let light = 150.0 - dx * 40.0 - inside * 30.0;
        return (light + texture, 112.0, 150.0);
    }
    let across = x + time * speed;
    let wall = hills(across / 90.0, y / 90.0, 1) * 90.0
        + hills(across / 21.0, y / 21.0, 2) * 40.0
        + hills(across / 6.0, y / 6.0, 3) * 16.0;
    let tint = hills(across / 130.0, y / 130.0, 4) * 40.0;
    (50.0 + wall, 118.0 + tint, 138.0 - tint / 2.0)
}

/// Smooth noise between 0 and 1.
fn hills(x: f32, y: f32, seed: u32) -> f32 {
    let (column, row) = (x.floor(), y.floor());
    let ease = |share: f32| share * share * (3.0 - 2.0 * share);
    let (right, down) = (ease(x - column), ease(y - row));
    let corner = |dx: i32, dy: i32| {
        let mut hash = (column as i32 + dx) as u32;
        hash =
            hash.wrapping_mul(0x9e37_79b1) ^ ((row as i32 + dy) as u32).wrapping_mul(0x85eb_ca77);
        hash = (hash ^ seed.wrapping_mul(0xc2b2_ae3d)).wrapping_mul(0x27d4_eb2f);
        ((hash ^ hash >> 15) >> 8 & 0xffff) as f32 / 65535.0
    };
    let above = corner(0, 0) * (1.0 - right) + corner(1, 0) * right;
    let below = corner(0, 1) * (1.0 - right) + corner(1, 1) * right;
    above * (1.0 - down) + below * down
}
