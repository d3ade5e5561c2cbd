//! How many bits a stream may have: rates, buffers, quality, quantisers.

use super::Draft;
use crate::options::Family;
use vtremote_backend::{Error, Quality};

/// The most that fits all of an encoder's 32-bit arithmetic, in bits per second or bits.
const MOST_BITS: u64 = 2_000_000_000;

impl Draft<'_> {
    pub(super) fn rate(&mut self) -> Result<(), Error> {
        let rate = self.config.rate;
        let bits = |key, bits: Option<u64>| match bits.filter(|bits| *bits > 0) {
            Some(bits) if bits > MOST_BITS => {
                Err(Error::Option { key, reason: format!("{bits} is more than {MOST_BITS}") })
            }
            // Rates are thousands of bits to the encoders, and 0 would be "no rate".
            bits => Ok(bits.map(|bits| bits.max(1000))),
        };
        self.average = bits("bitrate", rate.bitrate)?.filter(|_| self.config.quality.is_none());
        self.peak = bits("maxrate", rate.max_rate)?;
        self.buffer = bits("bufsize", rate.buffer)?;
        match (self.average, self.config.quality) {
            (_, Some(quality)) => self.quality(quality)?,
            (Some(average), None) => self.set("b", average),
            (None, None) => {}
        }
        if rate.constant {
            self.constant_rate();
        }
        match (self.peak, self.buffer) {
            (Some(peak), None) => self.buffer = Some(peak), // A second's worth.
            (None, Some(_)) => {
                self.warn("bufsize", "not used without maxrate");
                self.buffer = None;
            }
            _ => {}
        }
        if let (Some(peak), Some(buffer)) = (self.peak, self.buffer) {
            self.set("maxrate", peak);
            self.set("bufsize", buffer);
            if self.family == Family::X265 {
                // Otherwise two runs of the same give different bytes.
                self.native("const-vbv", 1);
            }
        }
        Ok(())
    }

    /// A buffer that neither runs empty nor over, with filler where pictures have too few bits, and
    /// the stream saying so.
    fn constant_rate(&mut self) {
        let Some(average) = self.average else {
            return self.warn("constant_bit_rate", "not used without a bitrate");
        };
        if self.peak.is_some_and(|peak| peak != average) {
            self.warn("maxrate", format_args!("{average}, since the bit rate is constant"));
        }
        self.peak = Some(average);
        match self.family {
            Family::X264 => self.set("nal-hrd", "cbr"),
            Family::X265 => {
                self.native("strict-cbr", 1);
                self.native("hrd", 1);
            }
            _ => {}
        }
    }

    /// Both of FFmpeg's scales are 0 to 100, 100 the best, once QSCALE's 118 is taken out.
    fn quality(&mut self, quality: Quality) -> Result<(), Error> {
        let percent = match quality {
            Quality::Lambda(value) => f64::from(value) / 118.0,
            Quality::Percent(value) => f64::from(value),
        };
        if percent > 100.0 {
            let reason = format!("{percent:.0} is more than 100");
            return Err(Error::Option { key: "global_quality", reason });
        }
        if self.family.is_software() {
            // 51 is the coarsest quantiser; 0 would be lossless, which is another profile.
            self.set("crf", format_args!("{:.2}", (51.0 - 0.51 * percent).max(1.0)));
        } else {
            self.set("global_quality", percent.round());
            let encoder = self.encoder;
            self.warn("global_quality", format_args!("on {encoder}'s own scale"));
        }
        Ok(())
    }

    pub(super) fn quantisers(&mut self) -> Result<(), Error> {
        let config = self.config;
        for (key, value) in [("qmin", config.qmin), ("qmax", config.qmax)] {
            match value {
                Some(value @ 0..=51) => self.set(key, value),
                Some(value) => {
                    let reason = format!("{value} is not a quantiser from 0 to 51");
                    return Err(Error::Option { key, reason });
                }
                None => {}
            }
        }
        if let (Some(qmin), Some(qmax)) = (config.qmin, config.qmax)
            && qmin > qmax
        {
            let reason = format!("{qmin} is more than qmax, {qmax}");
            return Err(Error::Option { key: "qmin", reason });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, option, planned, reason};
    use super::*;
    use vtremote_backend::{Codec, EncoderConfig};

    #[test]
    fn a_peak_without_a_buffer_gets_a_second_of_it() {
        let mut config = config(Codec::H265);
        config.rate.max_rate = Some(400_000);
        let plan = planned(&config).unwrap();
        assert_eq!(option(&plan, "maxrate").as_deref(), Some("400000"));
        assert_eq!(option(&plan, "bufsize").as_deref(), Some("400000"));
        assert!(option(&plan, "x265-params").unwrap().contains("const-vbv=1"));
    }

    #[test]
    fn a_constant_rate_is_its_own_peak() {
        for codec in [Codec::H264, Codec::H265] {
            let mut config = config(codec);
            config.rate.constant = true;
            let plan = planned(&config).unwrap();
            assert_eq!(option(&plan, "maxrate").as_deref(), Some("300000"));
            assert!(plan.warnings.is_empty());
            config.rate.max_rate = Some(400_000);
            let warnings = planned(&config).unwrap().warnings;
            assert_eq!(warnings, ["maxrate: 300000, since the bit rate is constant"]);
            config.rate.bitrate = None;
            let warnings = planned(&config).unwrap().warnings;
            assert_eq!(warnings, ["constant_bit_rate: not used without a bitrate"]);
        }
    }

    #[test]
    fn rates_and_quantisers_that_cannot_be_are_refused_by_name() {
        let mut absurd = config(Codec::H264);
        absurd.rate.bitrate = Some(u64::MAX);
        assert_eq!(reason(&absurd).0, "bitrate");
        let with = |qmin, qmax| EncoderConfig { qmin, qmax, ..config(Codec::H264) };
        assert_eq!(reason(&with(Some(52), None)).0, "qmin");
        assert_eq!(reason(&with(None, Some(52))).0, "qmax");
        assert_eq!(reason(&with(Some(9), Some(8))).0, "qmin");
        let quality = Some(Quality::Lambda(118 * 101));
        assert_eq!(reason(&EncoderConfig { quality, ..config(Codec::H264) }).0, "global_quality");
    }
}
