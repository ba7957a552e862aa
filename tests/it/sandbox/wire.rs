//! A client that signs and sends, and nothing else: no retries, no opinion about the answer.

use crate::support::Credentials;
use aws_credential_types::Credentials as Signing;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, UNIX_EPOCH};

/// An answer. A status of 0 is a connection that was closed without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl Reply {
    /// `ok`, or the code of the error.
    pub fn code(&self) -> &str {
        if self.status == 200 { "ok" } else { self.text("Code").unwrap_or("no code") }
    }

    /// The text of the first element of this name.
    pub fn text(&self, element: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{element}>"))?;
        rest.split_once(&format!("</{element}>")).map(|(text, _)| text)
    }

    /// The credentials in it.
    #[track_caller]
    pub fn credentials(&self) -> Credentials {
        let get = |name| self.text(name).unwrap_or_else(|| panic!("no {name} in {self:?}"));
        Credentials {
            id: get("AccessKeyId").to_owned(),
            secret: get("SecretAccessKey").to_owned(),
            token: self.text("SessionToken").map(str::to_owned),
        }
    }
}

/// Where a client calls, and what time it signs with.
#[derive(Clone, Debug)]
pub struct Wire {
    pub port: u16,
    pub now: Timestamp,
}

impl Wire {
    /// Calls an action of IAM or STS, such as `iam:GetUser`.
    pub fn call(&self, who: &Credentials, action: &str, with: &[(&str, &str)]) -> Reply {
        let (service, name) = action.split_once(':').unwrap();
        let version = if service == "sts" { "2011-06-15" } else { "2010-05-08" };
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", name)
            .append_pair("Version", version)
            .extend_pairs(with)
            .finish();
        exchange(self.port, &self.signed(who, service, "POST", body.as_bytes()))
    }

    /// S3's ListBuckets: what a session may call that may not call IAM (F10).
    pub fn list_buckets(&self, who: &Credentials) -> Reply {
        exchange(self.port, &self.signed(who, "s3", "GET", b""))
    }

    /// A signed request, as its bytes.
    pub fn signed(&self, who: &Credentials, service: &str, method: &str, body: &[u8]) -> Vec<u8> {
        let host = format!("127.0.0.1:{}", self.port);
        let mut headers = vec![("host".to_owned(), host.clone())];
        if method == "POST" {
            let form = "application/x-www-form-urlencoded".to_owned();
            headers.push(("content-type".to_owned(), form));
        }
        let identity = Signing::new(&who.id, &who.secret, who.token.clone(), None, "test").into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let seconds = u64::try_from(self.now.as_second()).unwrap();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(
            method,
            format!("http://{host}/"),
            named,
            SignableBody::Bytes(body),
        );
        let (instructions, _) = sign(request.unwrap(), &parameters).unwrap().into_parts();
        for header in instructions.into_parts().0 {
            headers.push((header.name().to_owned(), header.value().to_owned()));
        }
        let mut text = format!("{method} / HTTP/1.1\r\n");
        for (name, value) in &headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()));
        [text.as_bytes(), body].concat()
    }
}

/// Sends a whole request to a port of this machine and reads what comes back until it is closed.
pub fn exchange(port: u16, request: &[u8]) -> Reply {
    send(port, request, false)
}

/// Sends what may be less than a request, and says that no more will come.
pub fn break_off(port: u16, request: &[u8]) -> Reply {
    send(port, request, true)
}

fn send(port: u16, request: &[u8], ends: bool) -> Reply {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // Whoever refuses a request may close before it has read it all.
    let _ = stream.write_all(request);
    if ends {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Reply { status: 0, body: text };
    };
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Reply { status, body: if chunked { whole(body) } else { body.to_owned() } }
}

fn whole(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(&rest[..size]);
        chunks = rest[size..].trim_start_matches("\r\n");
    }
    body
}
