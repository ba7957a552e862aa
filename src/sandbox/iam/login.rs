//! Passwords for the console, which the sandbox does not have.

use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::rules;
use crate::sandbox::user::Login;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table = &[
    ("CreateLoginProfile", create),
    ("GetLoginProfile", get),
    ("UpdateLoginProfile", update),
    ("DeleteLoginProfile", delete),
    ("ChangePassword", change),
];

/// What AWS asks for where the account has no rule of its own.
const SHORTEST: usize = 8;

fn create(act: &mut Act<'_>) -> Done {
    let password = password(act, "Password")?.ok_or_else(|| rules::null("Password"))?;
    let reset_required = act.params.flag("PasswordResetRequired")?.unwrap_or(false);
    let key = act.on_user(64, &[])?;
    let created = act.now;
    let user = act.user_mut(&key)?;
    if user.login.is_some() {
        let message = format!("Login Profile for user {} already exists.", user.name);
        return Err(Fault::exists(message));
    }
    let login = user.login.insert(Login { password, created, reset_required });
    let (name, login) = (user.name.clone(), login.clone());
    Ok(Some(shown(&name, &login)))
}

fn get(act: &mut Act<'_>) -> Done {
    let key = act.on_user(64, &[])?;
    let user = act.user(&key)?;
    user.login
        .as_ref()
        .map(|login| Some(shown(&user.name, login)))
        .ok_or_else(|| missing(&user.name))
}

fn update(act: &mut Act<'_>) -> Done {
    let password = password(act, "Password")?;
    let reset_required = act.params.flag("PasswordResetRequired")?;
    let key = act.on_named_user(64, &[])?;
    let user = act.user_mut(&key)?;
    let name = user.name.clone();
    let login = user.login.as_mut().ok_or_else(|| missing(&name))?;
    if let Some(password) = password {
        login.password = password;
    }
    login.reset_required = reset_required.unwrap_or(login.reset_required);
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let key = act.on_user(64, &[])?;
    let user = act.user_mut(&key)?;
    let name = user.name.clone();
    user.login.take().map(|_| None).ok_or_else(|| missing(&name))
}

fn change(act: &mut Act<'_>) -> Done {
    let old = act.params.text("OldPassword", 1, 128)?;
    let new = password(act, "NewPassword")?.ok_or_else(|| rules::null("NewPassword"))?;
    let account = act.account()?;
    let Some(user) = act.caller.user(account) else {
        return Err(Fault::new(
            400,
            "InvalidUserType",
            "Only IAM Users can change their own password",
        ));
    };
    let key = crate::sandbox::account::fold(&user.name);
    act.allow(&user.arn(&act.world.partition, &account.id))?;
    let name = user.name.clone();
    let login = act.user_mut(&key)?.login.as_mut().ok_or_else(|| missing(&name))?;
    if login.password != old {
        return Err(Fault::denied("The old password was incorrect."));
    }
    login.password = new;
    login.reset_required = false;
    Ok(None)
}

fn password(act: &Act<'_>, name: &str) -> Result<Option<String>, Fault> {
    let Some(text) = act.params.maybe_text(name, 1, 128)? else { return Ok(None) };
    if text.chars().count() < SHORTEST {
        let message = format!("Password should have a minimum length of {SHORTEST}");
        return Err(Fault::new(400, "PasswordPolicyViolation", message));
    }
    Ok(Some(text.to_owned()))
}

fn shown(name: &str, login: &Login) -> Xml {
    let mut xml = Xml::new();
    xml.within("LoginProfile", |xml| {
        xml.text("UserName", name).time("CreateDate", login.created);
        xml.value("PasswordResetRequired", login.reset_required);
    });
    xml
}

fn missing(name: &str) -> Fault {
    Fault::missing(format!("Login Profile for User {name} cannot be found."))
}
