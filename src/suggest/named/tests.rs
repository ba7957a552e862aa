//! What events tell, by the service.

use super::*;
use serde_json::json;

const WHO: &str = "arn:aws:iam::123456789012:user/u";

fn told(source: &str, name: &str, request: &Value, resources: &Value) -> Vec<String> {
    let catalog = Catalog::new();
    let (request, resources) = (request.to_string(), resources.to_string());
    let mut event = Event::default();
    event.source = format!("{source}.amazonaws.com").into();
    event.name = name.into();
    event.region = "eu-west-1".into();
    event.recipient = "123456789012".into();
    event.identity = Some(crate::trail::Identity { arn: WHO.into(), ..Default::default() });
    event.request = Some(&request);
    event.resources = Some(&resources);
    let Taken::Needs(needs) = taken(&catalog, &event) else { return Vec::new() };
    let one = |((prefix, name), targets): (&ActionId, &BTreeSet<Target>)| {
        let name = &catalog.action(prefix, name).unwrap().name;
        let on: Vec<String> = targets
            .iter()
            .map(|target| match target {
                Target::NoResource => "none".to_owned(),
                Target::Unnamed => "unnamed".to_owned(),
                other => other.element(),
            })
            .collect();
        format!("{prefix}:{name} {}", on.join(" "))
    };
    needs.iter().map(one).collect()
}

#[test]
fn resources_are_what_the_event_names() {
    let none = json!(null);
    for (source, name, request, resources, expected) in [
        (
            "s3",
            "GetObject",
            json!({"bucketName": "b", "key": "a/1.csv"}),
            &none,
            "s3:GetObject arn:aws:s3:::b/a/1.csv",
        ),
        (
            "s3",
            "ListObjects",
            json!({"bucketName": "b", "prefix": "a/"}),
            &none,
            "s3:ListBucket arn:aws:s3:::b",
        ),
        ("s3", "ListBuckets", json!(null), &none, "s3:ListAllMyBuckets none"),
        (
            "dynamodb",
            "GetItem",
            json!({"tableName": "orders", "key": {"id": {"S": "x"}}}),
            &none,
            "dynamodb:GetItem arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
        ),
        (
            "dynamodb",
            "Query",
            json!({"tableName": "orders", "indexName": "by-day"}),
            &none,
            "dynamodb:Query arn:aws:dynamodb:eu-west-1:123456789012:table/orders \
          arn:aws:dynamodb:eu-west-1:123456789012:table/orders/index/by-day",
        ),
        (
            "sqs",
            "SendMessage",
            json!({"queueUrl": "https://sqs.eu-west-1.amazonaws.com/210987654321/jobs"}),
            &none,
            "sqs:SendMessage arn:aws:sqs:eu-west-1:210987654321:jobs",
        ),
        (
            "kms",
            "Decrypt",
            json!({"keyId": "alias/app"}),
            &json!([{"ARN": "arn:aws:kms:eu-west-1:123456789012:key/1234", "type": "AWS::KMS::Key"}]),
            "kms:Decrypt arn:aws:kms:eu-west-1:123456789012:key/1234",
        ),
        (
            "kms",
            "Decrypt",
            json!({"encryptionContext": {"keyId": "x"}}),
            &none,
            "kms:Decrypt unnamed",
        ),
        (
            "secretsmanager",
            "GetSecretValue",
            json!({"secretId": "prod/db"}),
            &none,
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-??????",
        ),
        (
            "lambda",
            "Invoke",
            json!({"functionName": "resize"}),
            &none,
            "lambda:InvokeFunction arn:aws:lambda:eu-west-1:123456789012:function:resize \
          arn:aws:lambda:eu-west-1:123456789012:function:resize:*",
        ),
        (
            "sns",
            "Publish",
            json!({"topicArn": "arn:aws:sns:eu-west-1:123456789012:alerts"}),
            &none,
            "sns:Publish arn:aws:sns:eu-west-1:123456789012:alerts",
        ),
        (
            "logs",
            "CreateLogGroup",
            json!({"logGroupName": "/app"}),
            &none,
            "logs:CreateLogGroup arn:aws:logs:eu-west-1:123456789012:log-group:/app \
          arn:aws:logs:eu-west-1:123456789012:log-group:/app:*",
        ),
        (
            "sts",
            "AssumeRole",
            json!({"roleArn": "arn:aws:iam::123456789012:role/ci/deploy"}),
            &none,
            "sts:AssumeRole arn:aws:iam::123456789012:role/ci/deploy",
        ),
        (
            "ecr",
            "BatchGetImage",
            json!({"repositoryName": "web", "registryId": "210987654321"}),
            &none,
            "ecr:BatchGetImage arn:aws:ecr:eu-west-1:210987654321:repository/web",
        ),
        (
            "iam",
            "GetUser",
            json!({"userName": "u"}),
            &none,
            "iam:GetUser arn:aws:iam::123456789012:user/u",
        ),
        (
            "iam",
            "GetUser",
            json!({"userName": "x"}),
            &none,
            "iam:GetUser arn:aws:iam::123456789012:user/x arn:aws:iam::123456789012:user/*/x",
        ),
        ("ec2", "DescribeInstances", json!({}), &none, "ec2:DescribeInstances none"),
        (
            "ec2",
            "TerminateInstances",
            json!({"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}}),
            &none,
            "ec2:TerminateInstances arn:aws:ec2:eu-west-1:*:instance/i-1 arn:aws:ec2:eu-west-1:*:instance/i-2",
        ),
        (
            "ssm",
            "GetParameter",
            json!({"name": "/app/db"}),
            &none,
            "ssm:GetParameter arn:aws:ssm:eu-west-1:123456789012:parameter/app/db",
        ),
    ] {
        assert_eq!(told(source, name, &request, resources).join("; "), expected, "{source} {name}");
    }
}

#[test]
fn a_call_that_takes_more_than_one_action_names_each_its_own() {
    let copy = json!({"bucketName": "to", "key": "k", "x-amz-copy-source": "from/a%20b"});
    assert_eq!(
        told("s3", "CopyObject", &copy, &json!(null)),
        ["s3:GetObject arn:aws:s3:::from/a b", "s3:PutObject arn:aws:s3:::to/k"]
    );
    let create = json!({"functionName": "f", "role": "arn:aws:iam::123456789012:role/run"});
    let all = told("lambda", "CreateFunction20150331", &create, &json!(null));
    assert_eq!(all[0], "iam:PassRole arn:aws:iam::123456789012:role/run");
    let put = json!({"bucketName": "b", "key": "k", "x-amz-acl": "public-read"});
    assert_eq!(told("s3", "PutObject", &put, &json!(null)).len(), 2);
    assert!(told("sts", "GetCallerIdentity", &json!({}), &json!(null)).is_empty());
    assert!(told("signin", "ConsoleLogin", &json!(null), &json!(null)).is_empty());
}
