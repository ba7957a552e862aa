//! Dumps of accounts, and what the sandbox tells of them again.

use super::*;
use serde_json::Value;

fn dumps() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for folder in ["cloudmapper", "cloudsplaining", "iamspy"] {
        let folder = fixtures().join("gaad").join(folder);
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("NOT RUN: {} is not there", folder.display());
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let Ok(dump) = serde_json::from_str::<Value>(&text) else { continue };
            if dump.get("UserDetailList").is_some() {
                found.push((path.display().to_string(), dump));
            }
        }
    }
    found
}

#[test]
fn every_dump_loads_and_each_user_can_call() {
    for (file, dump) in dumps() {
        let stage = Stage::new();
        let users = dump["UserDetailList"].as_array().unwrap();
        assert_eq!(stage.sandbox.load_dump(&dump).unwrap(), users.len(), "{file}");
        for user in users {
            let name = user["UserName"].as_str().unwrap();
            let (account, credentials) = stage.sandbox.edit(|world| {
                let ids: Vec<&str> = world.account_ids().collect();
                let mut accounts = ids.iter().map(|id| world.account(id).unwrap());
                let account = accounts.find(|account| account.user(name).is_some()).unwrap();
                let key = account.user(name).unwrap().keys.first().unwrap();
                let credentials = Credentials {
                    access_key_id: key.id.clone(),
                    secret_access_key: key.secret.clone(),
                    session_token: None,
                };
                (account.id.clone(), credentials)
            });
            let who = ok(&stage.player(credentials), "sts:GetCallerIdentity", &[]);
            // In one dump that was made anonymous the users' ARNs are of no account.
            let arn = user["Arn"].as_str().unwrap().replace("::aws:", &format!("::{account}:"));
            assert_eq!(who.text("Arn"), Some(arn.as_str()), "{file}");
            let admin = stage.player(stage.sandbox.admin_of(&account).unwrap());
            let only_users = [("Filter.member.1", "User")];
            let details = ok(&admin, "iam:GetAccountAuthorizationDetails", &only_users);
            assert!(details.body.contains(&arn), "{file}");
        }
    }
}

#[test]
fn a_dump_keeps_policies_groups_and_boundaries() {
    let Some(text) = fixture("gaad/iamspy/user-boundary-deny.json") else { return };
    let stage = Stage::new();
    stage.sandbox.load_dump(&serde_json::from_str(&text).unwrap()).unwrap();
    let admin = stage.player(stage.sandbox.admin_of("391638756970").unwrap());
    let user = ok(&admin, "iam:GetUser", &[("UserName", "PermissionBoundaryBlock")]);
    assert_eq!(user.text("PermissionsBoundaryArn"), Some("arn:aws:iam::aws:policy/NotInvoking"));
    assert_eq!(user.text("UserId"), Some("AIDAVWL35FZVHZV533DSN"));
    let bound =
        ok(&admin, "iam:GetPolicy", &[("PolicyArn", "arn:aws:iam::aws:policy/NotInvoking")]);
    assert_eq!(bound.text("PermissionsBoundaryUsageCount"), Some("1"));
}

#[test]
fn a_dump_brings_the_instance_profiles_of_its_roles() {
    let Some(text) = fixture("gaad/cloudsplaining/example-authz-details.json") else { return };
    let dump: Value = serde_json::from_str(&text).unwrap();
    let stage = Stage::new();
    stage.sandbox.load_dump(&dump).unwrap();
    let admin = stage.player(stage.sandbox.admin_of("012345678901").unwrap());
    let told = ok(&admin, "iam:GetAccountAuthorizationDetails", &[("Filter.member.1", "Role")]);
    let mut count = 0;
    for role in dump["RoleDetailList"].as_array().unwrap() {
        for profile in role["InstanceProfileList"].as_array().unwrap() {
            let arn = profile["Arn"].as_str().unwrap();
            assert!(told.body.contains(&format!("<Arn>{arn}</Arn>")), "{arn}");
            let name = role["RoleName"].as_str().unwrap();
            let of_role = ok(&admin, "iam:ListInstanceProfilesForRole", &[("RoleName", name)]);
            assert!(of_role.body.contains(&format!("<Arn>{arn}</Arn>")), "{arn}");
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn what_is_no_dump_is_refused() {
    let stage = Stage::new();
    for odd in ["{}", "[]", "null", r#"{"UserDetailList":3}"#] {
        assert!(stage.sandbox.load_dump(&serde_json::from_str(odd).unwrap()).is_err(), "{odd}");
    }
}
