use std::env;
use std::fs;
use std::time::Duration;

use vtremote_link::Address;
use vtremote_planes::Coding;
use vtremote_proto::{Codec, DEFAULT_PORT, Mode, Options, PixelFormat};

use crate::{Error, Level};

/// How long connecting, each answer of the handshake, and then silence on the link may take unless
/// told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(5000);

/// How many frames are on their way at once unless told otherwise.
pub const DEFAULT_INFLIGHT: u32 = 16;

/// What a session is to be. The keys of [`set`](Self::set) are the fields' names, and those of
/// CONFIGURE's options (docs/protocol.md section 4).
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to encode to, or to decode. Required.
    pub codec: Option<Codec>,
    /// `HOST[:PORT]`, IPv6 in brackets. Not given: the environment's VTREMOTE_HOST.
    pub host: Option<String>,
    /// The server's token. Not given: the environment's VTREMOTE_TOKEN, then the first line of the
    /// file that VTREMOTE_TOKEN_FILE names, then none.
    pub token: Option<String>,
    /// `timeout_ms`: for connecting, each answer of the handshake, and then silence on the link.
    pub timeout: Duration,
    /// How many frames, or packets and pictures, are on their way at once: 1 to 128. 0: as few as make no
    /// difference to how many are delivered per second, 64 at most.
    pub inflight: u32,
    /// `wire_compression`: with `auto` (none given here) each picture as it suits the connection. vtz is for
    /// servers with `x.wire.vtz.v1`, and an error with others.
    pub compression: Option<Coding>,
    /// Whether frames travel slice by slice; 1 is an error where the server cannot. `auto` (none given
    /// here): the environment's VTREMOTE_SLICES, 0 or 1, else where the server can.
    pub slices: Option<bool>,
    /// `pix_fmts`: what a decoder's pictures may be besides NV12 and P010.
    pub formats: Vec<PixelFormat>,
    /// The least important lines that the log gets.
    pub log_level: Level,
    /// What the server's log calls this program.
    pub client_name: String,
    /// Its version.
    pub client_build: String,
    /// CONFIGURE's options.
    pub options: Options,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            codec: None,
            host: None,
            token: None,
            timeout: DEFAULT_TIMEOUT,
            inflight: DEFAULT_INFLIGHT,
            compression: None,
            slices: None,
            formats: Vec::new(),
            log_level: Level::Info,
            client_name: "vtremote".to_owned(),
            client_build: env!("CARGO_PKG_VERSION").to_owned(),
            options: Options::default(),
        }
    }
}

/// Keys of CONFIGURE that an encoder's user has no say in: another mode's, or settled between client
/// and server.
const NOT_AN_ENCODERS: [&str; 12] = [
    "decode_async",
    "decode_reorder_depth",
    "out_codec",
    "out_width",
    "out_height",
    "scale_mode",
    "packet_ack.v1",
    "x.ack.v1",
    "x.slices.v1",
    "x.geometry.v1",
    "x.notice.v1",
    "x.wire.vtz.v1",
];

impl Settings {
    /// Sets one option from text.
    ///
    /// # Errors
    /// [`Error::Option`]: an unknown key, or a value that does not parse; nothing is changed then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let problem = |expected: &str| Error::Option {
            key: key.chars().take(64).collect(),
            problem: format!(
                "\"{}\" is not {expected}",
                value.chars().take(64).collect::<String>()
            ),
        };
        match key {
            "codec" => {
                self.codec = Some(Codec::from_name(value).ok_or_else(|| problem("h264 or hevc"))?);
            }
            "host" => self.host = given(value),
            "token" => self.token = given(value),
            "timeout_ms" => {
                let allowed = value.parse().ok().filter(|ms| (100..=60_000).contains(ms));
                let ms = allowed.ok_or_else(|| problem("a number from 100 to 60000"))?;
                self.timeout = Duration::from_millis(ms);
            }
            "inflight" => {
                let allowed = value.parse().ok().filter(|n| (0..=128).contains(n));
                self.inflight = allowed.ok_or_else(|| problem("a number from 0 to 128"))?;
            }
            "wire_compression" => {
                self.compression = match value {
                    "auto" => None,
                    _ => Some(
                        value
                            .parse()
                            .map_err(|_| problem("auto, none, lz4, zstd, vtz or vtz-fast"))?,
                    ),
                };
            }
            "slices" => {
                self.slices = match value {
                    "auto" => None,
                    "0" => Some(false),
                    "1" => Some(true),
                    _ => return Err(problem("auto, 0 or 1")),
                };
            }
            "pix_fmts" => {
                let format = |name| match name {
                    "nv12" => Some(PixelFormat::Nv12),
                    "p010le" => Some(PixelFormat::P010),
                    "bgra" => Some(PixelFormat::Bgra),
                    "ayuv" => Some(PixelFormat::Ayuv),
                    "p210le" => Some(PixelFormat::P210),
                    _ => None,
                };
                let names = value.split(',').filter(|name| !name.is_empty());
                let formats = names.map(format).collect::<Option<_>>();
                self.formats = formats.ok_or_else(|| {
                    problem(
                        "a list of nv12, p010le, p210le, ayuv and bgra with commas between them",
                    )
                })?;
            }
            "log_level" => {
                self.log_level =
                    value.parse().map_err(|()| problem("error, warn, info, debug or trace"))?;
            }
            "client_name" => self.client_name = short(value).ok_or_else(|| problem(SHORT))?,
            "client_build" => self.client_build = short(value).ok_or_else(|| problem(SHORT))?,
            _ if NOT_AN_ENCODERS.contains(&key) => return Err(unknown(key)),
            _ => {
                let mut options = self.options.clone();
                match options.set(key, value) {
                    Ok(true) if options.mode == Mode::Encode => self.options = options,
                    Ok(true) => return Err(problem("encode, the only mode of an encoder")),
                    Ok(false) => return Err(unknown(key)),
                    Err(error) => return Err(problem(error.expected)),
                }
            }
        }
        Ok(())
    }

    /// Refuses what a decoder has no use for.
    ///
    /// # Errors
    /// [`Error::Option`] names it.
    pub(crate) fn check_decoder(&self) -> Result<(), Error> {
        // Those with their defaults are not among them.
        match self.options.to_pairs().first() {
            None => Ok(()),
            Some((key, _)) => Err(Error::Option {
                key: (*key).to_owned(),
                problem: "only encoders have it, and this is a decoder".to_owned(),
            }),
        }
    }

    /// The server, from the option or the environment.
    ///
    /// # Errors
    /// [`Error::NoHost`], [`Error::SeveralHosts`], [`Error::Host`].
    pub fn server_address(&self) -> Result<Address, Error> {
        let environment = || env::var("VTREMOTE_HOST").ok().as_deref().and_then(given);
        let text = self.host.clone().or_else(environment).ok_or(Error::NoHost)?;
        if text.contains(',') {
            return Err(Error::SeveralHosts { text });
        }
        Address::parse(&text, DEFAULT_PORT).map_err(|error| Error::Host { text, error })
    }

    /// Whether frames travel slice by slice, from the option or the environment.
    pub(crate) fn slices(&self) -> Result<Option<bool>, Error> {
        let environment = env::var("VTREMOTE_SLICES").ok().as_deref().and_then(given);
        match (self.slices, environment.as_deref()) {
            (None, Some("0")) => Ok(Some(false)),
            (None, Some("1")) => Ok(Some(true)),
            (None, Some(_)) => {
                let problem = "it is neither 0 nor 1".to_owned();
                Err(Error::Option { key: "VTREMOTE_SLICES".to_owned(), problem })
            }
            (slices, _) => Ok(slices),
        }
    }

    /// The token, from the option or the environment; empty if there is none.
    ///
    /// # Errors
    /// [`Error::TokenFile`].
    pub fn server_token(&self) -> Result<String, Error> {
        let environment = || env::var("VTREMOTE_TOKEN").ok().as_deref().and_then(given);
        if let Some(token) = self.token.clone().or_else(environment) {
            return Ok(token);
        }
        match env::var("VTREMOTE_TOKEN_FILE").ok().as_deref().and_then(given) {
            Some(path) => token_in_file(&path),
            None => Ok(String::new()),
        }
    }
}

/// The token that a file has on its first and only line.
///
/// # Errors
/// [`Error::TokenFile`] names the file: it cannot be read, is empty, or is something else.
pub fn token_in_file(path: &str) -> Result<String, Error> {
    let failed = |problem: String| Error::TokenFile { path: path.to_owned(), problem };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let token = text.strip_suffix('\n').unwrap_or(&text);
    let token = token.strip_suffix('\r').unwrap_or(token);
    match token {
        "" => Err(failed("it is empty".to_owned())),
        _ if token.contains('\n') => Err(failed("it has more than one line".to_owned())),
        _ => Ok(token.to_owned()),
    }
}

/// An empty text is FFmpeg's and the shell's way of not giving one.
fn given(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

const SHORT: &str = "a text of at most 256 bytes without control characters";

/// It ends up in the server's log.
fn short(value: &str) -> Option<String> {
    let fits = value.len() <= 256 && !value.contains(char::is_control);
    fits.then(|| value.to_owned())
}

fn unknown(key: &str) -> Error {
    let key = key.chars().take(64).collect();
    Error::Option { key, problem: "there is no such option".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, value: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        settings.set(key, value).map(|()| settings).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_of_an_encoder_is_known() {
        for key in Options::keys().filter(|key| !NOT_AN_ENCODERS.contains(key)) {
            let value = match key {
                "mode" => "encode",
                "wire_compression" => "zstd",
                "mastering_display" => "000000000000000000000000000000000000000000000000",
                "content_light" => "00000000",
                _ => "1",
            };
            assert!(set(key, value).is_ok(), "{key}");
        }
    }

    #[test]
    fn what_is_no_encoders_option_is_unknown() {
        for key in NOT_AN_ENCODERS.into_iter().chain(["", "bit_rate"]) {
            let problem = format!("option \"{key}\": there is no such option");
            assert_eq!(set(key, "1").unwrap_err(), problem);
        }
    }

    #[test]
    fn a_value_that_does_not_parse_is_named_with_what_is_expected() {
        let expected = "option \"timeout_ms\": \"5\" is not a number from 100 to 60000";
        assert_eq!(set("timeout_ms", "5").unwrap_err(), expected);
        assert_eq!(
            set("codec", "av1").unwrap_err(),
            "option \"codec\": \"av1\" is not h264 or hevc"
        );
        for (key, value) in [
            ("inflight", "-1"),
            ("inflight", "129"),
            ("wire_compression", "2"),
            ("wire_compression", "vtz2"),
            ("slices", "yes"),
            ("pix_fmts", "p210le,yuv444p"),
            ("log_level", "2"),
            ("mode", "decode"),
            ("bitrate", "fast"),
            ("client_name", "a\nb"),
        ] {
            assert!(set(key, value).unwrap_err().contains(key), "{key}={value}");
        }
    }

    #[test]
    fn values_that_parse_are_kept() {
        let settings = set("wire_compression", "lz4").unwrap();
        assert_eq!(settings.compression, Some(Coding::Lz4));
        assert_eq!(settings.options, Options::default());
        assert_eq!(set("slices", "1").unwrap().slices, Some(true));
        assert_eq!(set("inflight", "0").unwrap().inflight, 0);
        let formats = [PixelFormat::P210, PixelFormat::Bgra];
        assert_eq!(set("pix_fmts", "p210le,bgra").unwrap().formats, formats);
        assert_eq!(set("pix_fmts", "").unwrap().formats, []);
        assert_eq!(set("timeout_ms", "100").unwrap().timeout, Duration::from_millis(100));
        assert_eq!(set("bitrate", "2000000").unwrap().options.bitrate, 2_000_000);
    }

    #[test]
    fn a_list_of_servers_is_refused_until_failover_is_there() {
        let error = set("host", "a,b:80").unwrap().server_address().unwrap_err().to_string();
        assert!(error.contains("failover") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_server_has_the_default_port() {
        assert_eq!(set("host", "::1").unwrap().server_address().unwrap().to_string(), "[::1]:5555");
        let error = set("host", "a b").unwrap().server_address().unwrap_err().to_string();
        assert!(error.starts_with("host \"a b\": "), "{error}");
    }

    #[test]
    fn a_token_file_has_one_line() {
        let directory = env::temp_dir().join(format!("vtremote-token-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("token");
        let path = path.to_str().unwrap();
        let read = |text: &str| {
            fs::write(path, text).unwrap();
            token_in_file(path).map_err(|error| error.to_string())
        };
        assert_eq!(read("secret\n").as_deref(), Ok("secret"));
        assert_eq!(read("secret \r\n").as_deref(), Ok("secret "));
        assert_eq!(read("\n").unwrap_err(), format!("token file {path}: it is empty"));
        assert!(read("a\nb\n").is_err());
        fs::remove_dir_all(&directory).unwrap();
        assert!(token_in_file(path).is_err());
    }
}
