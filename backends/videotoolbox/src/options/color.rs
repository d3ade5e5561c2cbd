//! What the stream says of its pictures: shape of the pixels, colour, HDR.

use super::{Draft, Need};
use crate::ffi::{Text, Value, names};
use vtremote_backend::{EncoderConfig, Error, Hdr, PixelFormat, Ratio};

/// The most that a stream can say of an aspect ratio (H.264 E.1.1, H.265 E.2.1).
const MOST_ASPECT: u32 = u16::MAX as u32;

/// What there is for a code of ISO 23091-2.
enum Known {
    Exactly(Text),
    /// The name writes another code, which means the same.
    As(u8, Text),
    Gamma(f64),
}

impl Draft<'_> {
    pub(super) fn aspect(&mut self) {
        let Some(Ratio { mut num, mut den }) = self.config.sample_aspect_ratio else { return };
        if num.max(den) > MOST_ASPECT {
            self.warn("sar_num", &format!("{num}:{den} is written as near as can be"));
        }
        while num.max(den) > MOST_ASPECT {
            (num, den) = (num.div_ceil(2), den.div_ceil(2));
        }
        let spacing = Value::Dictionary(vec![
            (names::horizontal_spacing(), Value::Int(num as i32)),
            (names::vertical_spacing(), Value::Int(den as i32)),
        ]);
        // A picture that says nothing has square pixels, and would be scaled to the session's.
        self.attachments.push((names::aspect_key(), spacing.clone()));
        self.set(names::pixel_aspect_ratio(), spacing, Need::Must("sar_num"));
    }

    pub(super) fn color(&mut self) -> Result<(), Error> {
        let color = self.config.color;
        let is_rgb = matches!(self.config.format, PixelFormat::Bgra);
        if color.full_range == Some(true)
            && matches!(self.config.format, PixelFormat::Bgra | PixelFormat::Ayuv)
        {
            self.warn("color_range", "pictures of this format are encoded in video range");
        }
        // 0 is RGB, which 4:2:0 and 4:2:2 cannot be (H.264 E.2.1); but of RGB it is no wish.
        if color.matrix == Some(0) && !is_rgb {
            let reason = "0 is RGB, which the stream cannot be".into();
            return Err(Error::Option { key: "colorspace", reason });
        }
        let codes = [
            ("color_primaries", color.primaries, primaries as fn(u8) -> Option<Known>),
            ("color_trc", color.transfer, transfer),
            ("colorspace", color.matrix.filter(|code| *code != 0), matrix),
        ];
        let properties = [
            (names::color_primaries(), names::primaries_key()),
            (names::transfer_function(), names::transfer_key()),
            (names::ycbcr_matrix(), names::matrix_key()),
        ];
        for ((option, code, known), (property, attachment)) in codes.into_iter().zip(properties) {
            let Some(code) = code else { continue };
            if matches!(code, 0 | 3) || code > 22 {
                let reason = format!("{code} is not a number for it");
                return Err(Error::Option { key: option, reason });
            }
            let name = match known(code) {
                Some(Known::Exactly(name)) => name,
                Some(Known::As(other, name)) => {
                    self.warn(option, &format!("{code} is written as {other}, which is the same"));
                    name
                }
                Some(Known::Gamma(level)) => {
                    let level = Value::Float(level);
                    self.attachments.push((names::gamma_key(), level.clone()));
                    let gamma = Value::Text(names::transfer_gamma());
                    self.attachments.push((attachment, gamma.clone()));
                    self.set(property, gamma, Need::Wish(option));
                    self.set(names::gamma_level(), level, Need::Wish(option));
                    continue;
                }
                None if code == 2 => continue,
                None => {
                    self.warn(option, &format!("VideoToolbox has no name for {code}"));
                    continue;
                }
            };
            self.attachments.push((attachment, Value::Text(name.clone())));
            self.set(property, Value::Text(name), Need::Wish(option));
        }
        // Of pictures only: no property of a session says it. Whether the stream does is seen in what the
        // encoder writes.
        let location = match color.chroma_location {
            None | Some(0) => return Ok(()),
            Some(1) => names::chroma_left(),
            Some(2) => names::chroma_center(),
            Some(3) => names::chroma_top_left(),
            Some(4) => names::chroma_top(),
            Some(5) => names::chroma_bottom_left(),
            Some(6) => names::chroma_bottom(),
            Some(code) => {
                let reason = format!("{code} is not a number for it");
                return Err(Error::Option { key: "chroma_location", reason });
            }
        };
        for key in [names::chroma_top_key(), names::chroma_bottom_key()] {
            self.attachments.push((key, Value::Text(location.clone())));
        }
        Ok(())
    }

    /// Where there are no such properties the stream says it all the same: see `encoder`.
    pub(super) fn hdr(&mut self) {
        let EncoderConfig { mastering_display, content_light, .. } = *self.config;
        for (property, value) in hdr_properties(Hdr { mastering_display, content_light }) {
            self.set(property, value, Need::Hint);
        }
    }
}

/// As the payloads of the SEI messages are (H.265 D.2.28 and D.2.35). None for nothing.
pub(crate) fn hdr_properties(hdr: Hdr) -> Vec<(Text, Value)> {
    let display = hdr.mastering_display.map(|payload| payload.to_vec());
    let light = hdr.content_light.map(|payload| payload.to_vec());
    let mut properties = Vec::new();
    if display.is_some() || light.is_some() {
        properties.push((names::hdr_metadata_insertion(), Value::Text(names::hdr_metadata_auto())));
    }
    properties.extend(display.map(|bytes| (names::mastering_display(), Value::Bytes(bytes))));
    properties.extend(light.map(|bytes| (names::content_light_level(), Value::Bytes(bytes))));
    properties
}

fn primaries(code: u8) -> Option<Known> {
    Some(Known::Exactly(match code {
        1 => names::primaries_709(),
        5 => names::primaries_ebu(),
        6 => names::primaries_smpte_c(),
        7 => return Some(Known::As(6, names::primaries_smpte_c())),
        9 => names::primaries_2020(),
        11 => names::primaries_dci_p3(),
        12 => names::primaries_p3_d65(),
        22 => names::primaries_p22(),
        _ => return None,
    }))
}

fn transfer(code: u8) -> Option<Known> {
    Some(Known::Exactly(match code {
        1 => names::transfer_709(),
        4 => return Some(Known::Gamma(2.2)),
        5 => return Some(Known::Gamma(2.8)),
        6 => return Some(Known::As(1, names::transfer_709())),
        7 => names::transfer_240m(),
        8 => names::transfer_linear(),
        13 => names::transfer_srgb(),
        14 => names::transfer_2020(),
        15 => return Some(Known::As(14, names::transfer_2020())),
        16 => names::transfer_pq(),
        17 => names::transfer_428(),
        18 => names::transfer_hlg(),
        _ => return None,
    }))
}

fn matrix(code: u8) -> Option<Known> {
    Some(Known::Exactly(match code {
        1 => names::matrix_709(),
        5 => return Some(Known::As(6, names::matrix_601())),
        6 => names::matrix_601(),
        7 => names::matrix_240m(),
        9 => names::matrix_2020(),
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{planned, refused, value, with};
    use crate::ffi::{Text, Value, names};
    use vtremote_backend::{Codec, Color, EncoderConfig, PixelFormat, Ratio};

    fn of_color(color: Color) -> EncoderConfig {
        with(Codec::H265, PixelFormat::P010, |c| c.color = color)
    }

    #[test]
    fn color_is_a_property_of_the_session_and_of_each_picture() {
        let plan = planned(&of_color(Color {
            primaries: Some(9),
            transfer: Some(16),
            matrix: Some(9),
            ..Color::default()
        }));
        let pairs = [
            (names::color_primaries(), names::primaries_key(), names::primaries_2020()),
            (names::transfer_function(), names::transfer_key(), names::transfer_pq()),
            (names::ycbcr_matrix(), names::matrix_key(), names::matrix_2020()),
        ];
        for (property, attachment, name) in pairs {
            assert_eq!(value(&plan, &property), Some(Value::Text(name.clone())));
            assert!(plan.attachments.contains(&(attachment, Value::Text(name))));
        }
        assert_eq!(plan.warnings, [""; 0]);
        assert_eq!(planned(&of_color(Color::default())).attachments, []);
    }

    #[test]
    fn a_gamma_is_said_as_such() {
        let plan = planned(&of_color(Color { transfer: Some(5), ..Color::default() }));
        let gamma = Value::Text(names::transfer_gamma());
        assert_eq!(value(&plan, &names::transfer_function()), Some(gamma));
        assert_eq!(value(&plan, &names::gamma_level()), Some(Value::Float(2.8)));
    }

    #[test]
    fn codes_without_a_name_are_warnings_and_those_without_a_meaning_refused() {
        let plan = planned(&of_color(Color {
            primaries: Some(8),
            transfer: Some(6),
            matrix: Some(10),
            chroma_location: Some(3),
            ..Color::default()
        }));
        let options: Vec<_> = plan.warnings.iter().map(|w| w.split(':').next().unwrap()).collect();
        assert_eq!(options, ["color_primaries", "color_trc", "colorspace"]);
        for key in [names::chroma_top_key(), names::chroma_bottom_key()] {
            assert!(plan.attachments.contains(&(key, Value::Text(names::chroma_top_left()))));
        }
        let transfer = value(&plan, &names::transfer_function());
        assert_eq!(transfer, Some(Value::Text(names::transfer_709())));
        let color = Color::default();
        for (key, color) in [
            ("color_primaries", Color { primaries: Some(3), ..color }),
            ("color_trc", Color { transfer: Some(0), ..color }),
            ("colorspace", Color { matrix: Some(0), ..color }),
            ("colorspace", Color { matrix: Some(23), ..color }),
            ("chroma_location", Color { chroma_location: Some(7), ..color }),
        ] {
            assert_eq!(refused(&of_color(color)), key);
        }
    }

    #[test]
    fn an_aspect_ratio_is_two_spacings() {
        let spacings = |num, den| {
            let config = with(Codec::H264, PixelFormat::Nv12, |c| {
                c.sample_aspect_ratio = Some(Ratio { num, den });
            });
            let plan = planned(&config);
            let spacing = |name: Text| match value(&plan, &names::pixel_aspect_ratio()) {
                Some(Value::Dictionary(entries)) => {
                    entries.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
                }
                other => panic!("{other:?}"),
            };
            let of_session = value(&plan, &names::pixel_aspect_ratio()).unwrap();
            assert_eq!(plan.attachments, [(names::aspect_key(), of_session)]);
            let both = [names::horizontal_spacing(), names::vertical_spacing()].map(spacing);
            (both.map(Option::unwrap), plan.warnings.len())
        };
        assert_eq!(spacings(40, 33), ([Value::Int(40), Value::Int(33)], 0));
        assert_eq!(spacings(70001, 70002), ([Value::Int(35001), Value::Int(35001)], 1));
    }

    #[test]
    fn hdr_metadata_go_as_the_sei_has_them() {
        let plan = planned(&with(Codec::H265, PixelFormat::P010, |c| {
            (c.mastering_display, c.content_light) = (Some([7; 24]), Some([1, 2, 3, 4]));
        }));
        assert_eq!(value(&plan, &names::mastering_display()), Some(Value::Bytes(vec![7; 24])));
        let light = value(&plan, &names::content_light_level());
        assert_eq!(light, Some(Value::Bytes(vec![1, 2, 3, 4])));
        let mode = value(&plan, &names::hdr_metadata_insertion());
        assert_eq!(mode, Some(Value::Text(names::hdr_metadata_auto())));
    }
}
