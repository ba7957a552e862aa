//! Permissions boundaries of users and roles.

use super::bounding;
use super::holder::Holder;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;

pub(super) const ACTIONS: Table = &[
    ("PutUserPermissionsBoundary", |act| put(act, Holder::User)),
    ("PutRolePermissionsBoundary", |act| put(act, Holder::Role)),
    ("DeleteUserPermissionsBoundary", |act| delete(act, Holder::User)),
    ("DeleteRolePermissionsBoundary", |act| delete(act, Holder::Role)),
];

fn put(act: &mut Act<'_>, holder: Holder) -> Done {
    let arn = act.params.arn("PermissionsBoundary")?;
    let key = holder.find(act, &[("iam:PermissionsBoundary", arn)])?;
    let arn = bounding(act.account()?, arn)?;
    holder.permissions_mut(act, &key)?.boundary = Some(arn);
    Ok(None)
}

fn delete(act: &mut Act<'_>, holder: Holder) -> Done {
    let key = holder.find(act, &[])?;
    let held = holder.permissions_mut(act, &key)?;
    let missing = || Fault::missing("Principal ID does not have scope");
    held.boundary.take().map(|_| None).ok_or_else(missing)
}
