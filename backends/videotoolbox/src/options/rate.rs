//! Bits and quantisers.

use super::{Draft, Need};
use crate::ffi::{Value, names};
use vtremote_backend::{Codec, EncoderConfig, Error, Quality, RateControl};

/// FF_QP2LAMBDA: what FFmpeg multiplies a quality by.
const LAMBDA: f64 = 118.0;

/// The largest quantiser (H.264 7.4.2.2, H.265 7.4.3.3, for 8 bits).
const MOST_QP: i32 = 51;

impl Draft<'_> {
    pub(super) fn rate(&mut self) -> Result<(), Error> {
        let EncoderConfig { codec, rate, .. } = *self.config;
        let RateControl { bitrate, max_rate, buffer, constant } = rate;
        let held = match (self.quality()?, bitrate) {
            (Some(quality), _) => {
                let need = Need::Must("global_quality");
                self.set(names::quality(), Value::Float(quality), need);
                false
            }
            (None, Some(bits)) => {
                let bits = i32::try_from(bits).map_err(|_| Error::Option {
                    key: "bitrate",
                    reason: format!("{bits} is more than {}", i32::MAX),
                })?;
                let (property, need) = if constant {
                    (names::constant_bit_rate(), Need::Must("constant_bit_rate"))
                } else {
                    (names::average_bit_rate(), Need::Must("bitrate"))
                };
                self.set(property, Value::Int(bits), need);
                constant
            }
            (None, None) => false,
        };
        if constant && !held {
            self.warn("constant_bit_rate", "there is no rate to hold");
        }
        match max_rate {
            // The encoder takes one or the other.
            Some(_) if held => self.warn("maxrate", "a constant rate is its own peak"),
            Some(bits) => {
                let bytes = i64::try_from(bits / 8).unwrap_or(i64::MAX);
                let need = match codec {
                    Codec::H264 => Need::Must("maxrate"),
                    Codec::H265 => Need::Wish("maxrate"),
                };
                // Bytes, and the seconds in which they may be spent.
                let limits = Value::List(vec![Value::Long(bytes), Value::Long(1)]);
                self.set(names::data_rate_limits(), limits, need);
            }
            None => {}
        }
        if buffer.is_some() {
            self.warn("bufsize", "peaks are of one second");
        }
        Ok(())
    }

    /// From 0 to 1.
    fn quality(&self) -> Result<Option<f64>, Error> {
        let Some(quality) = self.config.quality else { return Ok(None) };
        let percent = match quality {
            Quality::Percent(percent) => f64::from(percent),
            Quality::Lambda(lambda) => f64::from(lambda) / LAMBDA,
        };
        // Integers of FFmpeg's: 100 is 11800 or a little more.
        if percent >= 101.0 {
            let reason = format!("{percent:.0} is more than 100");
            return Err(Error::Option { key: "global_quality", reason });
        }
        Ok(Some(percent.min(100.0) / 100.0))
    }

    pub(super) fn quantisers(&mut self) -> Result<(), Error> {
        let EncoderConfig { qmin, qmax, .. } = *self.config;
        let refuse = |key, reason| Err(Error::Option { key, reason });
        for (key, value) in [("qmin", qmin), ("qmax", qmax)] {
            if let Some(value) = value.filter(|value| !(0..=MOST_QP).contains(value)) {
                return refuse(key, format!("{value} is not 0 to {MOST_QP}"));
            }
        }
        if let (Some(min), Some(max)) = (qmin, qmax)
            && min > max
        {
            return refuse("qmin", format!("{min} is more than qmax, {max}"));
        }
        if let Some(min) = qmin {
            self.set(names::min_allowed_frame_qp(), Value::Int(min), Need::Must("qmin"));
        }
        if let Some(max) = qmax {
            self.set(names::max_allowed_frame_qp(), Value::Int(max), Need::Must("qmax"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{planned, refused, value, with};
    use crate::ffi::{Value, names};
    use vtremote_backend::{Codec, EncoderConfig, PixelFormat, Quality};

    fn h264(set: impl FnOnce(&mut EncoderConfig)) -> EncoderConfig {
        with(Codec::H264, PixelFormat::Nv12, set)
    }

    #[test]
    fn a_quality_takes_the_place_of_the_bit_rate() {
        for quality in [Quality::Percent(80), Quality::Lambda(9440)] {
            let plan = planned(&h264(|c| c.quality = Some(quality)));
            assert_eq!(value(&plan, &names::quality()), Some(Value::Float(0.8)));
            assert_eq!(value(&plan, &names::average_bit_rate()), None);
        }
        for quality in [Quality::Percent(101), Quality::Lambda(11918), Quality::Lambda(u32::MAX)] {
            assert_eq!(refused(&h264(|c| c.quality = Some(quality))), "global_quality");
        }
    }

    #[test]
    fn a_constant_rate_has_no_peaks() {
        let peaks = |c: &mut EncoderConfig| c.rate.max_rate = Some(2_000_000);
        let plan = planned(&h264(peaks));
        let limits = Value::List(vec![Value::Long(250_000), Value::Long(1)]);
        assert_eq!(value(&plan, &names::data_rate_limits()), Some(limits));
        let plan = planned(&h264(|c| {
            peaks(c);
            c.rate.constant = true;
        }));
        assert_eq!(value(&plan, &names::constant_bit_rate()), Some(Value::Int(1_000_000)));
        assert_eq!(value(&plan, &names::average_bit_rate()), None);
        assert_eq!(value(&plan, &names::data_rate_limits()), None);
        assert!(plan.warnings[0].starts_with("maxrate: "));
    }

    #[test]
    fn what_cannot_be_a_rate_or_a_quantiser_is_refused() {
        assert_eq!(refused(&h264(|c| c.rate.bitrate = Some(1 << 31))), "bitrate");
        assert_eq!(refused(&h264(|c| c.qmin = Some(52))), "qmin");
        assert_eq!(refused(&h264(|c| c.qmax = Some(52))), "qmax");
        assert_eq!(refused(&h264(|c| (c.qmin, c.qmax) = (Some(30), Some(20)))), "qmin");
    }

    #[test]
    fn what_a_rate_has_no_use_for_is_a_warning() {
        let plan = planned(&h264(|c| {
            (c.rate.bitrate, c.rate.constant) = (None, true);
            c.rate.buffer = Some(1);
        }));
        let options: Vec<_> = plan.warnings.iter().map(|w| w.split(':').next().unwrap()).collect();
        assert_eq!(options, ["constant_bit_rate", "bufsize"]);
    }
}
