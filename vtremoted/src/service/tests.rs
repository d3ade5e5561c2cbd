//! What installing, removing and looking do to a machine.

use super::install::{Order, install};
use super::plist;
use super::readiness::{LogEnd, served};
use super::status::status;
use super::testing::{LISTENING, Scratch};
use super::uninstall::uninstall;
use crate::{Arguments, Error};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use vtremote_link::Address;

fn flags(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn installed(scratch: &Scratch, flags: &[String]) -> String {
    install(&scratch.machine, &scratch.places, &scratch.order(flags)).unwrap()
}

fn refused(scratch: &Scratch, order: &Order<'_>) -> String {
    install(&scratch.machine, &scratch.places, order).unwrap_err().to_string()
}

fn flags_of(scratch: &Scratch) -> Vec<String> {
    let text = fs::read_to_string(&scratch.places.plist).unwrap();
    plist::read(&text, &scratch.places).unwrap().flags
}

#[test]
fn an_agent_is_a_program_a_token_of_its_user_s_alone_a_plist_and_a_process() {
    let scratch = Scratch::new();
    let said = installed(&scratch, &flags(&["--listen", "0.0.0.0"]));
    let process = scratch.machine.process().expect("it runs");
    assert!(said.contains(&process.to_string()), "{said}");
    assert_eq!(fs::read(&scratch.places.binary).unwrap(), b"a program");
    assert_eq!((mode(&scratch.places.binary), mode(&scratch.places.plist)), (0o755, 0o644));
    assert_eq!(mode(&scratch.places.token), 0o600);
    assert_eq!(fs::read_to_string(&scratch.places.token).unwrap().trim().len(), 48);
    assert_eq!(flags_of(&scratch), ["--listen", "0.0.0.0"]);
    assert!(scratch.places.logs.is_dir());
    let calls = scratch.machine.calls.borrow();
    assert!(calls.iter().any(|call| call.contains("bootstrap gui/501 ")), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains("chown")), "{calls:?}");
}

#[test]
fn its_directories_are_open_to_it_whatever_the_mask_of_who_installs_it() {
    let scratch = Scratch::new();
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let said = install(&scratch.machine, &scratch.places, &scratch.order(&[]));
    rustix::process::umask(mask);
    said.unwrap();
    assert_eq!((mode(&scratch.places.support), mode(&scratch.places.logs)), (0o755, 0o755));
}

#[test]
fn installing_the_same_again_leaves_the_process_alone() {
    let scratch = Scratch::new();
    installed(&scratch, &flags(&["--max-sessions", "2"]));
    let (process, token) = (scratch.machine.process(), fs::read(&scratch.places.token).unwrap());
    let said = installed(&scratch, &[]);
    assert!(said.contains("as it is"), "{said}");
    installed(&scratch, &flags(&["--max-sessions", "2"]));
    assert_eq!(scratch.machine.process(), process);
    assert_eq!(fs::read(&scratch.places.token).unwrap(), token);
}

#[test]
fn installing_the_same_again_starts_a_process_anew_that_does_not_answer() {
    let scratch = Scratch::new();
    installed(&scratch, &flags(&["--max-sessions", "2"]));
    let (process, token) = (scratch.machine.process(), fs::read(&scratch.places.token).unwrap());
    scratch.machine.answers_after.set(Duration::from_secs(3600));
    let said = installed(&scratch, &[]);
    assert!(said.contains("serves, process") && !said.contains("as it is"), "{said}");
    assert_ne!(scratch.machine.process(), process);
    assert_eq!(fs::read(&scratch.places.token).unwrap(), token);
}

#[test]
fn an_update_keeps_flags_and_token_and_runs_the_new_program() {
    let scratch = Scratch::new();
    installed(&scratch, &flags(&["--listen", "[::]:7000"]));
    let (process, token) = (scratch.machine.process(), fs::read(&scratch.places.token).unwrap());
    let inode = fs::metadata(&scratch.places.binary).unwrap().ino();
    fs::write(&scratch.executable, "a newer program").unwrap();
    scratch.machine.slow_to_stop.set(9);
    installed(&scratch, &[]);
    assert_ne!(scratch.machine.process(), process);
    assert_eq!(fs::read(&scratch.places.binary).unwrap(), b"a newer program");
    assert_eq!(flags_of(&scratch), ["--listen", "[::]:7000"]);
    assert_eq!(fs::read(&scratch.places.token).unwrap(), token);
    // Another file: writing into one that runs gets it killed.
    assert_ne!(fs::metadata(&scratch.places.binary).unwrap().ino(), inode);
}

#[test]
fn new_flags_take_the_place_of_the_old_ones() {
    let scratch = Scratch::new();
    installed(&scratch, &flags(&["--listen", "0.0.0.0"]));
    let process = scratch.machine.process();
    installed(&scratch, &flags(&["--log-level", "debug"]));
    assert_eq!(flags_of(&scratch), ["--log-level", "debug"]);
    assert_ne!(scratch.machine.process(), process);
}

#[test]
fn an_installation_that_was_cut_short_is_completed() {
    let scratch = Scratch::new();
    installed(&scratch, &[]);
    // As after a reboot into a launchd that has lost it, with a file half written.
    *scratch.machine.service.borrow_mut() = None;
    fs::write(scratch.places.support.join("vtremoted.new"), "half").unwrap();
    fs::remove_file(&scratch.places.binary).unwrap();
    installed(&scratch, &[]);
    assert!(scratch.machine.process().is_some());
    assert_eq!(fs::read(&scratch.places.binary).unwrap(), b"a program");
    assert!(!scratch.places.support.join("vtremoted.new").exists());
}

#[test]
fn an_update_whose_old_process_would_not_go_is_made_up_for() {
    let scratch = Scratch::new();
    installed(&scratch, &[]);
    let process = scratch.machine.process();
    fs::write(&scratch.executable, "a newer program").unwrap();
    scratch.machine.slow_to_stop.set(u32::MAX);
    assert!(refused(&scratch, &scratch.order(&[])).contains("still there"));
    // It stays after all: a launchd that was not asked.
    scratch.machine.forget_stopping();
    scratch.machine.slow_to_stop.set(0);
    installed(&scratch, &[]);
    assert_ne!(scratch.machine.process(), process);
    assert_eq!(fs::read(&scratch.places.binary).unwrap(), b"a newer program");
}

#[test]
fn a_launchd_that_is_not_ready_yet_is_asked_again() {
    let scratch = Scratch::new();
    scratch.machine.refusals.set(3);
    installed(&scratch, &[]);
    assert!(scratch.machine.process().is_some());
}

#[test]
fn a_launchd_that_refuses_for_good_is_an_error_with_its_words() {
    let scratch = Scratch::new();
    scratch.machine.refusals.set(u32::MAX);
    let error = refused(&scratch, &scratch.order(&[]));
    assert!(error.contains("Input/output error") && error.contains("logged in"), "{error}");
}

#[test]
fn a_service_that_ends_at_once_is_an_error_that_names_the_log() {
    let scratch = Scratch::new();
    scratch.machine.fails.set(true);
    scratch.machine.says.borrow_mut().clear();
    let error = refused(&scratch, &scratch.order(&[]));
    assert!(error.contains("vtremoted.log") && error.contains("exit code: 1"), "{error}");
}

#[test]
fn a_service_that_is_not_started_again_is_not_waited_for() {
    let scratch = Scratch::new();
    scratch.machine.stays_down.set(true);
    let line = "vtremoted: cannot listen on 127.0.0.1:5555: Address already in use";
    *scratch.machine.says.borrow_mut() = vec![(Duration::ZERO, line)];
    let error = refused(&scratch, &scratch.order(&[]));
    assert!(error.contains("does not run (its exit code: 1)") && error.ends_with(line), "{error}");
    assert!(scratch.machine.passed() < Duration::from_secs(1));
}

#[test]
fn a_service_runs_when_its_log_says_that_it_listens() {
    for (line, last) in [
        (LISTENING, 9),
        (r#"{"timestamp":"2026","level":"INFO","message":"listening","address":"[::]:5555"}"#, 3),
    ] {
        let scratch = Scratch::new();
        let says = [(Duration::ZERO, "INFO encoder"), (Duration::from_secs(last), line)];
        *scratch.machine.says.borrow_mut() = says.into();
        let said = installed(&scratch, &[]);
        assert!(said.contains(&scratch.machine.process().unwrap().to_string()), "{said}");
        assert_eq!(scratch.machine.passed(), Duration::from_secs(last));
        assert!(scratch.machine.asked.borrow().is_empty());
    }
}

#[test]
fn what_the_log_said_before_does_not_count_unless_it_has_begun_anew() {
    let scratch = Scratch::new();
    installed(&scratch, &[]);
    *scratch.machine.says.borrow_mut() = vec![(Duration::from_secs(2), "INFO encoder h264")];
    let error = refused(&scratch, &scratch.order(&flags(&["--max-sessions", "2"])));
    let end = format!("the last line of {}: INFO encoder h264", scratch.places.log.display());
    assert!(error.contains("not listen after 60 s") && error.ends_with(&end), "{error}");
    // Whatever is wrong with it, the next one says more.
    fs::write(&scratch.places.log, LISTENING.repeat(9)).unwrap();
    let log = LogEnd::of(&scratch.places.log);
    fs::write(&scratch.places.log, LISTENING).unwrap();
    let settings = Arguments::fit_for_a_service(&[]).unwrap();
    assert!(served(&scratch.machine, &scratch.places, &settings, &log).is_ok());
}

#[test]
fn a_service_that_says_nothing_is_an_error_after_a_minute() {
    let scratch = Scratch::new();
    scratch.machine.says.borrow_mut().clear();
    let error = refused(&scratch, &scratch.order(&[]));
    assert!(error.contains("not listen after 60 s") && error.ends_with("says nothing"), "{error}");
    assert_eq!(scratch.machine.passed(), Duration::from_secs(60));
    assert!(scratch.machine.asked.borrow().is_empty(), "its log would have said so");
}

#[test]
fn a_service_whose_log_leaves_it_out_is_asked() {
    for (level, listen, host, port) in [
        ("warn", "0.0.0.0", "127.0.0.1", 5555),
        ("error", ":7000", "::1", 7000),
        ("0", "10.1.2.3", "10.1.2.3", 5555),
    ] {
        let scratch = Scratch::new();
        scratch.machine.says.borrow_mut().clear();
        scratch.machine.answers_after.set(Duration::from_secs(48));
        installed(&scratch, &flags(&["--log-level", level, "--listen", listen]));
        let asked = scratch.machine.asked.take();
        assert_eq!(asked, [Address { host: host.into(), port }]);
        assert_eq!(scratch.machine.passed(), Duration::from_secs(48));
        scratch.machine.answers_after.set(Duration::from_secs(61));
        let more = flags(&["--log-level", level, "--max-sessions", "1"]);
        let error = refused(&scratch, &scratch.order(&more));
        assert!(error.contains("not listen after 60 s"), "{error}");
    }
}

#[test]
fn an_answer_of_another_program_at_its_address_is_not_the_service_s() {
    let scratch = Scratch::new();
    scratch.machine.stays_down.set(true);
    let error = refused(&scratch, &scratch.order(&flags(&["--log-level", "warn"])));
    assert!(
        !scratch.machine.asked.borrow().is_empty() && error.contains("does not run"),
        "{error}"
    );
}

#[test]
fn a_service_that_does_not_stop_is_an_error_and_not_waited_for_for_ever() {
    let scratch = Scratch::new();
    installed(&scratch, &[]);
    scratch.machine.slow_to_stop.set(u32::MAX);
    let error = uninstall(&scratch.machine, &scratch.places).unwrap_err().to_string();
    assert!(error.contains("still there"), "{error}");
    assert!(scratch.places.plist.exists(), "what is not stopped is not removed");
}

#[test]
fn a_token_that_others_can_read_is_closed_and_one_that_is_given_is_taken() {
    let scratch = Scratch::new();
    installed(&scratch, &[]);
    fs::set_permissions(&scratch.places.token, fs::Permissions::from_mode(0o644)).unwrap();
    let token = fs::read(&scratch.places.token).unwrap();
    installed(&scratch, &[]);
    assert_eq!(mode(&scratch.places.token), 0o600);
    assert_eq!(fs::read(&scratch.places.token).unwrap(), token);
    let given = scratch.file("given", "secret\n");
    let process = scratch.machine.process();
    install(
        &scratch.machine,
        &scratch.places,
        &Order { token_file: Some(&given), ..scratch.order(&[]) },
    )
    .unwrap();
    assert_eq!(fs::read(&scratch.places.token).unwrap(), b"secret\n");
    assert_eq!(mode(&scratch.places.token), 0o600);
    assert_ne!(scratch.machine.process(), process, "the old token is still in use");
    let empty = scratch.file("empty", "\n");
    let error = refused(&scratch, &Order { token_file: Some(&empty), ..scratch.order(&[]) });
    assert!(error.contains("no token"), "{error}");
}

#[test]
fn flags_that_cannot_be_a_service_s_are_refused_and_nothing_is_written() {
    for (wrong, says) in [
        (&["--colour"][..], "--colour"),
        (&["--once"], "--once"),
        (&["--token", "secret"], "--token"),
        (&["--token-file", "x"], "before the --"),
        (&["--log-file", "x"], "its own"),
        (&["--listen", "127.0.0.1:0"], "port 0"),
        (&["--listen", "http://x"], "--listen"),
        (&["--version"], "only flags"),
        (&["service", "status"], "only flags"),
        (&["--backend", "a\nb"], "control character"),
    ] {
        let scratch = Scratch::new();
        let wrong = flags(wrong);
        let error = refused(&scratch, &scratch.order(&wrong));
        assert!(error.contains(says), "{wrong:?}: {error}");
        assert!(!scratch.places.support.exists() && !scratch.places.plist.exists());
        assert!(scratch.machine.process().is_none());
    }
}

#[test]
fn the_machine_s_service_is_of_a_user_without_rights_and_its_program_the_administrator_s() {
    let scratch = Scratch::system();
    installed(&scratch, &[]);
    let calls = scratch.machine.calls.borrow();
    assert!(calls.iter().any(|call| call.contains("bootstrap system ")), "{calls:?}");
    let owned = calls.iter().filter_map(|call| call.strip_prefix("/usr/sbin/chown -h ann "));
    let own = [&scratch.places.token, &scratch.places.logs].map(|path| path.to_str().unwrap());
    assert_eq!(owned.collect::<Vec<_>>(), own);
    let text = fs::read_to_string(&scratch.places.plist).unwrap();
    assert_eq!(plist::read(&text, &scratch.places).unwrap().user.as_deref(), Some("ann"));
}

#[test]
fn the_machine_s_service_keeps_its_user_whoever_updates_it() {
    let scratch = Scratch::system();
    let user = |user, caller| {
        let order = Order { user, caller, ..scratch.order(&[]) };
        install(&scratch.machine, &scratch.places, &order).map(|_| {
            let text = fs::read_to_string(&scratch.places.plist).unwrap();
            plist::read(&text, &scratch.places).unwrap().user.unwrap()
        })
    };
    assert!(matches!(user(None, None), Err(Error::Usage(_))));
    assert!(matches!(user(None, Some("root")), Err(Error::Usage(_))));
    assert!(matches!(user(Some("nobody-here"), None), Err(Error::Usage(_))));
    assert_eq!(user(None, Some("ann")).unwrap(), "ann");
    assert_eq!(user(None, Some("bob")).unwrap(), "ann");
    assert_eq!(user(Some("bob"), Some("ann")).unwrap(), "bob");
}

#[test]
fn an_agent_as_root_and_the_machine_s_service_without_are_refused() {
    let scratch = Scratch::new();
    scratch.machine.user_id.set(0);
    assert!(refused(&scratch, &scratch.order(&[])).contains("leave sudo out"));
    assert!(uninstall(&scratch.machine, &scratch.places).is_err());
    let scratch = Scratch::system();
    scratch.machine.user_id.set(501);
    assert!(refused(&scratch, &scratch.order(&[])).contains("sudo"));
    assert!(uninstall(&scratch.machine, &scratch.places).is_err());
}

#[test]
fn a_plist_that_somebody_has_changed_is_not_overwritten() {
    let scratch = Scratch::new();
    installed(&scratch, &[]);
    let text = fs::read_to_string(&scratch.places.plist).unwrap();
    let changed = text.replace("--log-file", "--log");
    fs::write(&scratch.places.plist, &changed).unwrap();
    assert!(refused(&scratch, &scratch.order(&[])).contains("somebody has changed it"));
    assert_eq!(fs::read_to_string(&scratch.places.plist).unwrap(), changed);
}

#[test]
fn what_is_removed_is_gone_but_for_token_and_log_and_removing_twice_is_removing_once() {
    let scratch = Scratch::new();
    installed(&scratch, &[]);
    scratch.machine.slow_to_stop.set(3);
    let said = uninstall(&scratch.machine, &scratch.places).unwrap();
    assert!(said.contains("removed") && said.contains("token"), "{said}");
    assert!(scratch.machine.service.borrow().is_none());
    assert!(!scratch.places.plist.exists() && !scratch.places.binary.exists());
    assert!(scratch.places.token.exists() && scratch.places.logs.exists());
    let said = uninstall(&scratch.machine, &scratch.places).unwrap();
    assert!(said.contains("is not installed"), "{said}");
}

#[test]
fn the_status_says_what_runs_and_what_is_amiss() {
    let scratch = Scratch::new();
    let look = || status(&scratch.machine, &scratch.places, Some(&scratch.executable)).unwrap();
    let before = look();
    assert!(!before.running && before.text.contains("not installed"), "{}", before.text);
    installed(&scratch, &flags(&["--listen", "0.0.0.0"]));
    let running = look();
    assert!(running.running && running.text.contains("running, process"), "{}", running.text);
    assert!(running.text.contains("--listen 0.0.0.0"), "{}", running.text);
    assert!(!running.text.contains("another than") && !running.text.contains("mode"));
    fs::write(&scratch.executable, "a newer program").unwrap();
    fs::set_permissions(&scratch.places.token, fs::Permissions::from_mode(0o640)).unwrap();
    let amiss = look().text;
    assert!(amiss.contains("another than this one") && amiss.contains("mode is 640"), "{amiss}");
    *scratch.machine.service.borrow_mut() = None;
    let lost = look();
    assert!(!lost.running && lost.text.contains("launchd does not have it"), "{}", lost.text);
}
