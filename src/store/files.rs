//! What the store does with files: private modes, atomic writes, durable names, and errors that name the path.

use crate::error::{Error, Result};
use crate::text::shown;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files of an incident are for their owner alone (D2.11).
const FILE_MODE: u32 = 0o600;
/// So are its directories.
pub(super) const DIRECTORY_MODE: u32 = 0o700;

/// A path as an error shows it (D2.14).
pub(super) fn name(path: &Path) -> String {
    shown(&path.display().to_string()).into_owned()
}

/// The error of a read that failed.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::failed(format!("cannot read `{}`", name(path))).because(error).hint(
        "make it readable for this account of the machine, or name another store: --state DIR",
    )
}

/// The error of a write that failed.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::failed(format!("cannot write `{}`", name(path)))
        .because(error)
        .hint("a store elsewhere works now: --state DIR")
}

/// What stands at a path itself, a link not followed; `None` if nothing does.
pub(super) fn stat(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Refuses a path on which something below `location` is a symbolic link: the record could be pointed elsewhere.
///
/// The location itself may be one: that is its owner's choice.
pub(super) fn no_links(location: &Path, path: &Path) -> Result<()> {
    let mut at = location.to_owned();
    for part in path.strip_prefix(location).unwrap_or(path).components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Ok(metadata) if metadata.is_symlink() => {
                return Err(Error::failed(format!("`{}` is a symbolic link", name(&at)))
                    .because("the store follows none below its location, so that no record is pointed elsewhere")
                    .hint("put what it points to in its place, or name that place: --state DIR"));
            }
            Ok(_) => {}
            // Nothing lies below; whether that is an error is for the read or write that follows.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                break;
            }
            Err(error) => return Err(unreadable(&at, &error)),
        }
    }
    Ok(())
}

/// The content of a regular file; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match stat(path)? {
        None => return Ok(None),
        // Opening a pipe or a device could wait for ever.
        Some(metadata) if !metadata.is_file() => {
            return Err(Error::failed(format!("`{}` is no regular file", name(path)))
                .because("only a regular file can be part of the store")
                .hint("move it away, or name another store: --state DIR"));
        }
        Some(_) => {}
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// The names in a directory, sorted; empty if it is not there. What is no UTF-8 is not ours.
pub(super) fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(directory, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(directory, &error))?;
        names.extend(entry.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// Makes a directory and those above it that are missing, each durable. What is there keeps its mode.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    if above != path {
        make_directory(&above)?;
    }
    let refused = |cause: String| {
        Error::failed(format!("cannot make the directory `{}`", name(path)))
            .because(cause)
            .hint("a store elsewhere works now: --state DIR")
    };
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Ok(()) => sync_directory(&above),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match path.is_dir() {
            true => Ok(()),
            false => Err(refused("something that is no directory is in its place".to_owned())),
        },
        Err(error) => Err(refused(error.to_string())),
    }
}

/// The directory that a path is in.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(above) if above.as_os_str().is_empty() => PathBuf::from("."),
        Some(above) => above.to_owned(),
        None => path.to_owned(),
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| unwritable(path, &error))
}

/// Creates a file that must not exist, for appending. A link in its place is not followed.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Opens a file for appending after its first bytes; what follows them goes, durably.
pub(super) fn open_append(path: &Path, length: u64) -> io::Result<File> {
    let file = OpenOptions::new().append(true).open(path)?;
    if file.metadata()?.len() != length {
        file.set_len(length)?;
        file.sync_all()?;
    }
    Ok(file)
}

/// Opens the lock file, and makes it if it is missing. It is never replaced, or two could hold it.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
}

/// Whether an open file still is the one at the path.
pub(super) fn is_still_at(file: &File, path: &Path) -> Result<bool> {
    let open = file.metadata().map_err(|error| unreadable(path, &error))?;
    Ok(stat(path)?.is_some_and(|now| (now.dev(), now.ino()) == (open.dev(), open.ino())))
}

/// Writes a file so that a crash leaves the old content or the new: temporary file, sync, rename, sync of the
/// directory (D5). The caller holds the lock, so what is left of an earlier crash is nobody's and goes.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    if stat(&temporary)?.is_some() {
        fs::remove_file(&temporary).map_err(|error| unwritable(&temporary, &error))?;
    }
    let written = create_new(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if let Err(error) = written {
        // What matters is the error; what stays behind is harmless and goes with the next write.
        let _ = fs::remove_file(&temporary);
        return Err(unwritable(path, &error));
    }
    sync_directory(&parent(path))
}

/// Finds out whether files can be made in a directory, by making one.
pub(super) fn probe(directory: &Path, unique: &str) -> Result<()> {
    let path = directory.join(format!(".probe-{unique}"));
    // Left by a process of the same number that was killed in between.
    let _ = fs::remove_file(&path);
    create_new(&path)
        .and_then(|mut file| {
            let written = file.write_all(b"probe\n").and_then(|()| file.sync_all());
            // A full disk must not leave the probe behind.
            fs::remove_file(&path).and(written)
        })
        .map_err(|error| {
            Error::failed(format!("the state directory `{}` cannot be written", name(directory)))
                .because(error)
                .hint("a store elsewhere works now: --state DIR")
        })
}
