#!/usr/bin/env python3
"""Makes actions.txt, which `suggest-policy` maps CloudTrail's events with. README.md has its sources.

    make.py --definition iam-definition.json --map map.json --botocore DIR > actions.txt

Every service is one block of lines:

    S prefix                        the service, as policies name it
    C source                        an event source that is this service's, without `.amazonaws.com`,
                                    where it is not the prefix
    T template                      a type of resource; `~` is `arn:${Partition}:PREFIX:${Region}:${Account}:`
    nName types                     an action: the first n characters are those of the action before; its
                                    types by their places among the T lines, `!` where one is required, `P`
                                    where a role is passed
    E event action…                 an event whose action has another name; `-` where none is needed
    N action variable<name…         where an event tells a part of an ARN under another name
"""
import argparse
import gzip
import json
import os
import re
import sys

# Event sources that no model of botocore names: CloudTrail's user guide and the events themselves do.
SOURCES = {
    "monitoring": "cloudwatch", "email": "ses", "tagging": "tag", "states": "states", "logs": "logs",
    "bedrock": "bedrock", "rdsdata": "rds-data", "elasticmapreduce": "elasticmapreduce", "es": "es",
    "signin": "signin", "s3express": "s3express", "config": "config", "dynamodb": "dynamodb",
    "runtime.sagemaker": "sagemaker", "sagemaker": "sagemaker", "autoscaling": "autoscaling",
    "cloudcontrolapi": "cloudformation", "ebs": "ebs", "ssmmessages": "ssmmessages", "kms": "kms",
    "sso": "sso", "sso-directory": "sso-directory", "resource-groups": "resource-groups",
    "resource-explorer-2": "resource-explorer-2", "airflow": "airflow", "aoss": "aoss",
    "lex": "lex", "iot": "iot", "iotdata": "iot", "pricing": "pricing", "ce": "ce", "q": "q",
    "apprunner": "apprunner", "appsync": "appsync", "servicecatalog-appregistry": "servicecatalog",
    "transcribestreaming": "transcribe", "xray": "xray", "s3-outposts": "s3-outposts",
    "amazonmq": "mq", "redshift-data": "redshift-data", "cloudtrail-data": "cloudtrail-data", "codeartifact": "codeartifact",
}


def definition(path):
    with open(path) as file:
        return {prefix: one for prefix, one in json.load(file).items() if isinstance(one, dict)}


def models(folder):
    """Of each service: endpoint prefix, signing name, ID, its operations, and those that need no signature."""
    for name in sorted(os.listdir(folder)):
        versions = os.path.join(folder, name)
        if not os.path.isdir(versions):
            continue
        latest = sorted(os.listdir(versions))[-1]
        for file in ("service-2.json.gz", "service-2.json"):
            path = os.path.join(versions, latest, file)
            if os.path.exists(path):
                opened = gzip.open(path) if path.endswith(".gz") else open(path)
                with opened as content:
                    model = json.load(content)
                yield name, model["metadata"], set(model["operations"])


def prefix_of(metadata, services, friendly):
    """The prefix that policies have for a model's service."""
    endpoint = metadata["endpointPrefix"]
    known = [endpoint, endpoint.split(".")[-1], metadata.get("signingName")]
    ids = [metadata.get("serviceId", ""), metadata.get("serviceId", "").replace(" ", "")]
    for candidate in [friendly.get(one) for one in ids] + known:
        if candidate in services:
            return candidate
    return None


def variables(template):
    return [name for name in re.findall(r"\$\{(\w+)\}", template) if name not in ("Partition", "Region", "Account")]


def leaf(template):
    """The parameter that a template of the map takes a value from; none where it takes a text or more than one."""
    names = re.findall(r"\$\{([^}]+)\}", template)
    if len(names) != 1 or "%%if" in template or "%%many" in template:
        return None
    return re.sub(r"\[\]$", "", names[0]).split(".")[-1].replace("[]", "")


def mapped(map_file, services):
    """What the map says beyond `prefix:Operation`: events with other actions, and names of parameters."""
    events, names = {}, {}
    friendly = map_file["sdk_service_mappings"]
    for method, entries in map_file["sdk_method_iam_mappings"].items():
        service, operation = method.split(".", 1)
        prefix = friendly.get(service) or friendly.get(re.sub(r"V\d+$", "", service))
        if prefix not in services:
            continue
        own = services[prefix]["privileges"]
        actions = []
        for entry in entries:
            its, _, name = entry["action"].partition(":")
            known = services.get(its, {"privileges": {}})["privileges"]
            exact = next((one for one in known if one.lower() == name.lower()), None)
            if exact is None or entry["action"] == "iam:PassRole":
                continue
            # What has a condition of its own is not what every such call needs.
            if not entry.get("conditions") and f"{its}:{exact}" not in actions:
                actions.append(f"{its}:{exact}")
            if its == prefix:
                for variable, value in (entry.get("resource_mappings") or {}).items():
                    name = leaf(value.get("template", ""))
                    # CloudTrail has names of its own for S3's.
                    if name and prefix != "s3" and name.lower().rstrip("s") != variable.lower():
                        names.setdefault((prefix, exact), {}).setdefault(variable, set()).add(name)
        if operation not in own and actions:
            events.setdefault((prefix, operation), actions)
    return events, names


# What the map does not have, or has too wide: from the reference pages of S3, Lambda, Bedrock and STS.
EVENTS = {
    ("s3", "CopyObject"): ["s3:PutObject", "s3:GetObject"],
    ("s3", "UploadPartCopy"): ["s3:PutObject", "s3:GetObject"],
    ("s3", "DeleteObjects"): ["s3:DeleteObject"],
    ("s3", "HeadObject"): ["s3:GetObject"],
    ("s3", "HeadBucket"): ["s3:ListBucket"],
    ("s3", "PostObject"): ["s3:PutObject"],
    ("s3", "RestoreObject"): ["s3:RestoreObject"],
    ("s3", "DeleteBucketPublicAccessBlock"): ["s3:PutBucketPublicAccessBlock"],
    ("s3", "DeleteBucketOwnershipControls"): ["s3:PutBucketOwnershipControls"],
    ("s3", "GetBucketObjectLockConfiguration"): ["s3:GetBucketObjectLockConfiguration"],
    ("s3", "GetObjectAttributes"): ["s3:GetObject", "s3:GetObjectAttributes"],
    ("s3", "GetAccountPublicAccessBlock"): ["s3:GetAccountPublicAccessBlock"],
    ("s3", "DeleteAccountPublicAccessBlock"): ["s3:PutAccountPublicAccessBlock"],
    ("lambda", "Invoke"): ["lambda:InvokeFunction"],
    ("lambda", "InvokeWithResponseStream"): ["lambda:InvokeFunction"],
    ("lambda", "AddPermission"): ["lambda:AddPermission"],
    ("bedrock", "Converse"): ["bedrock:InvokeModel"],
    ("bedrock", "ConverseStream"): ["bedrock:InvokeModelWithResponseStream"],
    ("sts", "GetCallerIdentity"): [], ("sts", "GetSessionToken"): [],
    ("dynamodb", "DescribeEndpoints"): [],
    ("dynamodb", "TransactGetItems"): ["dynamodb:GetItem"],
    ("sqs", "SendMessageBatch"): ["sqs:SendMessage"],
    ("sqs", "DeleteMessageBatch"): ["sqs:DeleteMessage"],
    ("sqs", "ChangeMessageVisibilityBatch"): ["sqs:ChangeMessageVisibility"],
    ("sns", "PublishBatch"): ["sns:Publish"],
    ("kms", "ReEncrypt"): ["kms:ReEncryptFrom", "kms:ReEncryptTo"],
    ("ses", "SendBulkTemplatedEmail"): ["ses:SendBulkTemplatedEmail"],
    ("ssm", "OpenDataChannel"): [],
}
NAMES = {
    ("s3", "*"): {"BucketName": {"bucketName"}, "ObjectName": {"key"}},
    ("secretsmanager", "CreateSecret"): {"SecretId": {"name"}},
    ("ssm", "*"): {"ParameterNameWithoutLeadingSlash": {"name", "names"}},
    ("kms", "*"): {"KeyId": {"keyId"}},
    ("iam", "*"): {
        "UserNameWithPath": {"userName"}, "RoleNameWithPath": {"roleName"}, "GroupNameWithPath": {"groupName"},
        "InstanceProfileNameWithPath": {"instanceProfileName"},
    },
    ("autoscaling", "*"): {"GroupFriendlyName": {"autoScalingGroupName"}},
    ("rds", "*"): {
        "DbInstanceName": {"dBInstanceIdentifier"}, "DbClusterInstanceName": {"dBClusterIdentifier"},
        "SnapshotName": {"dBSnapshotIdentifier"}, "ClusterSnapshotName": {"dBClusterSnapshotIdentifier"},
    },
    ("bedrock", "*"): {"ResourceId": {"modelId"}},
}


def coded(names):
    """Each name after the one before it: how many characters are the same, and the rest."""
    before = ""
    for name in names:
        same = len(os.path.commonprefix([before, name]))
        yield name, f"{same}{name[same:]}"
        before = name


def block(prefix, one, sources, events, names, out):
    print(f"S {prefix}", file=out)
    for source in sorted(sources - {prefix}):
        print(f"C {source}", file=out)
    short = "arn:${Partition}:" + prefix + ":${Region}:${Account}:"
    types = sorted(one["resources"])
    for name in types:
        template = re.sub(r"\s", "", one["resources"][name]["arn"])
        print(f"T {template.replace(short, '~', 1)}", file=out)
    place = {name: index for index, name in enumerate(types)}
    for name, code in coded(sorted(one["privileges"])):
        privilege = one["privileges"][name]
        marks, passes = [], False
        for type_name, its in sorted(privilege["resource_types"].items()):
            passes |= any(dependent.lower() == "iam:passrole" for dependent in its["dependent_actions"])
            if type_name in place:
                marks.append(f"{place[type_name]}{'!' if its['required'] else ''}")
        if passes:
            marks.append("P")
        print(" ".join([code] + ([",".join(marks)] if marks else [])), file=out)
    for event in sorted(events):
        print("E", event, " ".join(events[event]) or "-", file=out)
    for action in sorted(names):
        parts = (f"{v}<{','.join(sorted(names[action][v]))}" for v in sorted(names[action]))
        print("N", action, " ".join(parts), file=out)


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--definition", "--map", "--botocore"):
        parser.add_argument(flag, required=True)
    args = parser.parse_args()
    services = definition(args.definition)
    with open(args.map) as file:
        map_file = json.load(file)
    events, names = mapped(map_file, services)
    events.update(EVENTS)
    for key, value in NAMES.items():
        for variable, more in value.items():
            names.setdefault(key, {}).setdefault(variable, set()).update(more)
    sources = {}
    for _, metadata, _ in models(args.botocore):
        prefix = prefix_of(metadata, services, map_file["sdk_service_mappings"])
        if prefix:
            sources.setdefault(metadata["endpointPrefix"], prefix)
    sources.update({source: prefix for source, prefix in SOURCES.items() if prefix in services})
    out = sys.stdout
    print("# Made by make.py from the sources in README.md; see there for their licences.", file=out)
    for prefix in sorted(services):
        its = {source for source, of in sources.items() if of == prefix}
        block(
            prefix, services[prefix], its,
            {event: actions for (of, event), actions in events.items() if of == prefix},
            {action: more for (of, action), more in names.items() if of == prefix}, out,
        )


main()
