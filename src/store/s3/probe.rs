//! Whether a bucket can keep a state, found out before anything rests on it.

use super::lock::token;
use super::objects::{Deleted, Only, Put};
use super::{Key, S3Store, directory};
use crate::error::{Error, Result};
use std::sync::atomic::Ordering;

impl S3Store {
    /// Finds out, before anything is changed in IAM, whether the principal's objects can be written and
    /// deleted, and whether the bucket honours conditions: without them a lock would be none.
    ///
    /// # Errors
    /// If not, with the object and the missing permission.
    pub async fn check_writable(&self, key: &Key) -> Result<()> {
        const NO_ETAG: &str = "\"00000000000000000000000000000000\"";
        let path = format!("{}/.probe-{}", directory(key), token()?);
        let refused = |failure: super::failure::Failure| failure.error("write", &self.uri(&path));
        let objects = &self.objects;
        // What is not there is deleted first, so that nothing stays behind of a probe that cannot be deleted.
        objects.delete(&path, NO_ETAG).await.map_err(refused)?;
        let Put::Written(etag) =
            objects.put(&path, b"probe\n", Only::IfAbsent).await.map_err(refused)?
        else {
            return Err(self.unsound("an object of a name made up just now is there already"));
        };
        if !self.sound.load(Ordering::SeqCst) && !objects.is_aws().await {
            let twice = objects.put(&path, b"again\n", Only::IfAbsent).await.map_err(refused)?;
            if matches!(twice, Put::Written(_)) {
                return Err(self.unsound("If-None-Match was ignored: an object was made twice"));
            }
            let other = objects.delete(&path, NO_ETAG).await.map_err(refused)?;
            if matches!(other, Deleted::Gone) {
                return Err(self.unsound("If-Match was ignored: another object was deleted"));
            }
            self.sound.store(true, Ordering::SeqCst);
        }
        objects.delete(&path, &etag).await.map_err(refused)?;
        Ok(())
    }

    fn unsound(&self, what: &str) -> Error {
        Error::failed(format!("`{}` cannot keep a state safely", self.location()))
            .because(format!("its endpoint does not honour conditional writes: {what}"))
            .hint(
                "two could hold the lock at once; use a bucket of AWS's, or a folder: --state DIR",
            )
    }
}
