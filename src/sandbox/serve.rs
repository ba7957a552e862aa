//! The sandbox on a loopback port, for any client of AWS.

use super::{Request, Response, Sandbox};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpListener;

/// No request that IAM takes is nearly as large.
const LARGEST_BODY: usize = 1 << 20;

/// How long a client may take to send its headers, so that a silent one holds nothing for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// A port of this machine that nobody else can reach.
pub struct Door {
    listener: TcpListener,
    port: u16,
}

impl Door {
    /// Takes a port on the loopback address; 0 takes a free one.
    ///
    /// # Errors
    /// If the port is taken.
    pub async fn open(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Answers whoever comes, until the future is dropped.
    pub async fn serve(&self, sandbox: &Sandbox) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Too many open files, say: the next one may be taken again.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let sandbox = sandbox.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(sandbox.clone(), request));
                // A client that breaks off has nobody to be told.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .half_close(true)
                    .header_read_timeout(PATIENCE)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }
}

async fn answer(
    sandbox: Sandbox,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) => {
            let large = error.downcast_ref::<LengthLimitError>().is_some();
            return Ok(plain(if large { 413 } else { 400 }));
        }
    };
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let host = headers.iter().find(|(name, _)| name == "host").map(|(_, host)| host.clone());
    let answered = sandbox.answer(&Request {
        method: head.method.as_str().to_owned(),
        host: host.unwrap_or_default(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
    });
    Ok(response(answered))
}

fn response(answer: Response) -> hyper::Response<Full<Bytes>> {
    let mut builder = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(Bytes::from(answer.body))).unwrap_or_else(|_| plain(500))
}

fn plain(status: u16) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(Bytes::new()));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response
}
