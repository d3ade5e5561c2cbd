//! How a picture is coded, and hints that say more about the machine than about the stream.

use super::Draft;
use crate::options::Family;
use vtremote_backend::{Codec, Entropy, Error};

/// libx264 keeps a slice below any limit that one macroblock cannot exceed, 384 bytes of samples and
/// what says that they are samples: 485 bytes were seen with a lower one.
const FEWEST_SLICE_BYTES: u32 = 512;

impl Draft<'_> {
    pub(super) fn coding(&mut self) -> Result<(), Error> {
        let config = self.config;
        match (config.entropy, self.family, config.codec) {
            (None, ..) => {}
            (Some(_), _, Codec::H265) => self.warn("entropy", "H.265 has one entropy coder only"),
            (Some(entropy), Family::Other, _) => {
                let encoder = self.encoder;
                self.warn("entropy", format_args!("{entropy:?} or not is {encoder}'s choice"));
            }
            (Some(Entropy::Cavlc), ..) => self.set("coder", "cavlc"),
            (Some(Entropy::Cabac), ..) => self.set("coder", "cabac"),
        }
        match config.max_slice_bytes.filter(|bytes| *bytes > 0) {
            Some(bytes) if self.family == Family::X264 => {
                if bytes < FEWEST_SLICE_BYTES {
                    let reason =
                        format!("{bytes} is less than {FEWEST_SLICE_BYTES}, as one block can need");
                    return Err(Error::Option { key: "max_slice_bytes", reason });
                }
                self.set("slice-max-size", bytes.min(i32::MAX as u32));
            }
            Some(_) => self.unused("max_slice_bytes"),
            None => {}
        }
        match (config.spatial_aq, self.family) {
            (None, _) => {}
            (Some(on), Family::X264) => self.set("aq-mode", i32::from(on)),
            (Some(on), Family::X265) => {
                self.native("aq-mode", i32::from(on));
                // The fastest presets have none of it, whatever the mode.
                self.native("aq-strength", f64::from(u8::from(on)));
            }
            (Some(_), _) => self.unused("spatial_aq"),
        }
        Ok(())
    }

    pub(super) fn hints(&mut self) -> Result<(), Error> {
        let config = self.config;
        if config.require_software && !self.family.is_software() {
            let reason = format!("this server encodes with {}", self.encoder);
            return Err(Error::Option { key: "require_sw", reason });
        }
        let asked = [
            ("realtime", config.realtime == Some(true)),
            ("prio_speed", config.prioritize_speed.is_some()),
            ("power_efficient", config.power_efficient.is_some()),
            ("frames_before", config.frames_before),
            ("frames_after", config.frames_after),
            ("alpha_quality", config.alpha_quality > 0.0),
        ];
        for (key, _) in asked.into_iter().filter(|(_, asked)| *asked) {
            self.unused(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, planned, reason};
    use vtremote_backend::{Codec, EncoderConfig};

    #[test]
    fn slices_smaller_than_a_block_can_be_are_refused() {
        let with = |bytes| EncoderConfig { max_slice_bytes: Some(bytes), ..config(Codec::H264) };
        assert_eq!(reason(&with(511)).0, "max_slice_bytes");
        planned(&with(512)).unwrap();
    }
}
