//! A proxy between the program and an emulator: it writes down every call, and fails when told to.
//!
//! It speaks as much HTTP/1.1 as the Query protocol and S3 need: a request with a length, one answer,
//! and the connection is closed.

use super::Clock;
use jiff::fmt::rfc2822::DateTimePrinter;
use percent_encoding::percent_decode_str;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A call that was seen.
#[derive(Clone, Debug)]
pub struct Call {
    /// The action, such as `GetUser` or `PutObject`.
    pub action: String,
    /// Its parameters, decoded, in the order they were sent.
    pub parameters: Vec<(String, String)>,
}

impl Call {
    /// A parameter; empty if it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether it can change nothing: what D2.1 allows a plan to make.
    pub fn reads(&self) -> bool {
        self.action.starts_with("Get") || self.action.starts_with("List")
    }
}

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// `AccessDenied`, 403, as AWS words it.
    Deny,
    /// `Throttling`, 400.
    Throttle,
    /// `ServiceFailure`, 500.
    Fail,
    /// The connection is closed before the emulator hears of it.
    LoseRequest,
    /// The emulator does it, and the connection is closed without its answer.
    LoseReply,
    /// This answer instead of the emulator's: a status and an XML body.
    Answer(u16, String),
    /// The emulator does not hear of the conditions that S3 is asked to write on.
    Unconditional,
}

type Hook = Arc<Mutex<dyn FnMut(&Call) + Send>>;

enum Deed {
    Fault(Fault),
    Hook(Hook),
}

struct Rule {
    action: &'static str,
    /// What the path of an object must contain.
    path: &'static str,
    /// How often it still applies; `None` for ever.
    left: Option<usize>,
    deed: Deed,
}

struct Shared {
    upstream: SocketAddr,
    clock: Clock,
    lacks: &'static [&'static str],
    calls: Mutex<Vec<Call>>,
    under_way: AtomicUsize,
    rules: Mutex<Vec<Rule>>,
    closed: AtomicBool,
}

/// The proxy; it listens until it is dropped.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts one in front of a port of this machine. What the emulator lacks is answered here as AWS
    /// answers it: an emulator may say 500, which the SDK repeats for seconds.
    pub fn start(upstream: u16, clock: Clock, lacks: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream: SocketAddr::from((Ipv4Addr::LOCALHOST, upstream)),
            clock,
            lacks,
            calls: Mutex::default(),
            under_way: AtomicUsize::new(0),
            rules: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.closed.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&serving)) else { continue };
                // A program that was killed leaves its connection half done: no concern of the test's.
                shared.under_way.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    serve(&stream, &shared);
                    shared.under_way.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on every call of this action ends so.
    pub fn always(&self, action: &'static str, fault: Fault) {
        self.rule(action, "", None, Deed::Fault(fault));
    }

    /// The same, for calls of S3 about objects whose path contains this.
    pub fn always_on(&self, action: &'static str, path: &'static str, fault: Fault) {
        self.rule(action, path, None, Deed::Fault(fault));
    }

    /// The next calls of S3, so many of them, about objects whose path contains this, end so.
    pub fn next_on(&self, times: usize, action: &'static str, path: &'static str, fault: Fault) {
        self.rule(action, path, Some(times), Deed::Fault(fault));
    }

    /// Something happens right before the next such call is passed on.
    pub fn before_on(
        &self,
        action: &'static str,
        path: &'static str,
        hook: impl FnMut(&Call) + Send + 'static,
    ) {
        self.rule(action, path, Some(1), Deed::Hook(Arc::new(Mutex::new(hook))));
    }

    /// The next calls of this action, so many of them, end so.
    pub fn next(&self, times: usize, action: &'static str, fault: Fault) {
        self.rule(action, "", Some(times), Deed::Fault(fault));
    }

    /// Something happens right before the next call of this action is passed on; said twice, before
    /// the one after it as well.
    pub fn before(&self, action: &'static str, hook: impl FnMut(&Call) + Send + 'static) {
        self.rule(action, "", Some(1), Deed::Hook(Arc::new(Mutex::new(hook))));
    }

    /// Forgets every fault and hook.
    pub fn heal(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Waits until every call has come to its end, also those whose caller is gone.
    pub fn settle(&self) {
        while self.shared.under_way.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every call so far, in the order they came in.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// The same, and forgets them.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.shared.calls.lock().unwrap())
    }

    /// The actions seen so far that may change something, in order.
    pub fn writes(&self) -> Vec<String> {
        self.calls().into_iter().filter(|call| !call.reads()).map(|call| call.action).collect()
    }

    fn rule(&self, action: &'static str, path: &'static str, left: Option<usize>, deed: Deed) {
        self.shared.rules.lock().unwrap().push(Rule { action, path, left, deed });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees that it is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    /// Writes a call down, and says what is to happen to it.
    fn enter(&self, call: &Call) -> (Option<Hook>, Option<Fault>) {
        self.calls.lock().unwrap().push(call.clone());
        let (mut hook, mut fault) = (None, None);
        for rule in self.rules.lock().unwrap().iter_mut() {
            let meant = rule.action == call.action && call.get("Path").contains(rule.path);
            if !meant || rule.left == Some(0) {
                continue;
            }
            match &rule.deed {
                Deed::Hook(new) if hook.is_none() => hook = Some(Arc::clone(new)),
                Deed::Fault(new) if fault.is_none() => fault = Some(new.clone()),
                Deed::Hook(_) | Deed::Fault(_) => continue,
            }
            rule.left = rule.left.map(|left| left - 1);
        }
        (hook, fault)
    }
}

/// A request: its lines up to the empty one, and its body.
struct Request {
    head: Vec<String>,
    body: Vec<u8>,
}

fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let request = read_request(stream)?;
    let call = parse(&request);
    let (hook, fault) = shared.enter(&call);
    if let Some(hook) = hook {
        (hook.lock().unwrap())(&call);
    }
    let answer = match fault {
        None if shared.lacks.contains(&call.action.as_str()) => error(
            400,
            "InvalidAction",
            &format!("Could not find operation {}", call.action),
            &shared.clock,
        ),
        None => forward(&request, shared.upstream)?,
        Some(Fault::Unconditional) => {
            let unconditional = |line: &String| {
                header(line, "if-match").is_none() && header(line, "if-none-match").is_none()
            };
            let head = request.head.iter().filter(|line| unconditional(line)).cloned().collect();
            forward(&Request { head, body: request.body }, shared.upstream)?
        }
        Some(Fault::LoseRequest) => return None,
        Some(Fault::LoseReply) => {
            forward(&request, shared.upstream)?;
            return None;
        }
        Some(Fault::Deny) => {
            let message = format!(
                "User: arn:aws:iam::123456789012:user/responder is not authorized to perform: iam:{} on resource: user {} \
                 because no identity-based policy allows the iam:{} action",
                call.action,
                call.get("UserName"),
                call.action
            );
            error(403, "AccessDenied", &message, &shared.clock)
        }
        Some(Fault::Throttle) => error(400, "Throttling", "Rate exceeded", &shared.clock),
        Some(Fault::Fail) => {
            error(500, "ServiceFailure", "The request processing has failed.", &shared.clock)
        }
        Some(Fault::Answer(status, body)) => answer(status, &body, &shared.clock),
    };
    let mut stream = stream;
    stream.write_all(&answer).ok()?;
    stream.shutdown(Shutdown::Write).ok()
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let length =
        head.iter().find_map(|line| header(line, "content-length")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}

/// The value of a header line, if it is of this header.
fn header<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (key, value) = line.split_once(':')?;
    key.eq_ignore_ascii_case(name).then(|| value.trim())
}

fn parse(request: &Request) -> Call {
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let body = String::from_utf8_lossy(&request.body);
    let parameters: Vec<(String, String)> = body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect();
    let mut call = Call { action: String::new(), parameters };
    let first = request.head.first().cloned().unwrap_or_default();
    let target = request.head.iter().find_map(|line| header(line, "x-amz-target"));
    call.action = match call.get("Action") {
        "" if target.is_some() => {
            // A service that speaks JSON names its action in a header.
            target.and_then(|target| target.rsplit('.').next()).unwrap_or_default().to_owned()
        }
        "" => match object_call(&first) {
            Some((action, path)) => {
                let condition = request.head.iter().find_map(|line| {
                    header(line, "if-match").or_else(|| header(line, "if-none-match"))
                });
                call.parameters = vec![
                    ("Path".to_owned(), decode(path)),
                    ("Condition".to_owned(), condition.unwrap_or_default().to_owned()),
                ];
                action.to_owned()
            }
            // A request that is none of either shows as what it is, and not as a read.
            None => first,
        },
        action => action.to_owned(),
    };
    call
}

/// A request of S3's, and the path that it is about.
fn object_call(first: &str) -> Option<(&'static str, &str)> {
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let object = path.trim_matches('/').contains('/');
    let action = match (method, object) {
        ("GET", false) if query.contains("list-type=2") => return Some(("ListObjectsV2", target)),
        ("GET", true) => "GetObject",
        ("PUT", true) => "PutObject",
        ("DELETE", true) => "DeleteObject",
        _ => return None,
    };
    Some((action, path))
}

/// Passes a request on and returns the whole answer.
fn forward(request: &Request, upstream: SocketAddr) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).ok()?;
    stream.write_all(&closing(&request.head)).ok()?;
    stream.write_all(&request.body).ok()?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let mut answer = closing(&head);
    reader.read_to_end(&mut answer).ok()?;
    Some(answer)
}

/// A head that says that the connection ends with this message. (`Connection` is never signed.)
fn closing(head: &[String]) -> Vec<u8> {
    let kept = head.iter().filter(|line| {
        header(line, "connection").is_none() && header(line, "keep-alive").is_none()
    });
    let mut text: String = kept.flat_map(|line| [line.as_str(), "\r\n"]).collect();
    text.push_str("Connection: close\r\n\r\n");
    text.into_bytes()
}

fn error(status: u16, code: &str, message: &str, clock: &Clock) -> Vec<u8> {
    let body = format!(
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>7a62c49f-347e-4fc4-9331-6e8eexample</RequestId></ErrorResponse>"
    );
    answer(status, &body, clock)
}

fn answer(status: u16, body: &str, clock: &Clock) -> Vec<u8> {
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&clock.now()).unwrap();
    format!(
        "HTTP/1.1 {status} Answer\r\nDate: {date}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
