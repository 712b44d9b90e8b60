//! Which format a device is opened in.

use cpal::BufferSize;
use cpal::SampleFormat;
use cpal::StreamConfig;
use cpal::SupportedBufferSize;
use cpal::SupportedStreamConfig;
use cpal::SupportedStreamConfigRange;
use cpal::traits::DeviceTrait;

use super::deadline::within_deadline;
use super::host;
use super::host::Candidate;
use crate::device::error::DeviceError;
use crate::device::error::Direction;
use crate::media::frame::SAMPLE_RATE;

/// Callbacks per second asked for: 10 ms each. The default of some systems is two seconds.
const CALLBACKS_PER_SECOND: u32 = 100;
/// In this order, if the device takes them; otherwise what the device likes best.
const PREFERRED: [(u16, SampleFormat); 4] = [
    (1, SampleFormat::F32),
    (2, SampleFormat::F32),
    (1, SampleFormat::I16),
    (2, SampleFormat::I16),
];

/// How to open a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) config: StreamConfig,
    pub(super) sample: SampleFormat,
}

impl Format {
    /// The best format that `candidate` offers: 48 kHz if it can, because nothing is converted then.
    pub(super) fn choose(direction: Direction, candidate: &Candidate) -> Result<Self, DeviceError> {
        let device = &candidate.device;
        let ranges: Vec<SupportedStreamConfigRange> = match direction {
            Direction::Input => device.supported_input_configs().map(Iterator::collect),
            Direction::Output => device.supported_output_configs().map(Iterator::collect),
        }
        .unwrap_or_default();
        let preferred = PREFERRED.iter().find_map(|&(channels, sample)| {
            ranges
                .iter()
                .filter(|range| range.channels() == channels && range.sample_format() == sample)
                .find_map(|range| range.try_with_sample_rate(SAMPLE_RATE))
        });
        let chosen = match preferred {
            Some(preferred) => Ok(preferred),
            None => match direction {
                Direction::Input => device.default_input_config(),
                Direction::Output => device.default_output_config(),
            },
        };
        chosen
            .map(|chosen| Self::with_short_buffer(&chosen))
            .map_err(|error| open_error(direction, candidate, &error))
    }

    /// The same with the buffer that the device likes best.
    pub(super) fn with_default_buffer(mut self) -> Self {
        self.config.buffer_size = BufferSize::Default;
        self
    }

    fn with_short_buffer(chosen: &SupportedStreamConfig) -> Self {
        let mut config = chosen.config();
        let wanted = chosen.sample_rate() / CALLBACKS_PER_SECOND;
        let frames = match *chosen.buffer_size() {
            SupportedBufferSize::Range { min, max } => wanted.max(min).min(max),
            SupportedBufferSize::Unknown => wanted,
        };
        config.buffer_size = BufferSize::Fixed(frames.max(1));
        Self { config, sample: chosen.sample_format() }
    }
}

/// Opens the device called `name`, or the default one, within the time that is allowed: with the
/// buffer that suits us, or else with the one that the system likes.
pub(super) fn open<T: Send + 'static>(
    direction: Direction,
    name: Option<&str>,
    open: impl Fn(&Candidate, Format) -> Result<T, cpal::Error> + Send + 'static,
) -> Result<T, DeviceError> {
    let name = name.map(str::to_owned);
    within_deadline(direction, move || {
        let candidate = host::find(direction, name.as_deref())?;
        let format = Format::choose(direction, &candidate)?;
        let opened =
            open(&candidate, format).or_else(|_| open(&candidate, format.with_default_buffer()));
        opened.map_err(|error| open_error(direction, &candidate, &error))
    })
}

fn open_error(direction: Direction, candidate: &Candidate, error: &cpal::Error) -> DeviceError {
    let name = candidate.info.name.clone();
    DeviceError::Open { direction, name, reason: error.to_string() }
}
