//! What an event was about: the most telling thing in its parameters. A table, since every service names its
//! things in its own way.

use super::found::Parameters;
use crate::trail::Event;

/// By service, where in the parameters its things stand; the first that is there counts.
const BY_SERVICE: &[(&str, &[&str])] = &[
    ("s3", &["bucketName + key", "bucketName"]),
    ("secretsmanager", &["secretId", "<arn", "name"]),
    ("ssm", &["name", "names.*", "path", "instanceIds.*", "target", "documentName"]),
    ("lambda", &["functionName", "<functionName"]),
    (
        "ec2",
        &[
            "instancesSet.items.*.instanceId",
            "<instancesSet.items.*.instanceId",
            "instanceId",
            "snapshotId",
            "imageId",
            "volumeId",
            "groupId",
            "<groupId",
            "keyName",
            "vpcId",
            "subnetId",
        ],
    ),
    ("bedrock", &["modelId", "inferenceProfileId", "agentId"]),
    ("sts", &["roleArn", "name", "targetPrincipal"]),
    (
        "iam",
        &[
            "userName",
            "roleName",
            "groupName",
            "policyArn",
            "<policy.arn",
            "instanceProfileName",
            "openIDConnectProviderArn",
            "sAMLProviderArn",
            "serialNumber",
            "accessKeyId",
        ],
    ),
    ("ses", &["source", "fromEmailAddress", "emailAddress", "emailIdentity", "identity"]),
    ("sns", &["topicArn", "phoneNumber", "<topicArn"]),
    ("sqs", &["queueUrl", "queueName"]),
    ("dynamodb", &["tableName", "tableArn"]),
    ("rds", &["dBInstanceIdentifier", "dBClusterIdentifier", "dBSnapshotIdentifier"]),
    ("kms", &["keyId", "<keyMetadata.arn"]),
    ("ecr", &["repositoryName"]),
    ("ecs", &["cluster", "taskDefinition", "service"]),
    ("events", &["name", "rule"]),
    ("scheduler", &["name"]),
    ("cloudtrail", &["name", "trailName"]),
    ("logs", &["logGroupName"]),
    ("organizations", &["accountId", "policyId", "targetId"]),
    (
        "rolesanywhere",
        &["<trustAnchor.trustAnchorId", "<profile.profileId", "trustAnchorId", "profileId", "name"],
    ),
    ("ec2-instance-connect", &["instanceId"]),
    ("sagemaker", &["notebookInstanceName", "endpointName"]),
    ("codebuild", &["projectName", "name"]),
    ("cloudformation", &["stackName"]),
    ("route53", &["hostedZoneId", "name"]),
];

/// For all the others, and where those say nothing.
const ANYWHERE: &[&str] = &[
    "resourceArn",
    "arn",
    "roleArn",
    "userName",
    "roleName",
    "functionName",
    "instanceId",
    "bucketName",
    "name",
];

/// The resources of an event, in the words of its service.
pub(super) fn resources(event: &Event<'_>, parameters: &Parameters<'_>) -> Vec<String> {
    let service = event.service();
    let own = BY_SERVICE.iter().find(|(name, _)| *name == service).map_or(&[][..], |(_, own)| *own);
    for paths in [own, ANYWHERE] {
        let found = parameters.first(paths);
        if !found.is_empty() {
            return found;
        }
    }
    listed(event)
}

/// What the event itself lists under `resources`.
fn listed(event: &Event<'_>) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Listed {
        #[serde(alias = "arn", rename = "ARN")]
        arn: Option<String>,
    }
    let list = event.resources.and_then(|raw| serde_json::from_str::<Vec<Listed>>(raw).ok());
    list.unwrap_or_default().into_iter().filter_map(|listed| listed.arn).collect()
}
