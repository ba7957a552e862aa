//! Reads objects that are no part of a store, such as logs: any number of them, of any size.

use super::failure::{Failure, Kind};
use super::objects::Objects;
use crate::aws::Settings;
use crate::error::Result;
use crate::store::location::Place;
use aws_config::SdkConfig;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

/// What is larger goes to a temporary file: many are fetched at once.
const SMALL: u64 = 4 << 20;

/// Lists and fetches what is at a place.
#[derive(Debug)]
pub(crate) struct Fetcher {
    objects: Objects,
}

/// An object's content.
pub(crate) enum Fetched {
    /// A small one.
    Bytes(Vec<u8>),
    /// A large one, at its beginning, and its size.
    File(File, u64),
}

impl Fetcher {
    pub(crate) fn new(place: Place, settings: Settings, config: Option<SdkConfig>) -> Self {
        Self { objects: Objects::new(place, settings, config) }
    }

    /// The bucket.
    pub(crate) fn bucket(&self) -> &str {
        self.objects.place.bucket()
    }

    /// Hands out every object at the place, in the order of their keys, with its size: those below it as a folder,
    /// and the one that has just this key.
    ///
    /// # Errors
    /// If it cannot be listed, or `take` says so.
    pub(crate) async fn list(&self, mut take: impl FnMut(&str, u64) -> Result<()>) -> Result<()> {
        const ACTION: &str = "s3:ListBucket";
        let uri = self.objects.place.uri("");
        let own = self.objects.place.object("");
        let own = own.trim_end_matches('/');
        let mut next: Option<String> = None;
        loop {
            let page = self
                .objects
                .ask(ACTION, |client| {
                    client
                        .list_objects_v2()
                        .bucket(self.bucket())
                        .prefix(own)
                        .set_continuation_token(next.clone())
                        .send()
                })
                .await
                .map_err(|failure| failure.of_logs(&uri))?;
            for object in page.contents() {
                let key = object.key().unwrap_or_default();
                let rest = key.strip_prefix(own);
                let here = rest
                    .is_some_and(|rest| own.is_empty() || rest.is_empty() || rest.starts_with('/'));
                // A key that ends with a slash stands for a folder, and holds nothing.
                if here && !key.ends_with('/') {
                    take(
                        key,
                        object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                    )?;
                }
            }
            if !page.is_truncated().unwrap_or(false) {
                return Ok(());
            }
            let token = page.next_continuation_token().map(str::to_owned);
            // To stop here would leave out silently what follows (D2.12).
            if token.is_none() || token == next {
                let why = "the listing says that more follows, and not where";
                return Err(Failure::senseless(ACTION, why).of_logs(&uri));
            }
            next = token;
        }
    }

    /// An object's content, or in words why there is none: one that cannot be read does not end the reading.
    pub(crate) async fn fetch(&self, key: &str) -> Result<Fetched, String> {
        let asked = self
            .objects
            .ask("s3:GetObject", |client| client.get_object().bucket(self.bucket()).key(key).send())
            .await;
        let output = asked.map_err(|failure| match failure.kind {
            Kind::Denied => format!(
                "{}; it takes s3:GetObject, and kms:Decrypt if it is encrypted",
                failure.cause()
            ),
            _ => failure.cause(),
        })?;
        let large = output
            .content_length()
            .is_none_or(|size| u64::try_from(size).is_ok_and(|size| size > SMALL));
        let mut body = output.body;
        let mut bytes = Vec::new();
        let mut file = if large {
            Some(tempfile::tempfile().map_err(|error| error.to_string())?)
        } else {
            None
        };
        let mut size = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| format!("the answer was cut off: {error}"))?;
            size += chunk.len() as u64;
            match &mut file {
                Some(file) => file.write_all(&chunk).map_err(|error| error.to_string())?,
                None => bytes.extend_from_slice(&chunk),
            }
        }
        match file {
            Some(mut file) => {
                file.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
                Ok(Fetched::File(file, size))
            }
            None => Ok(Fetched::Bytes(bytes)),
        }
    }
}
