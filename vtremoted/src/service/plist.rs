//! The property list that launchd reads: written from packaging/macos, and read back as far as a later
//! installation keeps what is in it.

use super::places::{LABEL, Places};
use std::path::Path;

const AGENT: &str = include_str!("../../../packaging/macos/agent.plist");
const DAEMON: &str = include_str!("../../../packaging/macos/daemon.plist");

/// What an installed property list says of the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Installed {
    /// The flags beyond those that every service has.
    pub(crate) flags: Vec<String>,
    /// Whose process it is, where it is the machine's.
    pub(crate) user: Option<String>,
}

/// The property list of a service with these flags.
pub(crate) fn write(places: &Places, flags: &[String], user: Option<&str>) -> String {
    let text = if places.is_system { DAEMON } else { AGENT };
    let path = |path: &Path| escaped(&path.to_string_lossy());
    let flags = flags.iter().map(|flag| format!("<string>{}</string>", escaped(flag)));
    // The flags last: they may be whatever a person writes, and nothing is filled in within them.
    text.replace("@LABEL@", LABEL)
        .replace("@USER@", &escaped(user.unwrap_or_default()))
        .replace("@BINARY@", &path(&places.binary))
        .replace("@TOKEN@", &path(&places.token))
        .replace("@LOG@", &path(&places.log))
        .replace("<!--@FLAGS@-->", &flags.collect::<Vec<_>>().join("\n\t\t"))
}

/// What a property list of ours says; `None` if it is not as [`write`] made it.
pub(crate) fn read(text: &str, places: &Places) -> Option<Installed> {
    let array = after(text, "<key>ProgramArguments</key>")?;
    let array = array.trim_start().strip_prefix("<array>")?.split_once("</array>")?.0;
    let mut arguments = strings(array)?.into_iter();
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let fixed = [
        path(&places.binary),
        "--token-file".into(),
        path(&places.token),
        "--log-file".into(),
        path(&places.log),
    ];
    if !fixed.iter().all(|fixed| arguments.next().as_ref() == Some(fixed)) {
        return None;
    }
    let user = after(text, "<key>UserName</key>").and_then(|rest| {
        let string = rest.trim_start().strip_prefix("<string>")?;
        string.split_once("</string>").map(|(user, _)| plain(user))
    });
    Some(Installed { flags: arguments.collect(), user })
}

fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_once(key).map(|(_, rest)| rest)
}

/// The strings of an array that has nothing else but blanks.
fn strings(mut text: &str) -> Option<Vec<String>> {
    let mut strings = Vec::new();
    while let Some(rest) = text.trim_start().strip_prefix("<string>") {
        let (string, rest) = rest.split_once("</string>")?;
        strings.push(plain(string));
        text = rest;
    }
    text.trim().is_empty().then_some(strings)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements of an XML document in the order in which they open, with their texts; panics where it
    /// is not well-formed.
    fn parsed(text: &str) -> Vec<(String, String)> {
        let (mut elements, mut open) = (Vec::<(String, String)>::new(), Vec::<usize>::new());
        let mut rest = text;
        while let Some((before, tag)) = rest.split_once('<') {
            if let Some(&element) = open.last() {
                elements[element].1 += &plain(before);
            } else {
                assert!(before.trim().is_empty(), "text outside of elements: {before}");
            }
            if let Some(comment) = tag.strip_prefix("!--") {
                let (comment, after) = comment.split_once("-->").expect("a comment without an end");
                assert!(!comment.contains("--"), "two hyphens in a comment: {comment}");
                rest = after;
                continue;
            }
            let (tag, after) = tag.split_once('>').expect("a tag without an end");
            rest = after;
            if tag.starts_with(['?', '!']) {
                continue;
            }
            if let Some(name) = tag.strip_prefix('/') {
                let element = open.pop().expect("an end without a beginning");
                assert_eq!(elements[element].0, name);
                continue;
            }
            let name = tag.trim_end_matches('/').split(' ').next().unwrap();
            elements.push((name.to_owned(), String::new()));
            if !tag.ends_with('/') {
                open.push(elements.len() - 1);
            }
        }
        assert!(open.is_empty() && rest.trim().is_empty(), "{rest}");
        elements
    }

    fn both() -> [Places; 2] {
        [Places::agent(Path::new("/Users/ann & <bob>"), 501), Places::daemon(Path::new("/"))]
    }

    fn flags(flags: &[&str]) -> Vec<String> {
        flags.iter().map(|flag| (*flag).to_owned()).collect()
    }

    #[test]
    fn what_is_written_is_well_formed_whatever_paths_and_flags_have_in_them() {
        for places in both() {
            let flags = flags(&["--listen", "0.0.0.0", "--backend", "a<b>&amp;\"'-->"]);
            let elements = parsed(&write(&places, &flags, Some("ann")));
            let texts: Vec<_> = elements
                .iter()
                .filter(|(name, _)| name == "string")
                .map(|(_, text)| text)
                .collect();
            let binary = places.binary.to_string_lossy().into_owned();
            assert!(texts.contains(&&binary), "{texts:?}");
            let flags: Vec<_> = flags.iter().collect();
            assert!(texts.windows(flags.len()).any(|part| part == flags), "{texts:?}");
            assert!(elements.iter().all(|(_, text)| !text.contains('@')), "{elements:?}");
        }
    }

    #[test]
    fn keys_and_values_take_turns() {
        for places in both() {
            let elements = parsed(&write(&places, &[], Some("ann")));
            let names: Vec<_> = elements.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names[..3], ["plist", "dict", "key"]);
            for (key, value) in names.iter().zip(&names[1..]) {
                assert!(
                    *key != "key"
                        || ["string", "array", "true", "false", "dict", "integer"].contains(value)
                );
            }
        }
    }

    #[test]
    fn a_service_of_the_machine_says_whose_process_it_is_and_an_agent_does_not() {
        let [agent, daemon] = both();
        assert!(!write(&agent, &[], None).contains("UserName"));
        let text = write(&daemon, &[], Some("ann"));
        assert_eq!(read(&text, &daemon).unwrap().user.as_deref(), Some("ann"));
    }

    #[test]
    fn flags_are_read_back_as_they_were_written() {
        for places in both() {
            for flags in
                [flags(&[]), flags(&["--listen", "[::]:7000"]), flags(&["a&lt;b", "<&>", "x y"])]
            {
                let text = write(&places, &flags, Some("ann"));
                assert_eq!(read(&text, &places).unwrap().flags, flags);
            }
        }
    }

    #[test]
    fn what_somebody_has_changed_is_not_taken_for_ours() {
        let [agent, daemon] = both();
        let text = write(&agent, &flags(&["--once"]), None);
        assert!(read(&text.replace("--log-file", "--log"), &agent).is_none());
        assert!(read(&text.replace("<string>--once</string>", "<true/>"), &agent).is_none());
        assert!(read(&text, &daemon).is_none());
        assert!(read("bplist00", &agent).is_none());
    }
}
