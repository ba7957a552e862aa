//! What `state rm` does in a bucket: everything is copied aside, and only then deleted, the state last. Cut off
//! at any point, nothing is lost and the principal is still known.

use super::objects::{Deleted, Only, Put};
use super::{IN_FLIGHT, S3Lock, S3Store, directory, last_part, lock_path, state_path};
use crate::error::{Error, Result};
use futures_util::stream::{StreamExt, iter};

impl S3Store {
    /// Moves a principal's objects to `ACCOUNT/removed/PRINCIPAL_ID-N`, and says where. Nothing is deleted: it
    /// is evidence.
    ///
    /// # Errors
    /// If one cannot be copied or deleted; what was not deleted is in both places.
    pub async fn remove(&self, locked: S3Lock) -> Result<String> {
        let key = locked.key().clone();
        let from = format!("{}/", directory(&key));
        let removed = format!("{}/removed/", key.account);
        let number = |folder: &str| -> Option<u32> {
            last_part(folder)?.strip_prefix(key.id.as_str())?.strip_prefix('-')?.parse().ok()
        };
        let folders = self.list_at(&removed).await?.folders;
        let n = folders.iter().filter_map(|folder| number(folder)).max().unwrap_or(0) + 1;
        let to = format!("{removed}{}-{n}/", key.id);

        let paths = self.objects.list_deep(&from).await;
        let paths = paths.map_err(|failure| failure.error("list", &self.uri(&from)))?;
        let lock = lock_path(&key);
        let copied: Vec<Result<(String, String)>> =
            iter(paths.into_iter().filter(|path| *path != lock))
                .map(async |path| {
                    let rest = path.strip_prefix(&from).unwrap_or(&path).to_owned();
                    let etag = self.copy_object(&path, &format!("{to}{rest}")).await?;
                    Ok((path, etag))
                })
                .buffered(IN_FLIGHT)
                .collect()
                .await;
        let copied = copied.into_iter().collect::<Result<Vec<_>>>()?;

        let state = state_path(&key);
        let (last, first): (Vec<_>, Vec<_>) =
            copied.into_iter().partition(|(path, _)| *path == state);
        for group in [first, last] {
            let deleted: Vec<Result<()>> = iter(group)
                .map(async |(path, etag)| self.delete_object(&path, &etag).await)
                .buffered(IN_FLIGHT)
                .collect()
                .await;
            deleted.into_iter().collect::<Result<()>>()?;
        }
        locked.release().await?;
        Ok(self.uri(to.trim_end_matches('/')))
    }

    async fn copy_object(&self, from: &str, to: &str) -> Result<String> {
        let gone = || Error::failed(format!("`{}` went as it was read", self.uri(from)));
        let object = self.get(from).await?.ok_or_else(gone)?;
        match self.objects.put(to, &object.bytes, Only::IfAbsent).await {
            Ok(Put::Written(_)) => Ok(object.etag),
            Ok(Put::Not(_)) => Err(Error::failed(format!("`{}` is there already", self.uri(to)))
                .hint("somebody else removes the same state now; look, and try again")),
            Err(failure) => Err(failure.error("write", &self.uri(to))),
        }
    }

    async fn delete_object(&self, path: &str, etag: &str) -> Result<()> {
        match self.objects.delete(path, etag).await {
            Ok(Deleted::Gone) => Ok(()),
            Ok(Deleted::Not(_)) => {
                Err(Error::stale(format!("`{}` was changed as it was moved", self.uri(path)))
                    .detail("a copy was made, and it was not deleted")
                    .hint("see what it says now: ringfence state show"))
            }
            Err(failure) => Err(failure.error("delete", &self.uri(path))),
        }
    }
}
