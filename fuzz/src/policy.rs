//! Policy documents, as whoever may write to the user makes them: two of them, with a NUL between.

use super::containing;
use jiff::Timestamp;
use ringfence::policy::{FenceTime, PolicyDocument, boundary_fence, fence, hold};
use ringfence::resource::{Value, fits};
use ringfence::snapshot::{Entity, InlinePolicy, Observed, Quotas, Snapshot, User};

/// What holds of any texts that are taken for policy documents.
pub fn law(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (one, other) = text.split_once('\0').unwrap_or((text, "{}"));
    let (one, other) = (PolicyDocument::parse(one), PolicyDocument::parse(other));
    for document in [&one, &other] {
        alone(document);
    }
    together(&one, &other);
    together(&other, &one);
    observed(one, other);
}

fn time() -> Timestamp {
    Timestamp::from_second(1_795_230_822).expect("a time")
}

fn alone(document: &PolicyDocument) {
    // Written down in either way it is the same document.
    assert_eq!(PolicyDocument::parse(&document.minified()), *document);
    assert_eq!(PolicyDocument::parse(&document.pretty()), *document);
    let json = serde_json::to_vec(document).expect("JSON");
    assert_eq!(serde_json::from_slice::<PolicyDocument>(&json).expect("a document"), *document);
    assert!(document.quota_size() <= document.minified().chars().count());
    assert!(document.quota_size() <= document.pretty().chars().count());
    // A fence's time is one that ringfence wrote, in whole seconds of a fence or not at all.
    if let Some(time) = document.fence_time() {
        let ours = [fence(FenceTime::At(time)), boundary_fence(FenceTime::At(time))];
        assert!(ours.contains(document));
        assert!(!document.awaits_fence_time());
    }
    let written = document.with_fence_time(time());
    assert!(!written.awaits_fence_time());
    assert_eq!(written == *document, !document.awaits_fence_time());
    assert_eq!(document.fits(document), !document.awaits_fence_time());
}

fn together(meant: &PolicyDocument, now: &PolicyDocument) {
    let fit = meant.fits(now);
    if meant.awaits_fence_time() {
        // Only a fence comes out of it, with the time that stands in it and nothing else of another.
        let time = now.fence_time();
        assert_eq!(fit, time.is_some_and(|time| meant.with_fence_time(time) == *now));
        assert!(!fit || !now.awaits_fence_time());
    } else {
        assert_eq!(fit, meant == now);
    }
    assert_eq!(*meant == hold() && fit, *now == hold() && fit);
    let (meant, now) = (Value::Document(meant.clone()), Value::Document(now.clone()));
    assert_eq!(fits(Some(&meant), Some(&now)), fit);
    assert!(!fits(Some(&meant), None) && !fits(None, Some(&now)));
}

/// A user whose policies they are is contained by a plan that can be read again.
fn observed(one: PolicyDocument, other: PolicyDocument) {
    let inline = |name: &str, document| InlinePolicy {
        name: name.to_owned(),
        document: Observed::Read(document),
    };
    let user = User {
        name: "deploy-bot".parse().expect("a name"),
        id: "AIDAEXAMPLE1".parse().expect("an ID"),
        arn: "arn:aws:iam::123456789012:user/deploy-bot".parse().expect("an ARN"),
        created_at: Timestamp::UNIX_EPOCH,
        password_last_used: None,
    };
    let mut snapshot = Snapshot {
        read_at: time(),
        entity: Entity::User(user),
        access_keys: Observed::Read(Vec::new()),
        login_profile: Observed::Read(None),
        ssh_keys: Observed::Read(Vec::new()),
        signing_certificates: Observed::Read(Vec::new()),
        service_credentials: Observed::Read(Vec::new()),
        mfa_devices: Observed::Read(Vec::new()),
        groups: Observed::Read(Vec::new()),
        permissions_boundary: None,
        attached_policies: Observed::Read(Vec::new()),
        inline_policies: Observed::Read(vec![
            inline("one", one),
            inline("RingfenceFence-07070707", other),
        ]),
        tags: Observed::Read([].into()),
        managed_policies: Vec::new(),
        quotas: Observed::Read(Quotas::default()),
    };
    snapshot.sort();
    let json = serde_json::to_vec(&snapshot).expect("JSON");
    assert_eq!(serde_json::from_slice::<Snapshot>(&json).expect("a snapshot"), snapshot);
    containing(&snapshot, None, "revoke");
}
