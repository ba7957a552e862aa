//! Logs in a bucket: listed page by page, fetched one by one.

use super::Access;
use super::names::{Name, Names};
use super::supply::Content;
use crate::error::Result;
use crate::store::{Fetched, Fetcher, Place};
use crate::text::shown;

/// A place in a bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    fetcher: Fetcher,
}

impl Bucket {
    pub(super) fn new(place: Place, access: &Access) -> Self {
        Self { fetcher: Fetcher::new(place, access.settings.clone(), access.sdk.clone()) }
    }

    /// The objects, in the order of their names.
    pub(super) async fn list(&self, source: u16, names: &mut Names) -> Result<()> {
        self.fetcher.list(|key, size| names.push(source, key.as_bytes(), size)).await
    }

    /// An object's content, or why there is none.
    pub(super) async fn fetch(&self, name: &Name) -> Result<Content, String> {
        match self.fetcher.fetch(&String::from_utf8_lossy(&name.bytes)).await? {
            Fetched::Bytes(bytes) => Ok(Content::Bytes(bytes)),
            Fetched::File(file, size) => Ok(Content::File(file, size)),
        }
    }

    pub(super) fn uri(&self, name: &Name) -> String {
        let key = String::from_utf8_lossy(&name.bytes);
        format!("s3://{}/{}", self.fetcher.bucket(), shown(&key))
    }
}
