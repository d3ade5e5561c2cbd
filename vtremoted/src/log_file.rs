use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file has this many bytes at most, unless a single line has more.
const LIMIT: u64 = 10_000_000;

/// So many older files are kept.
const KEPT: u32 = 5;

/// A log that does not grow for ever: FILE, and before it FILE.1 to FILE.5, the oldest last.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl LogFile {
    /// Goes on where the file ends. Makes it, readable for everyone, if it is not there; one that cannot be
    /// written to, as another user's, becomes FILE.1.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::with_limit(path, LIMIT)
    }

    fn with_limit(path: &Path, limit: u64) -> io::Result<Self> {
        let file = append(path).or_else(|error| {
            // The first reason is the one to know.
            put_aside(path).and_then(|()| append(path)).map_err(|_| error)
        })?;
        let size = file.metadata()?.len();
        Ok(LogFile { path: path.to_owned(), file, size, limit })
    }

    fn rotate(&mut self) -> io::Result<()> {
        put_aside(&self.path)?;
        self.file = append(&self.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }
}

/// Makes FILE.1 of the file, and room for it.
fn put_aside(path: &Path) -> io::Result<()> {
    let numbered = |number: u32| {
        let mut name = OsString::from(path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in (1..KEPT).rev() {
        rename(&numbered(number), &numbered(number + 1))?;
    }
    rename(path, &numbered(1))
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Renames a file if it is there.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.size > 0 && self.size.saturating_add(line.len() as u64) > self.limit {
            // A file that is too long is better than a line that is lost: it is tried again at the next.
            let _ = self.rotate();
        }
        let written = self.file.write(line)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Folder;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_full_file_is_kept_under_a_number_and_no_line_is_cut_or_lost() {
        let folder = Folder::new();
        let path = folder.path().join("log");
        let mut log = LogFile::with_limit(&path, 10).unwrap();
        for line in ["one 1\n", "two 2\n", "3\n", "three\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(read(&path), "three\n");
        assert_eq!(read(&folder.path().join("log.1")), "two 2\n3\n");
        assert_eq!(read(&folder.path().join("log.2")), "one 1\n");
    }

    #[test]
    fn no_more_than_five_older_files_are_kept_whoever_wrote_them() {
        let folder = Folder::new();
        let path = folder.path().join("log");
        for number in 0..9 {
            // Each as a process of its own would.
            let mut log = LogFile::with_limit(&path, 4).unwrap();
            log.write_all(format!("{number}...\n").as_bytes()).unwrap();
        }
        assert_eq!(read(&path), "8...\n");
        assert_eq!(read(&folder.path().join("log.5")), "3...\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[test]
    fn what_cannot_be_written_to_is_put_aside() {
        let folder = Folder::new();
        let path = folder.path().join("log");
        fs::create_dir(&path).unwrap();
        let mut log = LogFile::open(&path).unwrap();
        log.write_all(b"line\n").unwrap();
        assert_eq!(read(&path), "line\n");
        assert!(folder.path().join("log.1").is_dir());
        let nowhere = folder.path().join("no/log");
        assert_eq!(LogFile::open(&nowhere).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn where_nothing_can_be_renamed_the_file_grows_and_has_every_line() {
        let folder = Folder::new();
        let path = folder.path().join("log");
        // A directory with something in it is in the way.
        fs::create_dir_all(folder.path().join("log.5/x")).unwrap();
        fs::write(folder.path().join("log.4"), "old").unwrap();
        let mut log = LogFile::with_limit(&path, 4).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        drop(log);
        assert_eq!(read(&path), "one\ntwo\nthree\n");
        assert_eq!(read(&folder.path().join("log.4")), "old");
    }
}
