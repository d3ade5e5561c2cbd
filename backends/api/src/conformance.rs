//! The rules of a backend, each a function that panics where it is broken.
//!
//! A backend's own tests name the backend, a codec and a format, and get one test per rule:
//!
//! ```text
//! use vtremote_backend::conformance::EncoderCase;
//! vtremote_backend::encoder_conformance!(
//!     h264_nv12,
//!     EncoderCase::new(backend(), Codec::H264, PixelFormat::Nv12)
//! );
//! ```
//!
//! Nothing looks at a clock: what has to happen *at some time* is waited for, and the wait gives up
//! after [`PATIENCE`].

pub mod decode;
pub mod encode;

mod drive;

use crate::{Backend, Codec, EncoderConfig, PixelFormat, Ratio};
use std::sync::Arc;
use std::time::Duration;

/// How long something may take that has to happen: far longer than it does on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An encoder to examine.
#[derive(Clone)]
pub struct EncoderCase {
    /// Where it is opened.
    pub backend: Arc<dyn Backend>,
    /// What it encodes to.
    pub codec: Codec,
    /// What it encodes from.
    pub format: PixelFormat,
    /// Changes each configuration before it is used: a bitrate, a profile.
    pub adjust: fn(&mut EncoderConfig),
    /// Whether the same frames give the same bytes every time. If not, they still give packets of the
    /// same times in the same order.
    pub repeatable: bool,
}

impl EncoderCase {
    /// A case with nothing adjusted.
    pub fn new(backend: Arc<dyn Backend>, codec: Codec, format: PixelFormat) -> Self {
        EncoderCase { backend, codec, format, adjust: |_| {}, repeatable: true }
    }

    /// The configuration that checks begin with: small, 30 frames a second.
    fn config(&self) -> EncoderConfig {
        let time_base = Ratio { num: 1, den: 30 };
        let mut config = EncoderConfig::new(self.codec, 160, 96, self.format, time_base);
        config.frame_rate = Some(Ratio { num: 30, den: 1 });
        (self.adjust)(&mut config);
        config
    }
}

/// A decoder to examine, and an encoder that makes the packets for it.
#[derive(Clone)]
pub struct DecoderCase {
    /// Where it is opened.
    pub backend: Arc<dyn Backend>,
    /// What it decodes.
    pub codec: Codec,
    /// What it decodes to.
    pub format: PixelFormat,
    /// Whose encoder, for this codec and format, the packets come from.
    pub source: EncoderCase,
}

impl DecoderCase {
    /// A case whose packets come from the encoder of the same backend.
    pub fn new(backend: Arc<dyn Backend>, codec: Codec, format: PixelFormat) -> Self {
        let source = EncoderCase::new(Arc::clone(&backend), codec, format);
        DecoderCase { backend, codec, format, source }
    }
}

/// One test for each rule of encoders, in a module of the given name. The expression is an
/// [`EncoderCase`](crate::conformance::EncoderCase) and is evaluated for each test.
#[macro_export]
macro_rules! encoder_conformance {
    ($module:ident, $case:expr) => {
        $crate::conformance_tests! {
            $module, encode, $case,
            [
                a_backend_lists_what_it_has_once
                what_is_not_listed_is_refused
                an_impossible_size_is_refused
                parameter_sets_are_a_bare_record
                pictures_have_the_planes_of_their_format
                several_threads_write_one_picture
                a_caller_with_all_the_pictures_gets_none_in_time
                lent_rows_are_not_submitted
                pictures_of_another_encoder_are_refused
                every_frame_becomes_one_packet
                no_frames_are_no_packets
                one_frame_is_one_packet
                durations_come_back_with_their_frames
                dts_rises_and_never_passes_pts
                the_first_packet_is_a_keyframe
                forced_keyframes_are_keyframes
                keyframe_flags_agree_with_the_bitstream
                keyframes_are_no_further_apart_than_asked
                in_band_parameter_sets_stand_before_every_keyframe
                a_global_header_keeps_parameter_sets_out_of_the_packets
                start_codes_have_four_bytes
                frames_held_back_are_no_more_than_allowed
                nothing_follows_drained
                dropping_in_the_middle_joins_and_is_silent
                odd_sizes_are_encoded_or_refused
                the_same_frames_give_the_same_packets
                sessions_do_not_mix
            ]
        }
    };
}

/// One test for each rule of decoders, as [`encoder_conformance!`](crate::encoder_conformance)
/// does; the expression is a [`DecoderCase`](crate::conformance::DecoderCase).
#[macro_export]
macro_rules! decoder_conformance {
    ($module:ident, $case:expr) => {
        $crate::conformance_tests! {
            $module, decode, $case,
            [
                what_is_not_listed_is_refused
                an_impossible_size_is_refused
                every_packet_becomes_one_frame
                no_packets_are_no_frames
                frames_come_in_presentation_order
                frames_have_the_size_and_format_that_were_opened
                parameter_sets_are_taken_in_every_form
                start_codes_of_three_bytes_are_as_good
                frames_that_are_held_give_packets_back
                a_corrupt_packet_is_a_warning
                packets_held_back_are_no_more_than_allowed
                nothing_follows_drained
                dropping_in_the_middle_joins_and_is_silent
                the_same_packets_give_the_same_frames
            ]
        }
    };
}

/// What the two others share.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($module:ident, $kind:ident, $case:expr, [$($check:ident)*]) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $check() {
                    $crate::conformance::$kind::$check(&$case);
                }
            )*
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_in_its_macro() {
        let lists = include_str!("conformance.rs");
        for (list, checks) in [
            ("encode", include_str!("conformance/encode.rs")),
            ("decode", include_str!("conformance/decode.rs")),
        ] {
            let start = lists.find(&format!("$module, {list}, $case,")).unwrap();
            let list = lists[start..].split(']').next().unwrap();
            let names = checks.lines().filter_map(|line| line.strip_prefix("pub fn "));
            let mut names = names.map(|rest| rest.split('(').next().unwrap()).peekable();
            assert!(names.peek().is_some());
            for name in names {
                assert!(list.split_whitespace().any(|listed| listed == name), "{name} is missing");
            }
        }
    }
}
