//! `ringfence findings`

use super::args::{FindingsArgs, Format};
use super::session::{Session, name_of, read_file};
use crate::aws::{About, Detectors};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::finding::{Findings, read};
use crate::render::text;
use crate::text::count;
use crate::view::{FindingsReport, Unknown};
use flate2::read::MultiGzDecoder;
use std::io::Read;
use std::path::Path;

/// What an export may decompress to.
const LARGEST: u64 = 256 << 20;

/// Reads findings from files, or asks GuardDuty for those about a key or a user.
pub(super) async fn run(session: &Session<'_>, args: &FindingsArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let report = match about(args) {
        None if args.files.is_empty() => {
            return Err(Error::new(Exit::Usage, "nothing says which findings are meant")
                .hint("a file: ringfence findings FILE")
                .hint("or whom they are about: --access-key ID, --user NAME"));
        }
        None => of_files(args)?,
        Some(about) => of_guardduty(session, args, &about).await?,
    };
    match session.format {
        Format::Json => {
            // Serialising to memory fails only for maps with keys that are no text; there are none here.
            let json = serde_json::to_vec_pretty(&report).unwrap_or_default();
            session.terminal.print_bytes(&json);
            session.terminal.print_bytes(b"\n");
        }
        _ => session.terminal.print(&text::findings(&report, session.terminal.screen())),
    }
    Ok(Exit::Done)
}

/// A file of findings, decompressed where GuardDuty's export has compressed it.
pub(super) fn findings_file(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_file(path)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let limit = LARGEST + 1;
    let read = MultiGzDecoder::new(bytes.as_slice()).take(limit).read_to_end(&mut plain);
    let too_large = || std::io::Error::other("it is larger than any export");
    let whole =
        read.and_then(|length| if length as u64 >= limit { Err(too_large()) } else { Ok(()) });
    whole.map(|()| plain).map_err(|error| {
        Error::failed(format!("`{}` could not be decompressed", name_of(path)))
            .because(error)
            .hint("give the file as GuardDuty exported it, or what gunzip makes of it")
    })
}

fn about(args: &FindingsArgs) -> Option<About> {
    let key = args.access_key.as_ref().map(|key| About::AccessKey(key.to_string()));
    key.or_else(|| args.user.as_ref().map(|user| About::User(user.to_string())))
}

fn of_files(args: &FindingsArgs) -> Result<FindingsReport> {
    let (mut all, mut skipped) = (Vec::new(), None);
    for path in &args.files {
        let Findings { findings, skipped: not } = read(&findings_file(path)?);
        if let Some((times, why)) = not {
            let (before, first) = skipped.unwrap_or((0, format!("{}: {why}", name_of(path))));
            skipped = Some((before + times, first));
        }
        all.extend(findings);
    }
    if let (true, Some((_, why))) = (all.is_empty(), &skipped) {
        return Err(Error::failed("there is no finding in what was given")
            .because(why)
            .hint("aws guardduty get-findings --output json writes one that can be read"));
    }
    Ok(FindingsReport::of(all, skipped, Vec::new()))
}

async fn of_guardduty(
    session: &Session<'_>,
    args: &FindingsArgs,
    about: &About,
) -> Result<FindingsReport> {
    let detectors = match session.sdk() {
        Some(sdk) => Detectors::from_config(sdk),
        None => Detectors::connect(session.settings()).await,
    };
    if let Some(endpoint) = detectors.endpoint() {
        session.terminal.note(&format!("Endpoint {} (not AWS)", crate::text::shown(endpoint)));
    }
    let regions = match args.regions.as_slice() {
        [] => detectors.regions().await?,
        named => named.to_vec(),
    };
    let asked = detectors.ask(&regions, about).await;
    if asked.unread.len() == regions.len()
        && let Some((region, why)) = asked.unread.first()
    {
        return Err(Error::failed("no Region gave its findings")
            .because(format!("{region}: {why}"))
            .hint("examples/responder-policy.json grants what ringfence needs")
            .hint("a finding in a file needs no such call: ringfence findings FILE"));
    }
    let mut unknown: Vec<Unknown> = asked
        .unread
        .into_iter()
        .map(|(region, why)| Unknown { what: format!("findings in {region}"), why })
        .collect();
    if asked.detectors == 0 {
        let regions = count(regions.len(), "Region has", "Regions have");
        unknown.push(Unknown {
            what: "whether GuardDuty would find anything".to_owned(),
            why: format!("none of {regions} a detector"),
        });
    }
    Ok(FindingsReport::of(asked.findings, None, unknown))
}
