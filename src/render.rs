//! Models to text, Markdown, HTML and AWS CLI commands. No I/O, no clock, no environment.
//!
//! Whatever AWS or an attacker may have written is escaped where it enters a line (D2.14), so no caller
//! has to remember it.

pub mod commands;
mod diff;
pub mod drawing;
pub mod html;
pub mod markdown;
mod page;
mod style;
pub mod text;
pub(crate) mod words;

#[cfg(test)]
pub(crate) mod sample;

/// How the text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Whether colour repeats what the symbols say.
    pub color: bool,
    /// How many columns there are; fewer than 40 count as 40.
    pub width: usize,
}

impl Default for Screen {
    fn default() -> Self {
        Self { color: false, width: 80 }
    }
}

/// Where a plan was written to, or read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved<'a> {
    /// The file.
    pub path: &'a str,
    /// The SHA-256 of its bytes.
    pub digest: &'a str,
    /// Whether people have to approve it before it can be applied.
    pub unapproved: bool,
}

/// Whether an endpoint is one of AWS's own; any other is shown in every header (D2.15).
#[must_use]
pub fn is_aws_endpoint(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.strip_suffix(":443").unwrap_or(host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    host.bytes().all(plain)
        && [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"]
            .iter()
            .any(|suffix| host.to_ascii_lowercase().ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_aws_count_as_aws() {
        for ours in [
            "https://iam.amazonaws.com",
            "https://iam.amazonaws.com:443/",
            "https://iam.cn-north-1.amazonaws.com.cn",
            "https://iam.global.api.aws/",
        ] {
            assert!(is_aws_endpoint(ours), "{ours}");
        }
        for other in [
            "http://iam.amazonaws.com",
            "http://127.0.0.1:4566",
            "https://iam.amazonaws.com@evil.example",
            "https://evil.example/.amazonaws.com",
            "https://evil.example#.amazonaws.com",
            "https://amazonaws.com.evil.example",
            "https://xamazonaws.com",
        ] {
            assert!(!is_aws_endpoint(other), "{other}");
        }
    }
}
