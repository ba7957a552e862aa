//! Whether a new key works: it authenticates, and is allowed what its workload needs.

use super::Aws;
use super::failure::{Failure, Kind};
use super::secrets::NewKey;
use crate::identity::Arn;
use crate::journal::Probed;
use aws_config::SdkConfig;
use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The connection as it is for the new key. Its calls only read, and only by repeating one does the SDK find out that
/// the clock here is wrong.
fn as_key(aws: &Aws, key: &NewKey) -> SdkConfig {
    let credentials = aws_sdk_iam::config::Credentials::new(
        key.id.clone(),
        key.secret.to_string(),
        None,
        None,
        "ringfence",
    );
    let provider = aws_sdk_iam::config::SharedCredentialsProvider::new(credentials);
    aws.sdk.to_builder().credentials_provider(provider).build()
}

/// Who the new key is, as STS tells. Before it has reached every endpoint it is unknown there (F29).
///
/// # Errors
/// In one line, if it does not authenticate.
pub async fn authenticates(aws: &Aws, key: &NewKey) -> Result<(), String> {
    let sts = aws_sdk_sts::Client::new(&as_key(aws, key));
    match Box::pin(sts.get_caller_identity().send()).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::of("sts:GetCallerIdentity", &error).text),
    }
}

/// Tries the actions: the ones that read and cost nothing by a call with the new key, the others in the simulator
/// of policies. What could not be tried is not known, and the reason comes with it.
pub async fn probe(
    aws: &Aws,
    user: &Arn,
    key: &NewKey,
    actions: &[String],
) -> (Vec<Probed>, Option<String>) {
    let (mut probed, mut error) = (Vec::new(), None);
    for action in actions {
        let (allowed, called) = match call(aws, key, action).await {
            Some(answer) => (answer, true),
            None => (simulate(aws, user, action).await, false),
        };
        let allowed = match allowed {
            Ok(allowed) => Some(allowed),
            Err(why) => {
                error.get_or_insert(why);
                None
            }
        };
        probed.push(Probed { action: action.clone(), allowed, called });
    }
    (probed, error)
}

/// The answer to a call with the key; `None` for an action that is not simply called.
async fn call(aws: &Aws, key: &NewKey, action: &str) -> Option<Result<bool, String>> {
    let config = as_key(aws, key);
    Some(match action.to_ascii_lowercase().as_str() {
        "sts:getcalleridentity" => {
            let sts = aws_sdk_sts::Client::new(&config);
            answer("sts:GetCallerIdentity", Box::pin(sts.get_caller_identity().send()).await)
        }
        "iam:getuser" => {
            let iam = aws_sdk_iam::Client::new(&config);
            answer("iam:GetUser", Box::pin(iam.get_user().send()).await)
        }
        "secretsmanager:listsecrets" => {
            let secrets = aws_sdk_secretsmanager::Client::new(&config);
            let asked = secrets.list_secrets().max_results(1).send();
            answer("secretsmanager:ListSecrets", Box::pin(asked).await)
        }
        #[cfg(feature = "s3")]
        "s3:listallmybuckets" => {
            let style = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
            let s3 = aws_sdk_s3::Client::from_conf(style.build());
            answer("s3:ListAllMyBuckets", Box::pin(s3.list_buckets().send()).await)
        }
        _ => return None,
    })
}

fn answer<T, E>(
    action: &'static str,
    reply: Result<T, SdkError<E, HttpResponse>>,
) -> Result<bool, String>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match reply {
        Ok(_) => Ok(true),
        Err(error) => {
            let failure = Failure::of(action, &error);
            match failure.kind {
                Kind::Denied => Ok(false),
                _ => Err(format!("{action}: {}", failure.text)),
            }
        }
    }
}

async fn simulate(aws: &Aws, user: &Arn, action: &str) -> Result<bool, String> {
    let asked = aws.iam.simulate_principal_policy().policy_source_arn(user.as_str());
    let reply = Box::pin(asked.action_names(action).send()).await.map_err(|error| {
        let failure = Failure::of("iam:SimulatePrincipalPolicy", &error);
        format!("{}: {}", failure.action, failure.text)
    })?;
    let results = reply.evaluation_results();
    let allowed = |one: &aws_sdk_iam::types::EvaluationResult| {
        *one.eval_decision() == PolicyEvaluationDecisionType::Allowed
    };
    match results {
        [] => Err(format!("iam:SimulatePrincipalPolicy: no result for {action}")),
        some => Ok(some.iter().all(allowed)),
    }
}
