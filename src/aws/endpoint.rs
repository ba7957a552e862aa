//! Where a service answers from, and whether that is AWS itself (D2.15).

/// Scheme, host and port of a request that was really sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint(String);

/// The DNS suffixes of AWS's partitions (F23).
const SUFFIXES: [&str; 9] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
];

impl Endpoint {
    /// Cuts a request's address to its origin; user information and path are dropped.
    pub(super) fn of(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit('@').next()?;
        let origin = format!("{scheme}://{host}").to_ascii_lowercase();
        (!host.is_empty()).then_some(Self(origin))
    }

    /// As it is shown and recorded.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its host is under one of AWS's own suffixes.
    #[cfg(feature = "s3")]
    pub(super) fn is_under_aws(&self) -> bool {
        let host = self.0.split_once("://").map_or("", |(_, host)| host);
        let host = host.split(':').next().unwrap_or(host);
        SUFFIXES.iter().any(|suffix| host.ends_with(suffix))
    }

    /// Whether it is AWS's own endpoint of IAM or STS.
    ///
    /// The suffix alone does not say so: customers' load balancers and machines have names under it.
    pub(super) fn is_aws(&self) -> bool {
        let Some(host) = self.0.strip_prefix("https://") else {
            return false;
        };
        let host = host.strip_suffix(":443").unwrap_or(host);
        let Some(labels) = SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix)) else {
            return false;
        };
        let service = |name: &str| matches!(name, "iam" | "iam-fips" | "sts" | "sts-fips");
        match labels.split('.').collect::<Vec<_>>().as_slice() {
            [name] | [name, _] => service(name),
            // An interface endpoint in a VPC.
            [id, name, _, "vpce"] => id.starts_with("vpce-") && service(name),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &str) -> Endpoint {
        Endpoint::of(uri).unwrap()
    }

    #[test]
    fn an_endpoint_is_the_origin_alone() {
        assert_eq!(origin("https://iam.amazonaws.com/").as_str(), "https://iam.amazonaws.com");
        assert_eq!(origin("http://127.0.0.1:4566").as_str(), "http://127.0.0.1:4566");
        assert_eq!(origin("HTTP://u:secret@Host:1/x?y").as_str(), "http://host:1");
        assert_eq!(Endpoint::of("/"), None);
        assert_eq!(Endpoint::of("http:///x"), None);
    }

    #[test]
    fn awss_own_endpoints_are_known() {
        for own in [
            "https://iam.amazonaws.com",
            "https://iam.us-gov.amazonaws.com",
            "https://iam-fips.amazonaws.com",
            "https://iam.cn-north-1.amazonaws.com.cn",
            "https://iam.global.api.aws",
            "https://sts.amazonaws.com:443",
            "https://sts.eu-central-1.amazonaws.com",
            "https://vpce-0a1-b2.sts.us-east-1.vpce.amazonaws.com",
        ] {
            assert!(origin(own).is_aws(), "{own}");
        }
    }

    #[test]
    fn what_merely_looks_like_aws_is_not() {
        for other in [
            "http://iam.amazonaws.com",
            "http://127.0.0.1:4566",
            "https://iam.amazonaws.com.example.org",
            "https://iam.amazonaws.com:8443",
            "https://evilamazonaws.com",
            "https://iam-1234.us-east-1.elb.amazonaws.com",
            "https://ec2-1-2-3-4.compute-1.amazonaws.com",
            "https://abc.execute-api.us-east-1.amazonaws.com",
            "https://localhost.localstack.cloud:4566",
        ] {
            assert!(!origin(other).is_aws(), "{other}");
        }
    }
}
