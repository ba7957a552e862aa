//! Which events are data events, of objects, items and messages.

use crate::trail::Event;

/// The calls that CloudTrail records as data events, by service. S3 is told by its names.
const CALLS: [(&str, &[&str]); 7] = [
    (
        "dynamodb",
        &[
            "BatchExecuteStatement",
            "BatchGetItem",
            "BatchWriteItem",
            "DeleteItem",
            "ExecuteStatement",
            "ExecuteTransaction",
            "GetItem",
            "GetRecords",
            "GetShardIterator",
            "PutItem",
            "Query",
            "Scan",
            "TransactGetItems",
            "TransactWriteItems",
            "UpdateItem",
        ],
    ),
    ("ebs", &["GetSnapshotBlock", "ListChangedBlocks", "ListSnapshotBlocks", "PutSnapshotBlock"]),
    ("kinesis", &["GetRecords", "GetShardIterator", "PutRecord", "PutRecords", "SubscribeToShard"]),
    ("lambda", &["Invoke", "InvokeAsync", "InvokeFunction", "InvokeWithResponseStream"]),
    ("rds-data", &["BatchExecuteStatement", "ExecuteStatement"]),
    ("sns", &["Publish", "PublishBatch"]),
    (
        "sqs",
        &[
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ReceiveMessage",
            "SendMessage",
            "SendMessageBatch",
        ],
    ),
];

/// Whether an event is one of data. Records of before 2020 do not say so: there the call decides.
pub(super) fn is_data(event: &Event<'_>) -> bool {
    match (&*event.management, &*event.category) {
        ("false", _) | (_, "Data") => true,
        ("", "") => is_by_name(event.service(), &event.name),
        _ => false,
    }
}

fn is_by_name(service: &str, name: &str) -> bool {
    if service == "s3" {
        // What keeps objects from being changed is set on the bucket.
        let object = name.contains("Object") && !name.contains("ObjectLockConfiguration");
        return object
            || name.contains("MultipartUpload") && name != "ListMultipartUploads"
            || matches!(name, "UploadPart" | "UploadPartCopy" | "ListParts");
    }
    // Lambda puts the version of its API behind a name: `Invoke20150331`.
    let plain = name.split_once("2015").map_or(name, |(plain, _)| plain);
    CALLS.iter().any(|(of, names)| *of == service && names.contains(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(fields: &str) -> bool {
        let text =
            format!(r#"{{"eventVersion":"1.05","eventTime":"2019-01-01T00:00:00Z",{fields}}}"#);
        is_data(&crate::trail::one(text.as_bytes()).unwrap())
    }

    #[test]
    fn an_older_record_is_told_by_its_call() {
        for (source, name, expected) in [
            ("s3", "GetObject", true),
            ("s3", "UploadPart", true),
            ("s3", "ListBuckets", false),
            ("s3", "PutObjectLockConfiguration", false),
            ("s3", "PutBucketPolicy", false),
            ("lambda", "Invoke20150331", true),
            ("lambda", "ListFunctions20150331", false),
            ("dynamodb", "GetItem", true),
            ("dynamodb", "DescribeTable", false),
            ("sqs", "ReceiveMessage", true),
            ("iam", "GetUser", false),
        ] {
            let call = format!(r#""eventSource":"{source}.amazonaws.com","eventName":"{name}""#);
            assert_eq!(data(&call), expected, "{source} {name}");
            assert!(data(&format!(r#"{call},"managementEvent":false"#)));
            assert!(data(&format!(r#"{call},"eventCategory":"Data""#)));
            assert!(!data(&format!(
                r#"{call},"managementEvent":true,"eventCategory":"Management""#
            )));
        }
    }
}
