use crate::ffi::{AvError, Lines};

/// What is told of packets that were not decoded as they should have been. The same of many packets
/// in a row is told once and then counted.
#[derive(Default)]
pub(crate) struct Complaints {
    last: Option<String>,
    /// How often the last came again and was not told.
    again: u64,
}

/// After how many untold repeats one is told all the same.
const REPEATS: u64 = 1000;

impl Complaints {
    /// The warnings that follow from what libavcodec said at `place`, which is a packet.
    pub(crate) fn about(
        &mut self,
        place: &str,
        lines: Lines,
        error: Option<&AvError>,
    ) -> Vec<String> {
        let Some(what) = text(lines, error) else { return Vec::new() };
        if self.last.as_ref() == Some(&what) {
            self.again += 1;
            return match self.again {
                REPEATS => self.rest().into_iter().collect(),
                _ => Vec::new(),
            };
        }
        let mut warnings: Vec<String> = self.rest().into_iter().collect();
        warnings.push(format!("{place}: {what}"));
        self.last = Some(what);
        warnings
    }

    /// What was counted and not told.
    pub(crate) fn rest(&mut self) -> Option<String> {
        let again = std::mem::take(&mut self.again);
        let last = self.last.as_ref().filter(|_| again > 0)?;
        let packets =
            if again == 1 { "1 more packet".into() } else { format!("{again} more packets") };
        Some(format!("the same of {packets}: {last}"))
    }
}

/// The first line, which is the cause, how many followed from it, and the error's text.
fn text(lines: Lines, error: Option<&AvError>) -> Option<String> {
    let Lines { first, more } = lines;
    let first = first.map(|line| match more {
        0 => line,
        1 => format!("{line}, and 1 more line"),
        _ => format!("{line}, and {more} more lines"),
    });
    match (first, error) {
        (Some(lines), Some(error)) => Some(format!("{lines} ({error})")),
        (lines, error) => lines.or_else(|| error.map(AvError::to_string)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, more: u64) -> Lines {
        Lines { first: Some(text.into()), more }
    }

    #[test]
    fn nothing_said_is_no_warning() {
        assert!(Complaints::default().about("packet 1", Lines::default(), None).is_empty());
    }

    #[test]
    fn a_warning_has_the_place_and_the_first_line() {
        let mut complaints = Complaints::default();
        let told = complaints.about("packet 1", line("no frame!", 2), None);
        assert_eq!(told, ["packet 1: no frame!, and 2 more lines"]);
    }

    #[test]
    fn the_same_over_and_over_is_counted() {
        let mut complaints = Complaints::default();
        let mut about =
            |at: u64, what| complaints.about(&format!("packet {at}"), line(what, 0), None);
        assert_eq!(about(1, "a"), ["packet 1: a"]);
        assert!((2..REPEATS + 1).all(|at| about(at, "a").is_empty()));
        assert_eq!(about(0, "a"), ["the same of 1000 more packets: a"]);
        assert!(about(0, "a").is_empty());
        assert_eq!(about(7, "b"), ["the same of 1 more packet: a", "packet 7: b"]);
        assert_eq!(complaints.rest(), None);
    }
}
