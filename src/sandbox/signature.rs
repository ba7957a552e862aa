//! Signature Version 4: what a request claims, and whether the secret made it.

use super::Request;
use super::fault::Fault;
use aws_credential_types::Credentials as Signing;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use sha2::{Digest, Sha256};

/// How far the time of a request may lie from the sandbox's.
const SKEW: SignedDuration = SignedDuration::from_mins(15);
/// How many headers may be signed.
const MOST_SIGNED: usize = 100;
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What the Authorization header claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) key: String,
    date: String,
    pub(super) region: String,
    pub(super) service: String,
    signed: Vec<String>,
    signature: String,
}

impl Request {
    /// The first header of a name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let named = |header: &&(String, String)| header.0.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.trim())
    }
}

impl Claim {
    /// Reads the Authorization header; nothing where there is none.
    pub(super) fn read(request: &Request) -> Result<Option<Self>, Fault> {
        let Some(text) = request.header("authorization") else { return Ok(None) };
        let incomplete = |message: String| Fault::new(400, "IncompleteSignature", message);
        let Some(rest) = text.strip_prefix("AWS4-HMAC-SHA256") else {
            let message = "Authorization header requires the algorithm 'AWS4-HMAC-SHA256'.";
            return Err(incomplete(message.to_owned()));
        };
        let part = |name: &str| {
            rest.split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .filter(|value| !value.is_empty())
                .ok_or_else(|| {
                    incomplete(format!("Authorization header requires '{name}' parameter."))
                })
        };
        let credential = part("Credential")?;
        let signed = part("SignedHeaders")?;
        let signature = part("Signature")?.to_owned();
        let scope: Vec<&str> = credential.split('/').collect();
        let [key, date, region, service, "aws4_request"] = scope.as_slice() else {
            let message = format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            );
            return Err(incomplete(message));
        };
        Ok(Some(Self {
            key: (*key).to_owned(),
            date: (*date).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
            signed: signed.split(';').map(str::to_ascii_lowercase).collect(),
            signature,
        }))
    }

    /// Whether the secret made this signature, for this request and about now.
    pub(super) fn verify(
        &self,
        request: &Request,
        secret: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let time = self.time(request)?;
        self.fresh(time, now)?;
        let hash = self.payload(request)?;
        if !self.signed.iter().any(|name| name == "host") || self.signed.len() > MOST_SIGNED {
            return Err(Fault::new(
                403,
                "SignatureDoesNotMatch",
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        // What can be exchanged after signing must not count.
        for name in ["x-amz-security-token", "x-amz-content-sha256"] {
            if request.header(name).is_some() && !self.signed.iter().any(|signed| signed == name) {
                return Err(mismatch());
            }
        }
        match self.expected(request, secret, time, hash) {
            Some(expected) if expected == self.signature => Ok(()),
            _ => Err(mismatch()),
        }
    }

    /// The time of signing, which the scope must name too.
    fn time(&self, request: &Request) -> Result<Timestamp, Fault> {
        let Some(text) = request.header("x-amz-date") else {
            let message = "Authorization header requires existence of either a \
                           'X-Amz-Date' or a 'Date' header.";
            return Err(Fault::new(400, "IncompleteSignature", message));
        };
        let odd = || {
            let message = format!(
                "Date must be in ISO-8601 'basic format'. Got '{text}'. See \
                 http://en.wikipedia.org/wiki/ISO_8601"
            );
            Fault::new(400, "IncompleteSignature", message)
        };
        let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).map_err(|_| odd())?;
        let time = time.to_zoned(TimeZone::UTC).map_err(|_| odd())?.timestamp();
        if text.get(..8) == Some(self.date.as_str()) {
            return Ok(time);
        }
        let message = format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{}' != '{}', from '{text}'.",
            self.date,
            text.get(..8).unwrap_or_default()
        );
        Err(Fault::new(403, "SignatureDoesNotMatch", message))
    }

    fn fresh(&self, time: Timestamp, now: Timestamp) -> Result<(), Fault> {
        let basic = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let early = now.saturating_sub(SKEW).unwrap_or(Timestamp::MIN);
        let late = now.saturating_add(SKEW).unwrap_or(Timestamp::MAX);
        if self.service == "s3" && (time < early || time > late) {
            let message =
                "The difference between the request time and the current time is too large.";
            return Err(Fault::new(403, "RequestTimeTooSkewed", message));
        }
        let (time_text, now_text) = (basic(time), basic(now));
        if time < early {
            let message = format!(
                "Signature expired: {time_text} is now earlier than {} ({now_text} - 15 min.)",
                basic(early)
            );
            return Err(Fault::new(403, "SignatureDoesNotMatch", message));
        }
        if time > late {
            let message = format!(
                "Signature not yet current: {time_text} is still later than {} \
                 ({now_text} + 15 min.)",
                basic(late)
            );
            return Err(Fault::new(403, "SignatureDoesNotMatch", message));
        }
        Ok(())
    }

    /// The hash of the body that was signed. S3 lets a client leave the body out.
    fn payload(&self, request: &Request) -> Result<String, Fault> {
        let digest: [u8; 32] = Sha256::digest(&request.body).into();
        let real: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        match request.header("x-amz-content-sha256") {
            Some(UNSIGNED) if self.service == "s3" => Ok(UNSIGNED.to_owned()),
            Some(claimed) if !claimed.eq_ignore_ascii_case(&real) => Err(Fault::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )),
            _ => Ok(real),
        }
    }

    fn expected(
        &self,
        request: &Request,
        secret: &str,
        time: Timestamp,
        hash: String,
    ) -> Option<String> {
        let host = request.header("host").unwrap_or(&request.host);
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for name in &self.signed {
            match name.as_str() {
                "host" => headers.push(("host", host)),
                // Added by the signing itself.
                "x-amz-date" => {}
                name => {
                    let named =
                        request.headers.iter().filter(|(k, _)| k.eq_ignore_ascii_case(name));
                    headers.extend(named.map(|(_, value)| (name, value.as_str())));
                }
            }
        }
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity = Signing::new(&self.key, secret, None, None, "sandbox").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(time.into())
            .settings(settings)
            .build()
            .ok()?
            .into();
        let body = SignableBody::Precomputed(hash);
        let uri = uri(host, request)?;
        let signable =
            SignableRequest::new(&request.method, uri, headers.into_iter(), body).ok()?;
        Some(sign(signable, &params).ok()?.signature().to_owned())
    }
}

/// The address that was signed. The authority must be there for the signing, though the header
/// says it too.
fn uri(host: &str, request: &Request) -> Option<String> {
    let path = if request.path.starts_with('/') { &request.path } else { "/" };
    let mut text = format!("https://{host}{path}");
    if !request.query.is_empty() {
        text.push('?');
        text.push_str(&request.query);
    }
    let parsed: http::Uri = text.parse().ok()?;
    parsed.host().filter(|host| !host.is_empty())?;
    Some(text)
}

fn mismatch() -> Fault {
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your AWS Secret Access Key and signing method. Consult the service \
                   documentation for details.";
    Fault::new(403, "SignatureDoesNotMatch", message)
}
