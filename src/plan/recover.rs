//! Where a new key goes, and how it is checked before its plan counts as done.

use serde::{Deserialize, Serialize};

/// What apply does with a new key, besides the steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// Where the key goes. What cannot be stored there is deactivated and deleted again.
    pub to: Destination,
    /// For how long it may take until the key authenticates, in seconds (F29).
    pub check_for_s: u32,
    /// The actions that the user has to be allowed, as `SERVICE:ACTION`.
    pub probes: Vec<String>,
    /// Whether the key is made though the user is not contained.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub override_containment: bool,
}

/// Where a new key goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// A secret of AWS Secrets Manager, as a new version of it.
    Secret {
        /// Its ARN; of one that is still to be made, its name.
        id: String,
        /// The Region that it is made in; an ARN tells its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        /// The fields of its JSON that take the key.
        fields: Fields,
    },
    /// A profile of the AWS credentials file.
    Profile {
        /// The file.
        file: String,
        /// The profile.
        profile: String,
    },
    /// Standard output (D2.11).
    Stdout,
}

/// The names of two fields in a secret's JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// The one that takes the key's ID.
    pub access_key_id: String,
    /// The one that takes its secret.
    pub secret_access_key: String,
}

impl Default for Fields {
    /// As the variables of the environment are called.
    fn default() -> Self {
        Self {
            access_key_id: "AWS_ACCESS_KEY_ID".to_owned(),
            secret_access_key: "AWS_SECRET_ACCESS_KEY".to_owned(),
        }
    }
}

impl Fields {
    /// The pairs of names that are commonly used, the most usual first.
    const COMMON: [(&'static str, &'static str); 8] = [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("aws_access_key_id", "aws_secret_access_key"),
        ("AccessKeyId", "SecretAccessKey"),
        ("accessKeyId", "secretAccessKey"),
        ("access_key_id", "secret_access_key"),
        ("access_key", "secret_key"),
        ("accessKey", "secretKey"),
        ("AccessKey", "SecretKey"),
    ];

    /// The pair that is in use among the names of a secret's fields; `None` if there is none, or more than one.
    #[must_use]
    pub fn found_in<'n>(names: impl Iterator<Item = &'n str>) -> Option<Self> {
        let names: Vec<&str> = names.collect();
        let mut found =
            Self::COMMON.iter().filter(|(id, secret)| names.contains(id) && names.contains(secret));
        let (id, secret) = found.next()?;
        found.next().is_none().then(|| Self {
            access_key_id: (*id).to_owned(),
            secret_access_key: (*secret).to_owned(),
        })
    }

    /// Two names with a comma between them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once(',')?;
        let (id, secret) = (id.trim(), secret.trim());
        let named = |name: &str| !name.is_empty() && !name.chars().any(char::is_control);
        (named(id) && named(secret) && id != secret)
            .then(|| Self { access_key_id: id.to_owned(), secret_access_key: secret.to_owned() })
    }
}
