//! One event, with the fields that a trace asks for. Texts that are not there are empty.

use super::text::Text;
use super::time::when;
use super::wrap::Wrap;
use jiff::Timestamp;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use serde_json::value::RawValue;
use sonic_rs::LazyValue;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::marker::PhantomData;

/// An event as CloudTrail records it, borrowed from the bytes it was read from.
#[derive(Clone, Debug, Default)]
pub struct Event<'a> {
    /// `eventID`, which is not unique in every collection.
    pub id: Cow<'a, str>,
    /// `eventTime` as written, or `@timestamp` where it was taken out; see [`Event::time`].
    pub time_text: Cow<'a, str>,
    /// `eventName`.
    pub name: Cow<'a, str>,
    /// `eventSource`, such as `iam.amazonaws.com`.
    pub source: Cow<'a, str>,
    /// `eventType`, such as `AwsApiCall` or `AwsConsoleSignIn`.
    pub kind: Cow<'a, str>,
    /// `eventCategory`: `Management`, `Data`, `Insight`, `NetworkActivity`.
    pub category: Cow<'a, str>,
    /// `managementEvent`, `true` or `false`.
    pub management: Cow<'a, str>,
    /// `awsRegion`.
    pub region: Cow<'a, str>,
    /// `sourceIPAddress`: an address, or a service's name.
    pub source_ip: Cow<'a, str>,
    /// `userAgent`.
    pub user_agent: Cow<'a, str>,
    /// `errorCode`; empty where the call succeeded.
    pub error_code: Cow<'a, str>,
    /// `errorMessage`.
    pub error_message: Cow<'a, str>,
    /// `recipientAccountId`: whose trail this record is of.
    pub recipient: Cow<'a, str>,
    /// `sharedEventID`: pairs the records of a call across accounts (F13).
    pub shared_id: Cow<'a, str>,
    /// `sessionCredentialFromConsole`.
    pub from_console: Cow<'a, str>,
    /// `userIdentity`; `None` where the event has none.
    pub identity: Option<Identity<'a>>,
    /// `requestParameters`, as they stand, unless absent or `null`.
    pub request: Option<&'a str>,
    /// `responseElements`, as they stand, unless absent or `null`.
    pub response: Option<&'a str>,
    /// `resources`, as they stand, unless absent or `null`.
    pub resources: Option<&'a str>,
    /// `additionalEventData`, as it stands, unless absent or `null`.
    pub additional: Option<&'a str>,
    /// The time, once somebody has asked for it.
    time: OnceCell<Option<Timestamp>>,
}

/// Who called.
#[derive(Clone, Debug, Default)]
pub struct Identity<'a> {
    /// `IAMUser`, `AssumedRole`, `FederatedUser`, `Root`, `AWSService` and so on.
    pub kind: Cow<'a, str>,
    /// The unique ID; `AROA…:session` for a role session.
    pub principal_id: Cow<'a, str>,
    /// The ARN.
    pub arn: Cow<'a, str>,
    /// The caller's account.
    pub account: Cow<'a, str>,
    /// The access key that signed the call.
    pub access_key: Cow<'a, str>,
    /// The name of an IAM user.
    pub user_name: Cow<'a, str>,
    /// The service that called in the principal's name.
    pub invoked_by: Cow<'a, str>,
    /// `sessionContext`, as it stands, unless absent or `null`.
    pub session_context: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// What a session says of itself. It is asked of few events, and read then.
    #[must_use]
    pub fn session(&self) -> Session<'a> {
        let read = self.session_context.map(serde_json::from_str::<MaybeSession<'a>>);
        read.and_then(Result::ok).and_then(|read| read.0).unwrap_or_default()
    }
}

/// `sessionContext`.
#[derive(Clone, Debug, Default)]
pub struct Session<'a> {
    /// `attributes.creationDate`: when the token was issued (F13).
    pub issued: Cow<'a, str>,
    /// `sessionIssuer.arn`: the role or the user.
    pub issuer_arn: Cow<'a, str>,
    /// `sessionIssuer.userName`: the role's or the user's name.
    pub issuer_name: Cow<'a, str>,
}

impl Event<'_> {
    /// When it happened; `None` where that is absent or in no form that is known.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        *self.time.get_or_init(|| when(&self.time_text))
    }

    /// Whether the call was refused or failed.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        !self.error_code.is_empty()
    }

    /// The access key that signed the call; empty where none is recorded.
    #[must_use]
    pub fn access_key(&self) -> &str {
        self.identity.as_ref().map_or("", |identity| &identity.access_key)
    }

    /// The service: `s3` for `s3.amazonaws.com`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.source.strip_suffix(".amazonaws.com").unwrap_or(&self.source)
    }

    /// Whether the call was made in the console's name.
    #[must_use]
    pub fn is_from_console(&self) -> bool {
        self.from_console == "true"
    }
}

/// A JSON value that may be an event, or an envelope around events.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    pub(super) event: Event<'a>,
    /// Whether anything but a name says that this is an event: lists of API calls have names, too.
    told: bool,
    pub(super) wraps: Vec<(Wrap, &'a RawValue)>,
}

impl Record<'_> {
    pub(super) fn is_event(&self) -> bool {
        self.told && !self.event.name.is_empty()
    }
}

impl<'a> Record<'a> {
    /// Reads with sonic-rs, all of a text that is nothing but an event. What is in envelopes is passed over.
    pub(super) fn reads(&mut self, text: &'a str) -> bool {
        *self = Self::default();
        let mut deserializer = sonic_rs::Deserializer::from_str(text);
        let fill: Fill<'_, 'a, LazyValue<'_>> = Fill(self, PhantomData);
        let read = fill.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        read.is_ok() && self.is_event()
    }
}

/// The keys of an event that are read; the rest is passed over.
enum Key {
    Id,
    Time,
    Stamp,
    Name,
    Source,
    Kind,
    Category,
    Management,
    Region,
    SourceIp,
    UserAgent,
    ErrorCode,
    ErrorMessage,
    Recipient,
    SharedId,
    FromConsole,
    Version,
    Identity,
    Request,
    Response,
    Resources,
    Additional,
    Wrap(Wrap),
    Other,
}

impl Key {
    fn of(name: &str) -> Self {
        match name {
            "eventID" => Self::Id,
            "eventTime" => Self::Time,
            "@timestamp" => Self::Stamp,
            "eventName" => Self::Name,
            "eventSource" => Self::Source,
            "eventType" => Self::Kind,
            "eventCategory" => Self::Category,
            "managementEvent" => Self::Management,
            "awsRegion" => Self::Region,
            "sourceIPAddress" => Self::SourceIp,
            "userAgent" => Self::UserAgent,
            "errorCode" => Self::ErrorCode,
            "errorMessage" => Self::ErrorMessage,
            "recipientAccountId" => Self::Recipient,
            "sharedEventID" => Self::SharedId,
            "sessionCredentialFromConsole" => Self::FromConsole,
            "eventVersion" => Self::Version,
            "userIdentity" => Self::Identity,
            "requestParameters" => Self::Request,
            "responseElements" => Self::Response,
            "resources" => Self::Resources,
            "additionalEventData" => Self::Additional,
            other => Wrap::of(other).map_or(Self::Other, Self::Wrap),
        }
    }
}

/// A key of an object, told from the text without keeping it.
macro_rules! keys {
    ($key:ident) => {
        impl<'de> Deserialize<'de> for $key {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Told;
                impl Visitor<'_> for Told {
                    type Value = $key;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a key")
                    }
                    fn visit_str<E>(self, name: &str) -> Result<$key, E> {
                        Ok($key::of(name))
                    }
                }
                deserializer.deserialize_identifier(Told)
            }
        }
    };
}

keys!(Key);

/// A value that is kept as it stands, by either parser.
trait Raw<'de>: Deserialize<'de> {
    /// Its text; `None` where this parser has no text of it to lend.
    fn text(self) -> Option<&'de str>;
    /// The same, for what may be an envelope and is looked into.
    fn wrapped(self) -> Option<&'de RawValue>;
}

impl<'de> Raw<'de> for &'de RawValue {
    fn text(self) -> Option<&'de str> {
        Some(self.get())
    }
    fn wrapped(self) -> Option<&'de RawValue> {
        Some(self)
    }
}

impl<'de> Raw<'de> for LazyValue<'de> {
    fn text(self) -> Option<&'de str> {
        match self.as_raw_cow() {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }
    fn wrapped(self) -> Option<&'de RawValue> {
        None
    }
}

impl<'de> Deserialize<'de> for Record<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut record = Record::default();
        let fill: Fill<'_, 'de, &RawValue> = Fill(&mut record, PhantomData);
        fill.deserialize(deserializer)?;
        Ok(record)
    }
}

/// Reads into a record, where it lies.
struct Fill<'r, 'de, R>(&'r mut Record<'de>, PhantomData<R>);

impl<'de, R: Raw<'de>> DeserializeSeed<'de> for Fill<'_, 'de, R> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: Raw<'de>> Visitor<'de> for Fill<'_, 'de, R> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key>()? {
            self.0.take::<A, R>(key, &mut map)?;
        }
        Ok(())
    }
}

impl<'de> Record<'de> {
    fn take<A: MapAccess<'de>, R: Raw<'de>>(
        &mut self,
        key: Key,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let event = &mut self.event;
        let text = match key {
            Key::Id => &mut event.id,
            Key::Time => &mut event.time_text,
            Key::Kind => &mut event.kind,
            Key::Region => &mut event.region,
            Key::Category => &mut event.category,
            Key::Management => &mut event.management,
            Key::SourceIp => &mut event.source_ip,
            Key::UserAgent => &mut event.user_agent,
            Key::ErrorCode => &mut event.error_code,
            Key::ErrorMessage => &mut event.error_message,
            Key::Recipient => &mut event.recipient,
            Key::SharedId => &mut event.shared_id,
            Key::FromConsole => &mut event.from_console,
            Key::Name => {
                event.name = map.next_value::<Text<'de>>()?.0;
                return Ok(());
            }
            Key::Source => {
                event.source = map.next_value::<Text<'de>>()?.0;
                return Ok(());
            }
            Key::Stamp => {
                // Beside an `eventTime` it says when the event was taken in, not when it happened.
                let stamp = map.next_value::<Text<'de>>()?.0;
                if event.time_text.is_empty() {
                    event.time_text = stamp;
                }
                self.told = true;
                return Ok(());
            }
            Key::Version => {
                self.told = true;
                map.next_value::<IgnoredAny>()?;
                return Ok(());
            }
            Key::Identity => {
                self.told = true;
                event.identity = map.next_value::<Maybe<'de, R>>()?.0;
                return Ok(());
            }
            Key::Request => return keep::<A, R>(map, &mut event.request),
            Key::Response => return keep::<A, R>(map, &mut event.response),
            Key::Resources => return keep::<A, R>(map, &mut event.resources),
            Key::Additional => return keep::<A, R>(map, &mut event.additional),
            Key::Wrap(wrap) => {
                let value = map.next_value::<Option<R>>()?;
                self.wraps.extend(value.and_then(R::wrapped).map(|value| (wrap, value)));
                return Ok(());
            }
            Key::Other => {
                map.next_value::<IgnoredAny>()?;
                return Ok(());
            }
        };
        *text = map.next_value::<Text<'de>>()?.0;
        self.told = true;
        Ok(())
    }
}

fn keep<'de, A: MapAccess<'de>, R: Raw<'de>>(
    map: &mut A,
    place: &mut Option<&'de str>,
) -> Result<(), A::Error> {
    let value = map.next_value::<Option<R>>()?;
    *place =
        value.map(|value| value.text().ok_or_else(|| A::Error::custom("a text"))).transpose()?;
    Ok(())
}

/// An object, or nothing where something else stands.
macro_rules! object_or_nothing {
    ($name:ident $([$raw:ident])?, $inner:ty, $fill:ident) => {
        struct $name<'a $(, $raw)?>(Option<$inner>, PhantomData<($($raw,)?)>);
        impl<'de $(, $raw: Raw<'de>)?> Deserialize<'de> for $name<'de $(, $raw)?> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields<T>(PhantomData<T>);
                impl<'de $(, $raw: Raw<'de>)?> Visitor<'de> for Fields<($($raw,)?)> {
                    type Value = $name<'de $(, $raw)?>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("anything")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                        $fill::<A $(, $raw)?>(map).map(|inner| $name(Some(inner), PhantomData))
                    }
                    fn visit_seq<A: SeqAccess<'de>>(
                        self,
                        mut s: A,
                    ) -> Result<Self::Value, A::Error> {
                        while s.next_element::<IgnoredAny>()?.is_some() {}
                        Ok($name(None, PhantomData))
                    }
                    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                        Ok($name(None, PhantomData))
                    }
                    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                        Ok($name(None, PhantomData))
                    }
                    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                        Ok($name(None, PhantomData))
                    }
                    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                        Ok($name(None, PhantomData))
                    }
                    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                        Ok($name(None, PhantomData))
                    }
                    fn visit_unit<E>(self) -> Result<Self::Value, E> {
                        Ok($name(None, PhantomData))
                    }
                }
                deserializer.deserialize_any(Fields::<($($raw,)?)>(PhantomData))
            }
        }
    };
}

object_or_nothing!(Maybe[R], Identity<'a>, identity);
object_or_nothing!(MaybeSession, Session<'a>, session);
object_or_nothing!(MaybeAttributes, Cow<'a, str>, attributes);
object_or_nothing!(MaybeIssuer, (Cow<'a, str>, Cow<'a, str>), issuer);

enum IdentityKey {
    Kind,
    PrincipalId,
    Arn,
    Account,
    AccessKey,
    UserName,
    InvokedBy,
    Session,
    Other,
}

impl IdentityKey {
    fn of(name: &str) -> Self {
        match name {
            "type" => Self::Kind,
            "principalId" => Self::PrincipalId,
            "arn" => Self::Arn,
            "accountId" => Self::Account,
            "accessKeyId" => Self::AccessKey,
            "userName" => Self::UserName,
            "invokedBy" => Self::InvokedBy,
            "sessionContext" => Self::Session,
            _ => Self::Other,
        }
    }
}

keys!(IdentityKey);

fn identity<'de, A: MapAccess<'de>, R: Raw<'de>>(mut map: A) -> Result<Identity<'de>, A::Error> {
    let mut found = Identity::default();
    while let Some(key) = map.next_key::<IdentityKey>()? {
        let text = match key {
            IdentityKey::Kind => &mut found.kind,
            IdentityKey::PrincipalId => &mut found.principal_id,
            IdentityKey::Arn => &mut found.arn,
            IdentityKey::Account => &mut found.account,
            IdentityKey::AccessKey => &mut found.access_key,
            IdentityKey::UserName => &mut found.user_name,
            IdentityKey::InvokedBy => &mut found.invoked_by,
            IdentityKey::Session => {
                keep::<A, R>(&mut map, &mut found.session_context)?;
                continue;
            }
            IdentityKey::Other => {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
        };
        *text = map.next_value::<Text<'de>>()?.0;
    }
    Ok(found)
}

enum SessionKey {
    Attributes,
    Issuer,
    Date,
    Arn,
    Name,
    Other,
}

impl SessionKey {
    fn of(name: &str) -> Self {
        match name {
            "attributes" => Self::Attributes,
            "sessionIssuer" => Self::Issuer,
            "creationDate" => Self::Date,
            "arn" => Self::Arn,
            "userName" => Self::Name,
            _ => Self::Other,
        }
    }
}

keys!(SessionKey);

fn session<'de, A: MapAccess<'de>>(mut map: A) -> Result<Session<'de>, A::Error> {
    let mut found = Session::default();
    while let Some(key) = map.next_key::<SessionKey>()? {
        match key {
            SessionKey::Attributes => {
                found.issued = map.next_value::<MaybeAttributes<'de>>()?.0.unwrap_or_default();
            }
            SessionKey::Issuer => {
                let issuer = map.next_value::<MaybeIssuer<'de>>()?.0.unwrap_or_default();
                (found.issuer_arn, found.issuer_name) = issuer;
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
    }
    Ok(found)
}

fn attributes<'de, A: MapAccess<'de>>(mut map: A) -> Result<Cow<'de, str>, A::Error> {
    let mut issued = Cow::default();
    while let Some(key) = map.next_key::<SessionKey>()? {
        match key {
            SessionKey::Date => issued = map.next_value::<Text<'de>>()?.0,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
    }
    Ok(issued)
}

fn issuer<'de, A: MapAccess<'de>>(mut map: A) -> Result<(Cow<'de, str>, Cow<'de, str>), A::Error> {
    let (mut arn, mut name) = (Cow::default(), Cow::default());
    while let Some(key) = map.next_key::<SessionKey>()? {
        match key {
            SessionKey::Arn => arn = map.next_value::<Text<'de>>()?.0,
            SessionKey::Name => name = map.next_value::<Text<'de>>()?.0,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
    }
    Ok((arn, name))
}
