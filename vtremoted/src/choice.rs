//! Which backend serves: what was asked for, or what this machine has.

use crate::settings::Settings;
use crate::{Error, Notices};
use std::sync::Arc;
use vtremote_backend::Backend;
use vtremote_backend_synthetic::{Script, Synthetic};

/// The backends that are built in, with their versions where those are not ours.
pub(crate) fn built_in() -> Vec<String> {
    [
        #[cfg(target_vendor = "apple")]
        "videotoolbox".into(),
        #[cfg(feature = "libavcodec")]
        format!("libavcodec {}", vtremote_backend_libavcodec::version()),
        "synthetic".into(),
    ]
    .into()
}

/// The backends that `--backend` asks for. What they find missing here they say in `notices`.
///
/// # Errors
/// [`Error::Usage`] if there is none of that name, [`Error::Start`] if it cannot start.
pub fn backends(settings: &Settings, notices: Notices) -> Result<Vec<Arc<dyn Backend>>, Error> {
    let (name, script) = match settings.backend.split_once(':') {
        Some((name, script)) => (name, Some(script)),
        None => (settings.backend.as_str(), None),
    };
    if script.is_some() && name != "synthetic" {
        return Err(Error::Usage(format!("--backend {name} takes no script")));
    }
    let takes_names = name == "libavcodec" || name == "auto" && !cfg!(target_vendor = "apple");
    if ["auto", "synthetic", "videotoolbox"].contains(&name)
        && !takes_names
        && !settings.encoders.is_empty()
    {
        return Err(Error::Usage("--encoder is for the libavcodec backend".into()));
    }
    match name {
        "auto" if cfg!(target_vendor = "apple") => videotoolbox(notices),
        "auto" if cfg!(feature = "libavcodec") => libavcodec(settings),
        "auto" => Err(Error::Start(
            "this vtremoted was built without a backend that encodes; --backend synthetic is for tests"
                .into(),
        )),
        "libavcodec" => libavcodec(settings),
        "synthetic" => {
            let script: Script = script.unwrap_or_default().parse().map_err(|error| {
                Error::Usage(format!("--backend {}: {error}", settings.backend))
            })?;
            Ok(vec![Arc::new(Synthetic::new(script))])
        }
        "videotoolbox" => videotoolbox(notices),
        _ => Err(Error::Usage(format!(
            "--backend {name}: it is auto, libavcodec, videotoolbox or synthetic"
        ))),
    }
}

#[cfg(target_vendor = "apple")]
fn videotoolbox(notices: Notices) -> Result<Vec<Arc<dyn Backend>>, Error> {
    use vtremote_backend_videotoolbox::VideoToolbox;
    match VideoToolbox::new(notices) {
        Ok(backend) => Ok(vec![Arc::new(backend)]),
        Err(error) => Err(Error::Start(error.to_string())),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn videotoolbox(_: Notices) -> Result<Vec<Arc<dyn Backend>>, Error> {
    Err(Error::Start("--backend videotoolbox: only a Mac has VideoToolbox".into()))
}

#[cfg(feature = "libavcodec")]
fn libavcodec(settings: &Settings) -> Result<Vec<Arc<dyn Backend>>, Error> {
    use vtremote_backend_libavcodec::{Libavcodec, Settings as Encoders};
    let named = |codec: &str| {
        let named = settings.encoders.iter().rev().find(|(of, _)| of == codec);
        named.map(|(_, name)| name.clone())
    };
    let (h264, hevc, threads) = (named("h264"), named("hevc"), settings.encoder_threads);
    let encoders = Encoders { h264, hevc, threads, ..Encoders::default() };
    match Libavcodec::new(encoders) {
        Ok(backend) => Ok(vec![Arc::new(backend)]),
        Err(error) => Err(Error::Start(error.to_string())),
    }
}

#[cfg(not(feature = "libavcodec"))]
fn libavcodec(_settings: &Settings) -> Result<Vec<Arc<dyn Backend>>, Error> {
    Err(Error::Start("--backend libavcodec: this vtremoted was built without it".into()))
}
