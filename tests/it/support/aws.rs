//! An independent client of the emulator: it sets the scene, and looks at what has become of it.

use aws_sdk_iam::config::{BehaviorVersion, Credentials as SdkCredentials, Region};
use aws_sdk_iam::error::SdkError;
use aws_sdk_iam::operation::RequestId;
use aws_sdk_iam::types::{StatusType, Tag};
use aws_smithy_http_client::Builder;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Something to sign with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

impl Credentials {
    pub fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), token: None }
    }

    /// The emulators' own administrator: root, whose signature is not checked.
    pub fn root() -> Self {
        Self::new("test", "test")
    }
}

/// What a call came to: `Ok`, or the code of the service's error.
pub type Answer = Result<(), String>;

/// Everything about a user, one line each: what is compared before and after.
pub type Facts = BTreeMap<String, String>;

/// What stands for a listing that the emulator does not have.
pub const LACKING: &str = "not on this emulator";

/// A client with credentials of its own.
pub struct Aws {
    pub iam: aws_sdk_iam::Client,
    pub sts: aws_sdk_sts::Client,
    pub s3: aws_sdk_s3::Client,
    runtime: Runtime,
}

/// Allows everything: what the users of these tests may do before they are contained.
pub const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Public keys whose private halves are nowhere.
const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl nobody";
const CERTIFICATE: &str = include_str!("certificate.pem");

impl Aws {
    pub fn new(url: &str, credentials: &Credentials) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let keys = SdkCredentials::new(
            &credentials.id,
            &credentials.secret,
            credentials.token.clone(),
            None,
            "test",
        );
        let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(60)).build();
        let iam = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.clone())
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(keys.clone())
            .build();
        let sts = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.clone())
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(keys.clone())
            .build();
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(keys)
            .build();
        Self {
            iam: aws_sdk_iam::Client::from_conf(iam),
            sts: aws_sdk_sts::Client::from_conf(sts),
            s3: aws_sdk_s3::Client::from_conf(s3),
            runtime,
        }
    }

    /// Makes a call that must succeed.
    #[track_caller]
    pub fn make<T, E: Debug>(&self, call: impl Future<Output = Result<T, E>>) -> T {
        match self.runtime.block_on(call) {
            Ok(reply) => reply,
            Err(error) => panic!("the scene could not be set: {error:#?}"),
        }
    }

    /// Makes a call, and says what it came to.
    pub fn ask<T, E, R>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, String>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: Debug,
        SdkError<E, R>: RequestId,
    {
        self.runtime.block_on(call).map_err(|error| match error.code() {
            Some(code) => code.to_owned(),
            None => format!("no answer of IAM's ({error:?})"),
        })
    }

    /// Makes a bucket.
    pub fn bucket(&self, name: &str) {
        self.make(self.s3.create_bucket().bucket(name).send());
    }

    /// Puts an object into a bucket.
    pub fn object(&self, bucket: &str, key: &str, bytes: Vec<u8>) {
        self.make(self.s3.put_object().bucket(bucket).key(key).body(bytes.into()).send());
    }

    /// Every object of a bucket, by key.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let page = self.make(self.s3.list_objects_v2().bucket(bucket).send());
        assert_eq!(page.is_truncated(), Some(false), "more than one page");
        for key in page.contents().iter().filter_map(|object| object.key()) {
            let reply = self.make(self.s3.get_object().bucket(bucket).key(key).send());
            found.insert(key.to_owned(), self.make(reply.body.collect()).to_vec());
        }
        found
    }

    /// Who the caller is.
    pub fn identity(&self) -> Result<String, String> {
        self.ask(self.sts.get_caller_identity().send())
            .map(|reply| reply.arn().unwrap_or_default().to_owned())
    }

    /// What comes of a call that takes a permission.
    pub fn act(&self) -> Answer {
        self.ask(self.iam.list_groups().send()).map(|_| ())
    }

    /// Makes a user that may do everything; returns its unique ID.
    pub fn user(&self, name: &str) -> String {
        let reply = self.make(self.iam.create_user().user_name(name).send());
        self.put_policy(name, "allow", ALLOW_ALL);
        reply.user().unwrap().user_id().to_owned()
    }

    /// A user's unique ID.
    pub fn id(&self, user: &str) -> String {
        self.make(self.iam.get_user().user_name(user).send()).user().unwrap().user_id().to_owned()
    }

    pub fn tag(&self, user: &str, key: &str, value: &str) {
        let tag = Tag::builder().key(key).value(value).build().unwrap();
        self.make(self.iam.tag_user().user_name(user).tags(tag).send());
    }

    /// Makes an access key that a screen lists before those of [`Aws::second_key`].
    pub fn key(&self, user: &str) -> Credentials {
        self.key_that(user, is_early)
    }

    /// Makes an access key that a screen lists after that of [`Aws::key`].
    pub fn second_key(&self, user: &str) -> Credentials {
        self.key_that(user, |id| !is_early(id))
    }

    fn key_that(&self, user: &str, fits: impl Fn(&str) -> bool) -> Credentials {
        for _ in 0..MANY {
            let reply = self.make(self.iam.create_access_key().user_name(user).send());
            let key = reply.access_key().unwrap();
            if fits(key.access_key_id()) {
                return Credentials::new(key.access_key_id(), key.secret_access_key());
            }
            self.delete_key(user, key.access_key_id());
        }
        panic!("no key of {MANY} has an ID that fits");
    }

    pub fn delete_key(&self, user: &str, key: &str) {
        self.make(self.iam.delete_access_key().user_name(user).access_key_id(key).send());
    }

    pub fn set_key(&self, user: &str, key: &str, status: StatusType) {
        self.make(
            self.iam.update_access_key().user_name(user).access_key_id(key).status(status).send(),
        );
    }

    pub fn put_policy(&self, user: &str, name: &str, document: &str) {
        let call =
            self.iam.put_user_policy().user_name(user).policy_name(name).policy_document(document);
        self.make(call.send());
    }

    pub fn delete_policy(&self, user: &str, name: &str) {
        self.make(self.iam.delete_user_policy().user_name(user).policy_name(name).send());
    }

    pub fn attach(&self, user: &str, arn: &str) {
        self.make(self.iam.attach_user_policy().user_name(user).policy_arn(arn).send());
    }

    /// Makes a policy of the account; returns its ARN.
    pub fn policy(&self, name: &str, document: &str) -> String {
        let reply =
            self.make(self.iam.create_policy().policy_name(name).policy_document(document).send());
        reply.policy().unwrap().arn().unwrap().to_owned()
    }

    /// Makes a group, and the user a member of it.
    pub fn group(&self, name: &str, user: &str) {
        self.make(self.iam.create_group().group_name(name).send());
        self.make(self.iam.add_user_to_group().group_name(name).user_name(user).send());
    }

    /// Makes a role that nobody may assume.
    pub fn role(&self, name: &str) {
        let nobody = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}"#;
        self.make(
            self.iam.create_role().role_name(name).assume_role_policy_document(nobody).send(),
        );
    }

    /// Makes a role that everybody of the account may assume, and that may do everything.
    pub fn open_role(&self, name: &str) -> String {
        let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
        let made = self.iam.create_role().role_name(name).assume_role_policy_document(open);
        let made = self.make(made.send());
        let policy = self.iam.put_role_policy().role_name(name).policy_name("work");
        self.make(policy.policy_document(ALLOW_ALL).send());
        made.role().unwrap().role_id().to_owned()
    }

    /// Assumes a role.
    pub fn assume(&self, role: &str, name: &str) -> Credentials {
        let arn = format!("arn:aws:iam::123456789012:role/{role}");
        let reply = self.sts.assume_role().role_arn(arn).role_session_name(name);
        session(self.make(reply.send()).credentials().unwrap())
    }

    /// Everything that is stored about a role.
    pub fn role_facts(&self, role: &str) -> Facts {
        let iam = &self.iam;
        let mut facts = Facts::new();
        let reply = self.make(iam.get_role().role_name(role).send());
        let found = reply.role().unwrap();
        facts.insert("id".to_owned(), found.role_id().to_owned());
        let trust = found.assume_role_policy_document().unwrap_or_default();
        facts.insert("trust".to_owned(), document(trust));
        let boundary =
            found.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
        facts.insert("boundary".to_owned(), boundary.unwrap_or("none").to_owned());
        for name in self.make(iam.list_role_policies().role_name(role).send()).policy_names() {
            let reply = self.make(iam.get_role_policy().role_name(role).policy_name(name).send());
            facts.insert(format!("role_policy/{name}"), document(reply.policy_document()));
        }
        let attached = self.make(iam.list_attached_role_policies().role_name(role).send());
        for policy in attached.attached_policies() {
            let arn = policy.policy_arn().unwrap();
            facts.insert(format!("attached_policy/{arn}"), "attached".to_owned());
        }
        facts
    }

    /// Deletes a user that has what these tests give one.
    pub fn delete_user(&self, user: &str) {
        for key in
            self.make(self.iam.list_access_keys().user_name(user).send()).access_key_metadata()
        {
            self.delete_key(user, key.access_key_id().unwrap());
        }
        for name in self.make(self.iam.list_user_policies().user_name(user).send()).policy_names() {
            self.delete_policy(user, name);
        }
        self.make(self.iam.delete_user().user_name(user).send());
    }

    pub fn password(&self, user: &str) {
        self.make(
            self.iam
                .create_login_profile()
                .user_name(user)
                .password("Correct-Horse-9-Battery")
                .send(),
        );
    }

    /// Gives the user an SSH key; returns its ID.
    pub fn ssh_key(&self, user: &str) -> String {
        self.ssh_key_that(user, SSH_KEY, is_early)
    }

    /// Gives the user another one, which a screen lists after that.
    pub fn second_ssh_key(&self, user: &str) -> String {
        self.ssh_key_that(user, &SSH_KEY.replace("nobody", "thief"), |id| !is_early(id))
    }

    fn ssh_key_that(&self, user: &str, key: &str, fits: impl Fn(&str) -> bool) -> String {
        for _ in 0..MANY {
            let call = self.iam.upload_ssh_public_key().user_name(user).ssh_public_key_body(key);
            let id =
                self.make(call.send()).ssh_public_key().unwrap().ssh_public_key_id().to_owned();
            if fits(&id) {
                return id;
            }
            self.make(
                self.iam.delete_ssh_public_key().user_name(user).ssh_public_key_id(&id).send(),
            );
        }
        panic!("no SSH key of {MANY} has an ID that fits");
    }

    /// Gives the user a signing certificate; returns its ID.
    pub fn certificate(&self, user: &str) -> String {
        let call =
            self.iam.upload_signing_certificate().user_name(user).certificate_body(CERTIFICATE);
        self.make(call.send()).certificate().unwrap().certificate_id().to_owned()
    }

    /// Mints a token with this client's own key.
    pub fn token(&self, seconds: i32) -> Credentials {
        let reply = self.make(self.sts.get_session_token().duration_seconds(seconds).send());
        session(reply.credentials().unwrap())
    }

    /// The same, of a federated user.
    pub fn federated(&self, name: &str) -> Credentials {
        let reply = self.make(self.sts.get_federation_token().name(name).policy(ALLOW_ALL).send());
        session(reply.credentials().unwrap())
    }

    /// Everything that is stored about a user, and every policy of the account.
    pub fn facts(&self, user: &str) -> Facts {
        let iam = &self.iam;
        let mut facts = Facts::new();
        let mut add = |key: String, value: &str| {
            facts.insert(key, value.to_owned());
        };
        let reply = self.make(iam.get_user().user_name(user).send());
        let found = reply.user().unwrap();
        add("id".to_owned(), found.user_id());
        add("path".to_owned(), found.path());
        let boundary =
            found.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
        add("permissions_boundary".to_owned(), boundary.unwrap_or("none"));
        for tag in self.make(iam.list_user_tags().user_name(user).send()).tags() {
            add(format!("tag/{}", tag.key()), tag.value());
        }
        for key in self.make(iam.list_access_keys().user_name(user).send()).access_key_metadata() {
            add(
                format!("access_key/{}", key.access_key_id().unwrap()),
                key.status().unwrap().as_str(),
            );
        }
        let password = self.ask(iam.get_login_profile().user_name(user).send());
        add("login_profile".to_owned(), if password.is_ok() { "set" } else { "none" });
        for name in self.make(iam.list_user_policies().user_name(user).send()).policy_names() {
            let reply = self.make(iam.get_user_policy().user_name(user).policy_name(name).send());
            add(format!("inline_policy/{name}"), &document(reply.policy_document()));
        }
        for policy in
            self.make(iam.list_attached_user_policies().user_name(user).send()).attached_policies()
        {
            add(format!("attached_policy/{}", policy.policy_arn().unwrap()), "attached");
        }
        for group in self.make(iam.list_groups_for_user().user_name(user).send()).groups() {
            add(format!("group/{}", group.group_name()), "a member");
        }
        match self.ask(iam.list_ssh_public_keys().user_name(user).send()) {
            Ok(reply) => reply.ssh_public_keys().iter().for_each(|key| {
                add(format!("ssh_key/{}", key.ssh_public_key_id()), key.status().as_str());
            }),
            Err(_) => add("ssh_key".to_owned(), LACKING),
        }
        match self.ask(iam.list_signing_certificates().user_name(user).send()) {
            Ok(reply) => reply.certificates().iter().for_each(|certificate| {
                add(
                    format!("signing_certificate/{}", certificate.certificate_id()),
                    certificate.status().as_str(),
                );
            }),
            Err(_) => add("signing_certificate".to_owned(), LACKING),
        }
        let policies =
            self.make(iam.list_policies().scope(aws_sdk_iam::types::PolicyScopeType::Local).send());
        for policy in policies.policies() {
            add(
                format!("policy/{}", policy.arn().unwrap()),
                policy.default_version_id().unwrap_or_default(),
            );
        }
        facts
    }
}

/// More IDs than it ever takes for one that fits.
const MANY: usize = 200;

/// Whether an ID is listed early: the emulators make them up, and screens list them in their order.
fn is_early(id: &str) -> bool {
    match id.strip_prefix("AKIARZPUZDIK") {
        // moto's access keys begin with the account, and go on with a letter from A to P.
        Some(rest) => rest < "I",
        None => id[4..].starts_with(|c: char| c.is_ascii_digit()),
    }
}

fn session(credentials: &aws_sdk_sts::types::Credentials) -> Credentials {
    Credentials {
        id: credentials.access_key_id().to_owned(),
        secret: credentials.secret_access_key().to_owned(),
        token: Some(credentials.session_token().to_owned()),
    }
}

/// A document in one line, whichever way the emulator sends it.
fn document(text: &str) -> String {
    let text = if text.trim_start().starts_with('{') {
        text.to_owned()
    } else {
        percent_decode_str(text).decode_utf8_lossy().into_owned()
    };
    serde_json::from_str::<serde_json::Value>(&text).map_or(text, |value| value.to_string())
}
