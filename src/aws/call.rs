//! One action as one call, and what its answer means.

use super::Aws;
use super::failure::{Failure, Kind};
use super::meter::Meter;
use super::secrets::NewKey;
use crate::error::Error;
use crate::identity::{AccessKeyId, UserName};
use crate::journal::StepResult;
use crate::plan::Action;
use crate::text::shown;
use aws_sdk_iam::config::Config;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::operation::RequestId;
use aws_sdk_iam::types::AccessKey;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// The description of a policy that ringfence creates.
const DESCRIPTION: &str = "written by ringfence; see its state file";

/// How a call ended.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// What it means for the step.
    pub result: StepResult,
    /// The service's Date, where there was an answer.
    pub service_date: Option<Timestamp>,
    /// The service's request ID, where there was an answer.
    pub request_id: Option<String>,
    /// The error's code and message, in one line.
    pub error: Option<String>,
    /// Whether something of that name is there already.
    pub already_there: bool,
    /// The permission that was missing, where one was.
    pub missing_action: Option<String>,
    /// The key that was made, with its secret.
    pub new_key: Option<NewKey>,
    /// The ID of what was made: a key's, or the version of a secret.
    pub made: Option<String>,
}

/// Sends an operation once: the SDK would repeat a lost call, and so might do it twice (D2.5).
macro_rules! send_once {
    ($call:expr, $request:expr) => {{
        let retry = Config::builder().retry_config(RetryConfig::disabled());
        let request = $request.customize().config_override(retry).interceptor($call.meter.of_iam());
        Box::pin(request.send()).await
    }};
}

macro_rules! once {
    ($call:expr, $request:expr) => {
        $call.ended(send_once!($call, $request))
    };
}

/// Makes the one call that an action is, in exactly one attempt.
///
/// The principal's name is always sent: without it some actions are about the caller (F20).
pub async fn call(aws: &Aws, name: &UserName, action: &Action) -> Reply {
    let call = Call { action, meter: Meter::default() };
    let (iam, name) = (&aws.iam, name.as_str());
    match action {
        Action::UpdateAccessKey { id, status } => {
            once!(
                call,
                iam.update_access_key()
                    .user_name(name)
                    .access_key_id(id)
                    .status(status.as_str().into())
            )
        }
        Action::UpdateSshPublicKey { id, status } => {
            once!(
                call,
                iam.update_ssh_public_key()
                    .user_name(name)
                    .ssh_public_key_id(id)
                    .status(status.as_str().into())
            )
        }
        Action::UpdateSigningCertificate { id, status } => {
            once!(
                call,
                iam.update_signing_certificate()
                    .user_name(name)
                    .certificate_id(id)
                    .status(status.as_str().into())
            )
        }
        Action::UpdateServiceSpecificCredential { id, status } => {
            let request = iam.update_service_specific_credential().user_name(name);
            once!(call, request.service_specific_credential_id(id).status(status.as_str().into()))
        }
        Action::PutUserPolicy { name: policy, document } => {
            let request = iam.put_user_policy().user_name(name).policy_name(policy);
            once!(call, request.policy_document(document.minified()))
        }
        Action::DeleteUserPolicy { name: policy } => {
            once!(call, iam.delete_user_policy().user_name(name).policy_name(policy))
        }
        Action::AttachUserPolicy { arn } => {
            once!(call, iam.attach_user_policy().user_name(name).policy_arn(arn))
        }
        Action::DetachUserPolicy { arn } => {
            once!(call, iam.detach_user_policy().user_name(name).policy_arn(arn))
        }
        Action::CreatePolicy { arn, name, document } => {
            let request = iam.create_policy().policy_name(name).path("/").description(DESCRIPTION);
            let reply = send_once!(call, request.policy_document(document.minified()));
            let made =
                reply.as_ref().ok().and_then(|reply| reply.policy()?.arn().map(str::to_owned));
            call.ended(reply).made(arn, made)
        }
        Action::CreateAccessKey => {
            let reply = send_once!(call, iam.create_access_key().user_name(name));
            let made = reply.as_ref().ok().and_then(|reply| reply.access_key().cloned());
            call.ended(reply).with_key(made)
        }
        Action::DeleteAccessKey { id } => {
            once!(call, iam.delete_access_key().user_name(name).access_key_id(id))
        }
        // They are no calls of IAM.
        Action::CreateSecret { .. }
        | Action::PutSecretValue { .. }
        | Action::WriteProfile { .. } => Reply::refused(&Error::failed("there is no key to store")),
        Action::DeletePolicy { arn } => once!(call, iam.delete_policy().policy_arn(arn)),
        Action::PutUserPermissionsBoundary { arn } => {
            once!(
                call,
                iam.put_user_permissions_boundary().user_name(name).permissions_boundary(arn)
            )
        }
        Action::DeleteUserPermissionsBoundary => {
            once!(call, iam.delete_user_permissions_boundary().user_name(name))
        }
        Action::DeleteLoginProfile => once!(call, iam.delete_login_profile().user_name(name)),
        Action::AddUserToGroup { group } => {
            once!(call, iam.add_user_to_group().user_name(name).group_name(group))
        }
        Action::RemoveUserFromGroup { group } => {
            once!(call, iam.remove_user_from_group().user_name(name).group_name(group))
        }
        Action::PutRolePolicy { name: policy, document } => {
            let request = iam.put_role_policy().role_name(name).policy_name(policy);
            once!(call, request.policy_document(document.minified()))
        }
        Action::DeleteRolePolicy { name: policy } => {
            once!(call, iam.delete_role_policy().role_name(name).policy_name(policy))
        }
        Action::AttachRolePolicy { arn } => {
            once!(call, iam.attach_role_policy().role_name(name).policy_arn(arn))
        }
        Action::DetachRolePolicy { arn } => {
            once!(call, iam.detach_role_policy().role_name(name).policy_arn(arn))
        }
        Action::PutRolePermissionsBoundary { arn } => {
            let request = iam.put_role_permissions_boundary().role_name(name);
            once!(call, request.permissions_boundary(arn))
        }
        Action::DeleteRolePermissionsBoundary => {
            once!(call, iam.delete_role_permissions_boundary().role_name(name))
        }
    }
}

struct Call<'a> {
    action: &'a Action,
    meter: Meter,
}

impl Call<'_> {
    fn ended<T, E>(&self, reply: Result<T, SdkError<E, HttpResponse>>) -> Reply
    where
        T: RequestId,
        E: std::error::Error + ProvideErrorMetadata + 'static,
        SdkError<E, HttpResponse>: RequestId,
    {
        let service_date = self.meter.latest_date();
        match reply {
            Ok(output) => {
                let error = self.not_an_answer();
                Reply {
                    result: if error.is_none() { StepResult::Done } else { StepResult::InDoubt },
                    service_date,
                    request_id: output.request_id().map(|id| shown(id).into_owned()),
                    error,
                    ..Reply::default()
                }
            }
            Err(error) => {
                let request_id = error.request_id().map(|id| shown(id).into_owned());
                let failure = self.failure(&error);
                Reply {
                    result: result(failure.kind),
                    service_date,
                    request_id,
                    already_there: failure.is_already_there(),
                    missing_action: (failure.kind == Kind::Denied)
                        .then(|| format!("iam:{}", self.action.name())),
                    error: Some(self.words(&failure)),
                    ..Reply::default()
                }
            }
        }
    }

    /// The SDK does not read replies that hold nothing, so a proxy's page would count as success.
    fn not_an_answer(&self) -> Option<String> {
        let root = self.meter.root();
        let expected = format!("{}Response", self.action.name());
        (root.as_deref() != Some(expected.as_str())).then(|| {
            let found = root.map_or("no XML".to_owned(), |root| format!("`{}`", shown(&root)));
            format!("no answer says whether it was done: expected `{expected}`, got {found}")
        })
    }

    fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let mut failure = Failure::of("", error);
        // What never reached the HTTP client has done nothing, whatever else it looks like.
        if failure.kind == Kind::Lost && !self.meter.sent() {
            failure.kind = Kind::Unsent;
        }
        failure
    }

    fn words(&self, failure: &Failure) -> String {
        let text = &failure.text;
        match failure.kind {
            Kind::Unsent | Kind::NoCredentials => format!("not sent, nothing was changed: {text}"),
            Kind::Lost | Kind::Garbled => format!("no answer says whether it was done: {text}"),
            Kind::Unimplemented => format!("the endpoint does not implement it: {text}"),
            Kind::Refused if failure.is_already_there() => {
                format!("something of that name is there already, and was not changed: {text}")
            }
            _ => text.clone(),
        }
    }
}

/// What a failure means for a step (F17).
const fn result(kind: Kind) -> StepResult {
    match kind {
        Kind::NotFound => StepResult::NotFound,
        Kind::Throttled => StepResult::Throttled,
        Kind::Lost | Kind::Garbled | Kind::Senseless => StepResult::InDoubt,
        Kind::Denied
        | Kind::Unimplemented
        | Kind::Expired
        | Kind::BadCredentials
        | Kind::NoCredentials
        | Kind::Unsent
        | Kind::Refused => StepResult::Refused,
    }
}

impl Reply {
    /// What was not sent at all.
    pub(crate) fn refused(error: &Error) -> Self {
        let cause = error.cause().map_or_else(String::new, |cause| format!(": {cause}"));
        Self {
            result: StepResult::Refused,
            error: Some(format!("{}{cause}", error.message())),
            ..Self::default()
        }
    }

    /// What was written where no service answers.
    pub(crate) fn stored() -> Self {
        Self { result: StepResult::Done, ..Self::default() }
    }

    /// The key that an answer carries. One without is no answer.
    fn with_key(mut self, made: Option<AccessKey>) -> Self {
        if self.result != StepResult::Done {
            return self;
        }
        match made.filter(|key| key.access_key_id().parse::<AccessKeyId>().is_ok()) {
            Some(key) => {
                self.made = Some(key.access_key_id().to_owned());
                self.new_key = Some(NewKey {
                    id: key.access_key_id().to_owned(),
                    secret: Zeroizing::new(key.secret_access_key().to_owned()),
                });
            }
            None => {
                self.result = StepResult::InDoubt;
                self.error = Some("the answer holds no key".to_owned());
            }
        }
        self
    }

    /// A policy made under another ARN than the plan names is not the plan's.
    fn made(mut self, meant: &str, made: Option<String>) -> Self {
        if let (StepResult::Done, Some(made)) = (self.result, made)
            && made != meant
        {
            self.result = StepResult::InDoubt;
            self.error = Some(format!("made as `{}`, meant was `{meant}`", shown(&made)));
        }
        self
    }
}
