//! Virtual MFA devices.

use super::{tagged, user};
use crate::sandbox::account::MfaDevice;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::quota;
use crate::sandbox::xml::Xml;
use aws_smithy_types::base64;

pub(super) const ACTIONS: Table = &[
    ("CreateVirtualMFADevice", create),
    ("EnableMFADevice", enable),
    ("GetMFADevice", get),
    ("ListMFADevices", list),
    ("ListVirtualMFADevices", list_virtual),
    ("DeactivateMFADevice", deactivate),
    ("DeleteVirtualMFADevice", delete),
];

/// The PNG signature: a picture for the eye the sandbox does not draw.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n";

fn create(act: &mut Act<'_>) -> Done {
    let name = act.params.name("VirtualMFADeviceName", 226)?;
    let path = act.params.path("Path")?;
    let tags = act.params.tags()?;
    let serial = act.iam_arn(&format!("mfa{path}{name}"));
    act.allow_tagging(&serial, &[], &tags)?;
    if act.account()?.mfa_devices.contains_key(&serial) {
        let message = "MFADevice entity at the same path and name already exists.";
        return Err(Fault::exists(message));
    }
    let seed = act.world.ids.base32(64);
    let mut xml = Xml::new();
    xml.within("VirtualMFADevice", |xml| {
        xml.text("SerialNumber", &serial).text("Base32StringSeed", base64::encode(seed));
        xml.text("QRCodePNG", base64::encode(PICTURE));
        tagged(xml, &tags);
    });
    let device = MfaDevice { serial: serial.clone(), user: None, enabled: None, tags };
    act.account_mut()?.mfa_devices.insert(serial, device);
    Ok(Some(xml))
}

/// The codes are not checked: the sandbox knows no time-based codes. 000000 is always wrong.
fn enable(act: &mut Act<'_>) -> Done {
    let serial = act.params.text("SerialNumber", 9, 256)?;
    for name in ["AuthenticationCode1", "AuthenticationCode2"] {
        let code = act.params.text(name, 6, 6)?;
        if code == "000000" || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = "Authentication code for device is not valid.";
            return Err(Fault::new(403, "InvalidAuthenticationCode", message));
        }
    }
    let key = act.on_named_user(128, &[])?;
    let (account, user) = (act.account()?, act.user(&key)?);
    if account.mfa_of(user).count() >= quota::MFA_PER_USER {
        return Err(Fault::quota("MFADevicesPerUser", quota::MFA_PER_USER));
    }
    let (id, now) = (user.id.clone(), act.now);
    let devices = &mut act.account_mut()?.mfa_devices;
    let device = devices.get_mut(serial).ok_or_else(|| missing(serial))?;
    if device.user.is_some() {
        return Err(Fault::exists("MFA Device is already in use."));
    }
    (device.user, device.enabled) = (Some(id), Some(now));
    Ok(None)
}

fn get(act: &mut Act<'_>) -> Done {
    let serial = act.params.text("SerialNumber", 9, 256)?;
    let key = act.on_user(64, &[])?;
    let (account, user) = (act.account()?, act.user(&key)?);
    let mut devices = account.mfa_of(user);
    let device = devices.find(|device| device.serial == serial).ok_or_else(|| missing(serial))?;
    let mut xml = Xml::new();
    xml.text("UserName", &user.name).text("SerialNumber", &device.serial);
    if let Some(enabled) = device.enabled {
        xml.time("EnableDate", enabled);
    }
    Ok(Some(xml))
}

fn list(act: &mut Act<'_>) -> Done {
    let key = act.on_user(128, &[])?;
    let (account, user) = (act.account()?, act.user(&key)?);
    let devices = account.mfa_of(user).collect();
    let page = Page::of(act.params, devices, |device: &&MfaDevice| device.serial.clone())?;
    let mut xml = Xml::new();
    xml.list("MFADevices", &page.items, |xml, device| {
        xml.text("UserName", &user.name).text("SerialNumber", &device.serial);
        if let Some(enabled) = device.enabled {
            xml.time("EnableDate", enabled);
        }
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

fn list_virtual(act: &mut Act<'_>) -> Done {
    let status = act
        .params
        .get("AssignmentStatus")
        .map(|_| act.params.word("AssignmentStatus", &["Assigned", "Unassigned", "Any"]));
    let status = status.transpose()?.unwrap_or("Any");
    act.allow(&act.iam_arn("mfa/"))?;
    let account = act.account()?;
    let wanted = |device: &&MfaDevice| match status {
        "Assigned" => device.user.is_some(),
        "Unassigned" => device.user.is_none(),
        _ => true,
    };
    let devices: Vec<&MfaDevice> = account.mfa_devices.values().filter(wanted).collect();
    let page = Page::of(act.params, devices, |device| device.serial.clone())?;
    let mut xml = Xml::new();
    xml.list("VirtualMFADevices", &page.items, |xml, device| {
        xml.text("SerialNumber", &device.serial);
        if let Some(enabled) = device.enabled {
            xml.time("EnableDate", enabled);
        }
        let owner = device.user.as_ref().and_then(|id| account.user_of_id(id));
        if let Some(owner) = owner {
            xml.within("User", |xml| user(xml, act, account, owner));
        }
    });
    page.end(&mut xml);
    Ok(Some(xml))
}

fn deactivate(act: &mut Act<'_>) -> Done {
    let serial = act.params.text("SerialNumber", 9, 256)?;
    let key = act.on_user(128, &[])?;
    let id = act.user(&key)?.id.clone();
    let devices = &mut act.account_mut()?.mfa_devices;
    let device = devices.get_mut(serial).filter(|device| device.user.as_ref() == Some(&id));
    let device = device.ok_or_else(|| missing(serial))?;
    (device.user, device.enabled) = (None, None);
    Ok(None)
}

fn delete(act: &mut Act<'_>) -> Done {
    let serial = act.params.text("SerialNumber", 9, 256)?;
    act.allow(serial)?;
    let devices = &mut act.account_mut()?.mfa_devices;
    let device = devices.get(serial).ok_or_else(|| {
        Fault::missing(format!("VirtualMFADevice with serial number {serial} doesn't exist."))
    })?;
    if device.user.is_some() {
        return Err(Fault::conflict("MFA VirtualDevice in use. Must deactivate first."));
    }
    devices.remove(serial);
    Ok(None)
}

fn missing(serial: &str) -> Fault {
    Fault::missing(format!("MFA Device with serial number {serial} does not exist."))
}
