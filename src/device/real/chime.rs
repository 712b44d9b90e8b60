//! The speaker as `rodio` sees it.

use std::num::NonZero;

use rodio::DeviceSinkBuilder;
use rodio::MixerDeviceSink;
use rodio::Player;
use rodio::buffer::SamplesBuffer;

use super::deadline::within_deadline;
use super::host;
use crate::device::error::DeviceError;
use crate::device::error::Direction;
use crate::media::frame::SAMPLE_RATE;

/// Plays short sounds beside everything else.
pub(in crate::device) struct ChimeSink {
    sink: MixerDeviceSink,
}

impl ChimeSink {
    /// Opens the speaker called `name`, or the default one; `None` if there is none.
    pub(in crate::device) fn open(name: Option<&str>) -> Option<Self> {
        let name = name.map(str::to_owned);
        let sink = within_deadline(Direction::Output, move || {
            let absent = || DeviceError::NoDevice { direction: Direction::Output };
            let candidate = host::find(Direction::Output, name.as_deref())?;
            let builder = DeviceSinkBuilder::from_device(candidate.device).map_err(|_| absent())?;
            // The default callback writes to stderr, which is the terminal we draw on.
            let builder = builder.with_error_callback(|_| {});
            let mut sink = builder.open_stream().map_err(|_| absent())?;
            sink.log_on_drop(false);
            Ok(sink)
        });
        Some(Self { sink: sink.ok()? })
    }

    /// Plays a 48 kHz mono sound beside everything else, and returns when it has been heard.
    pub(in crate::device) fn play(&self, samples: Vec<f32>) {
        let (Some(mono), Some(rate)) = (NonZero::new(1), NonZero::new(SAMPLE_RATE)) else {
            return;
        };
        let player = Player::connect_new(self.sink.mixer());
        player.append(SamplesBuffer::new(mono, rate, samples));
        player.sleep_until_end();
    }
}
