//! Clients, in a word.

/// How long a word may be.
const LONGEST: usize = 24;

/// Clients that say who they are somewhere in what they send.
const KNOWN: [(&str, &str); 18] = [
    ("terraform", "terraform"),
    ("opentofu", "opentofu"),
    ("pulumi", "pulumi"),
    ("aws-cdk", "cdk"),
    ("aws-cli", "aws-cli"),
    ("boto3", "boto3"),
    ("botocore", "botocore"),
    ("aws-sdk-java", "sdk-java"),
    ("aws-sdk-go", "sdk-go"),
    ("aws-sdk-js", "sdk-js"),
    ("aws-sdk-nodejs", "sdk-js"),
    ("aws-sdk-ruby", "sdk-ruby"),
    ("aws-sdk-php", "sdk-php"),
    ("aws-sdk-dotnet", "sdk-dotnet"),
    ("aws-sdk-rust", "sdk-rust"),
    ("aws-sdk-cpp", "sdk-cpp"),
    ("console", "console"),
    ("mozilla/", "browser"),
];

/// The client that a user agent names: `sdk-java` for `aws-sdk-java/2.21.1 Linux/…`.
#[must_use]
pub fn family(user_agent: &str) -> String {
    let small = user_agent.to_ascii_lowercase();
    // A tool names the SDK that it is built on as well, so that tools come first.
    if let Some((_, word)) = KNOWN.iter().find(|(part, _)| small.contains(part)) {
        return (*word).to_owned();
    }
    let first = small.trim_start_matches(['[', '"']).split(['/', ' ', ']', ';']).next();
    first.unwrap_or_default().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::family;

    #[test]
    fn a_client_is_known_by_what_it_says_of_itself() {
        for (agent, word) in [
            ("aws-sdk-java/2.21.1 Linux/5.10 OpenJDK", "sdk-java"),
            ("aws-cli/2.31.0 md/awscrt#0.23 ua/2.1", "aws-cli"),
            ("Boto3/1.34.0 md/Botocore#1.34.0", "boto3"),
            ("APN/1.0 HashiCorp/1.0 Terraform/1.9.0 aws-sdk-go-v2/1.30", "terraform"),
            ("[S3Console/0.4, aws-internal/3]", "console"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "browser"),
            ("cloudformation.amazonaws.com", "cloudformation.amazonaws"),
            ("rclone/v1.66", "rclone"),
            ("", ""),
        ] {
            assert_eq!(family(agent), word, "{agent}");
        }
    }
}
