//! Finds the files below a path, in a fixed order. Links below it are not followed, and said.

use super::names::Names;
use crate::error::{Error, Result};
use crate::text::shown;
use crate::trail::{Flaw, Tally};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Folders within folders are followed so deep; a trail's are twelve.
const DEPTH: usize = 64;

pub(super) fn walk(path: &Path, source: u16, names: &mut Names, tally: &mut Tally) -> Result<()> {
    let refused = |error: std::io::Error| {
        Error::failed(format!("`{}` could not be read", shown(&path.display().to_string())))
            .because(error)
            .hint("give a file, a folder or s3://BUCKET/PREFIX: --logs PATH")
    };
    // The path itself may be a link: that is its owner's choice.
    let metadata = fs::metadata(path).map_err(refused)?;
    if !metadata.is_dir() && !metadata.is_file() {
        return Err(refused(std::io::Error::other("it is no regular file")));
    }
    if !metadata.is_dir() {
        return names.push(source, path.as_os_str().as_bytes(), metadata.len());
    }
    let mut waiting = vec![(path.to_owned(), 0)];
    let entries = sorted(path).map_err(refused)?;
    waiting.clear();
    waiting.extend(entries.into_iter().rev().map(|path| (path, 1)));
    while let Some((path, depth)) = waiting.pop() {
        let mut unread = |why: &str| {
            tally.add(Flaw::Unreadable, names.len() as u64, &path.display().to_string(), 0, why);
        };
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                unread(&error.to_string());
                continue;
            }
        };
        let kind = metadata.file_type();
        if kind.is_symlink() {
            unread("a symbolic link, not followed");
        } else if kind.is_dir() && depth >= DEPTH {
            unread("too deep");
        } else if kind.is_dir() {
            match sorted(&path) {
                Ok(entries) => {
                    waiting.extend(entries.into_iter().rev().map(|path| (path, depth + 1)));
                }
                Err(error) => unread(&error.to_string()),
            }
        } else if kind.is_file() {
            names.push(source, path.as_os_str().as_bytes(), metadata.len())?;
        } else {
            unread("no regular file");
        }
    }
    Ok(())
}

fn sorted(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort_unstable();
    Ok(paths)
}
