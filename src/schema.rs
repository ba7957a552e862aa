//! The JSON Schemas of what is written and printed, generated from the types. They lie in `schemas/`;
//! `RINGFENCE_WRITE_SCHEMAS=1 cargo test --lib schema` writes them anew.
//!
//! They say what is written: a field that is always there is required, also where a reader would take its
//! absence for `null`. Whether more fields may be there is as the readers have it.

mod text;

use crate::journal::Entry;
use crate::plan::Plan;
use crate::report::Report;
use crate::state::State;
use crate::suggest::Suggestion;
use crate::trace::Trace;
use crate::view::{ApplyEvent, Checked, FindingsReport, StatusReport};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use text::outsiders;

/// A SHA-256 as it is written.
pub(crate) const SHA256: &str = "^[0-9a-f]{64}$";

/// What is written as one text of a fixed form.
macro_rules! text {
    ($($type:path, $name:literal, $about:literal, $pattern:expr;)+) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "description": $about, "type": "string", "pattern": $pattern })
            }
        }
    )+};
}

text! {
    crate::identity::AccountId, "AccountId", "An AWS account ID.", "^[0-9]{12}$";
    crate::identity::UserName, "UserName",
        "The friendly name of an IAM user or role, unique among its kind in its account without regard to letter case.",
        "^[A-Za-z0-9_+=,.@-]{1,128}$";
    crate::identity::SessionName, "SessionName", "What a session of a role is called.",
        "^[A-Za-z0-9_+=,.@-]{2,64}$";
    crate::identity::PrincipalId, "PrincipalId",
        "The unique ID that stays with a principal for life, such as `AIDA…`.",
        "^[A-Za-z0-9_]{1,128}$";
    crate::identity::AccessKeyId, "AccessKeyId", "The ID of an access key.",
        "^[A-Za-z0-9_]{16,128}$";
    crate::identity::Arn, "Arn", "An Amazon Resource Name.",
        r"^arn:[^:\x00-\x1f\x7f-\x9f]+(:[^:\x00-\x1f\x7f-\x9f]*){3}:[^\x00-\x1f\x7f-\x9f]*$";
    crate::lineage::Lineage, "Lineage",
        "A random identifier that stays with a containment from its first plan to its release.",
        "^[0-9a-f]{32}$";
    crate::resource::Resource, "Resource",
        "One resource of a user or role, written `KIND/ID`, and `role_policy/ROLE/NAME`; `login_profile`, `permissions_boundary` and `trust_policy` have no ID, since a principal has one at most.",
        r"^(login_profile|permissions_boundary|trust_policy|access_key/[A-Za-z0-9_]{16,128}|role_policy/[A-Za-z0-9_+=,.@-]{1,128}/[\s\S]+|(attached_policy|group|inline_policy|managed_policy|service_credential|session|signing_certificate|ssh_key)/[\s\S]+)$";
}

impl JsonSchema for crate::policy::PolicyDocument {
    fn schema_name() -> Cow<'static, str> {
        "PolicyDocument".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A policy document as IAM stores it: the JSON itself, or its text where it is no JSON object. In a plan, `{\"$after_apply\": \"fence_time\"}` stands for the one time that is known only once the last key is off.",
            "type": ["object", "string"],
        })
    }
}

/// The effects, as keys of an object.
pub(crate) fn effects() -> Value {
    let names = crate::approval::effect::Effect::ALL.map(|(_, name)| name);
    json!({ "enum": names })
}

/// What `status` leaves out where nobody has a state, so that nothing was read.
pub(crate) fn read_where_there_is_a_state(schema: &mut Schema) {
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|field| field != "at" && field != "endpoint");
    }
}

/// A public format.
struct Format {
    name: &'static str,
    version: u32,
    about: &'static str,
    /// Whether it is printed for other programs, and never read by this one.
    printed: bool,
    root: fn(SchemaGenerator) -> Schema,
}

const FORMATS: [Format; 10] = [
    Format {
        name: "plan",
        version: crate::plan::FORMAT_VERSION,
        about: "A plan: what `ringfence plan --out FILE` and `ringfence rollback --out FILE` write, `plan --format json` prints, and `ringfence apply FILE` performs. A plan that was edited is refused, whatever this schema says of it.",
        printed: false,
        root: SchemaGenerator::into_root_schema_for::<Plan>,
    },
    Format {
        name: "state",
        version: crate::state::FORMAT_VERSION,
        about: "The state of one user or role, `state.json` in the store: what ringfence did to it and how to undo it. `ringfence state show --format json` prints it.",
        printed: false,
        root: SchemaGenerator::into_root_schema_for::<State>,
    },
    Format {
        name: "journal",
        version: crate::journal::FORMAT_VERSION,
        about: "One line of `journal.jsonl`, the record of a run. Each line carries the hash of the line before; the hash of the last is printed at the end of the run.",
        printed: false,
        root: SchemaGenerator::into_root_schema_for::<Entry>,
    },
    Format {
        name: "events",
        version: crate::view::FORMAT_VERSION,
        about: "One line of what `ringfence apply --format json` and `ringfence resume --format json` print while they work. Fields and types of events may be added: pass over what is not known.",
        printed: true,
        root: SchemaGenerator::into_root_schema_for::<ApplyEvent>,
    },
    Format {
        name: "status",
        version: crate::view::FORMAT_VERSION,
        about: "What `ringfence status --format json` prints; with `--watch` one on a line. Fields may be added: pass over those that are not known.",
        printed: true,
        root: SchemaGenerator::into_root_schema_for::<StatusReport>,
    },
    Format {
        name: "check",
        version: crate::view::FORMAT_VERSION,
        about: "What `ringfence check FILE --format json` prints: what the rules and approvals of the store make of a plan, and the plan itself. Fields may be added: pass over those that are not known.",
        printed: true,
        root: SchemaGenerator::into_root_schema_for::<Checked<'static>>,
    },
    Format {
        name: "findings",
        version: crate::finding::FORMAT_VERSION,
        about: "What `ringfence findings --format json` prints: findings of GuardDuty, and how a containment starts from each. Fields may be added: pass over those that are not known.",
        printed: true,
        root: SchemaGenerator::into_root_schema_for::<FindingsReport>,
    },
    Format {
        name: "suggest-policy",
        version: crate::suggest::FORMAT_VERSION,
        about: "What `ringfence suggest-policy --format json` prints: a policy from what a user's credentials were really used for, what it rests on, and what it leaves out. `policies` are the documents. Fields may be added: pass over those that are not known.",
        printed: true,
        root: SchemaGenerator::into_root_schema_for::<Suggestion>,
    },
    Format {
        name: "report",
        version: crate::report::FORMAT_VERSION,
        about: "What `ringfence report --out FILE.json` writes and `report --format json` prints: what happened, what was contained and how it was verified, who did it, what is still open, and what cannot be known. Fields and words of a list may be added: pass over those that are not known.",
        printed: true,
        root: SchemaGenerator::into_root_schema_for::<Report>,
    },
    Format {
        name: "trace",
        version: crate::trace::FORMAT_VERSION,
        about: "What `ringfence trace --out FILE` writes and `trace --format json` prints: the credentials that were made with a leaked one, what they did, what they left behind, and what the logs cannot show.",
        printed: false,
        root: SchemaGenerator::into_root_schema_for::<Trace>,
    },
];

impl Format {
    fn path(&self) -> PathBuf {
        let file = format!("{}.v{}.schema.json", self.name, self.version);
        Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(file)
    }

    fn schema(&self) -> Value {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut generated = (self.root)(generator).to_value();
        outsiders(&mut generated);
        if self.printed {
            open(&mut generated);
        }
        let mut schema = Map::new();
        let first = [
            ("$schema", "https://json-schema.org/draft/2020-12/schema".to_owned()),
            ("$id", format!("urn:ringfence:{}:{}", self.name, self.version)),
            ("title", format!("ringfence {}, format {}", self.name, self.version)),
            ("description", self.about.to_owned()),
        ];
        schema.extend(first.map(|(key, text)| (key.to_owned(), Value::String(text))));
        for (key, value) in generated.as_object().unwrap() {
            schema.entry(key).or_insert_with(|| value.clone());
        }
        Value::Object(schema)
    }
}

/// Lets objects have more fields than are named.
fn open(value: &mut Value) {
    if let Value::Object(map) = value
        && map.contains_key("properties")
    {
        map.remove("additionalProperties");
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(open),
        Value::Array(items) => items.iter_mut().for_each(open),
        _ => {}
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a person says that they want them written anew")]
fn the_schemas_are_generated_from_the_types() {
    let write = std::env::var_os("RINGFENCE_WRITE_SCHEMAS").is_some();
    for format in FORMATS {
        let text = format!("{:#}\n", format.schema());
        if write {
            std::fs::create_dir_all(format.path().parent().unwrap()).unwrap();
            std::fs::write(format.path(), &text).unwrap();
        }
        let committed = std::fs::read_to_string(format.path()).unwrap_or_default();
        assert!(
            committed == text,
            "{} is not what the types say: RINGFENCE_WRITE_SCHEMAS=1 cargo test --lib schema",
            format.path().display()
        );
    }
}

/// Whether a type's own reader takes a text, and whether its schema does.
fn both<T: JsonSchema + serde::de::DeserializeOwned>(texts: &[&str]) {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("urn:one", schemars::schema_for!(T).to_value()).unwrap();
    let index = compiler.compile("urn:one", &mut schemas).unwrap();
    for text in texts {
        let value = json!(text);
        let read = serde_json::from_value::<T>(value.clone()).is_ok();
        let valid = schemas.validate(&value, index).is_ok();
        assert_eq!(valid, read, "{} {text:?}", T::schema_name());
    }
}

#[test]
fn a_text_is_valid_where_its_reader_takes_it() {
    let long = |length: usize| "a".repeat(length);
    let (l15, l16, l128, l129) = (long(15), long(16), long(128), long(129));
    let key = format!("access_key/{l16}");
    let short_key = format!("access_key/{l15}");
    let texts = [
        "",
        " ",
        "a",
        "a b",
        "a\n",
        "\n",
        "ü",
        "a/b",
        "../a",
        "deploy-bot",
        "a+b=c,d.e@f_g-h",
        &l15,
        &l16,
        &l128,
        &l129,
        "123456789012",
        "12345678901",
        "1234567890123",
        "12345678901a",
        "0123456789abcdef0123456789abcdef",
        "0123456789ABCDEF0123456789ABCDEF",
        "arn:aws:iam::123456789012:user/a",
        "arn:aws:iam::aws:policy/AWSDenyAll",
        "arn:aws:s3:::b:c",
        "arn::iam::1:user/a",
        "arn:aws:iam::1",
        "arn:aws::::",
        "arn:aws:iam::1:a\nb",
        "arn:aws:iam::1:a\u{85}",
        "arn:a\nb:::::",
        "xarn:aws:iam::1:a",
        "login_profile",
        "login_profile/",
        "permissions_boundary",
        "permissions_boundary\n",
        "access_key",
        "access_key/",
        "access_key/../x",
        &key,
        &short_key,
        "group/devs",
        "group/",
        "group/a\nb",
        "group/a/b",
        "role/a",
        "inline_policy/ü",
        "ssh_key/APKA1",
        "attached_policy/arn:aws:iam::aws:policy/AWSDenyAll",
        "xgroup/devs",
    ];
    both::<crate::identity::AccountId>(&texts);
    both::<crate::identity::UserName>(&texts);
    both::<crate::identity::PrincipalId>(&texts);
    both::<crate::identity::AccessKeyId>(&texts);
    both::<crate::identity::Arn>(&texts);
    both::<crate::lineage::Lineage>(&texts);
    both::<crate::resource::Resource>(&texts);
}
