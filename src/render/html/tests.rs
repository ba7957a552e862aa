//! The page of a report: whole, alone, and deaf to what is written in it.

use super::*;
use crate::report::tests::{read, recorded, source, trace};
use crate::report::{Now, Recorded, Report, Source, Traced};
use crate::view::Standing;
use quick::{Piece, pieces};

/// What somebody may have called things who wants to be more than text in a page.
const HOSTILE: &str = "</title></style><script>alert(1)</script><img src=http://evil.example/x onerror='alert(2)'>\" onload=\"alert(3)\u{1b}[2J\u{202e}&lt;";

fn with_trace() -> Source {
    let traced = Traced { file: "trace.json".into(), sha256: "0".repeat(64), trace: trace() };
    Source { trace: Some(traced), ..source(true, read(Standing::Weakened)) }
}

fn told(source: &Source) -> (Report, String) {
    let told = crate::report::report(source);
    let page = report(&told);
    (told, page)
}

/// The page without the places where a long word may be broken, at which nothing is shown.
fn unbroken(page: &str) -> String {
    page.replace("<wbr>", "")
}

/// A small reader of the HTML that `maud` writes: tags with their attributes, and text.
mod quick {
    #[derive(Debug, PartialEq)]
    pub(super) enum Piece<'a> {
        Open(&'a str, Vec<(&'a str, &'a str)>),
        Close(&'a str),
        Text(&'a str),
    }

    pub(super) fn pieces(page: &str) -> Vec<Piece<'_>> {
        let mut found = Vec::new();
        let mut rest = page;
        while let Some((text, tag)) = rest.split_once('<') {
            found.push(Piece::Text(text));
            let (inside, after) = tag.split_once('>').expect("a tag ends");
            rest = after;
            if let Some(name) = inside.strip_prefix('/') {
                found.push(Piece::Close(name));
                continue;
            }
            let (inside, empty) =
                inside.strip_suffix('/').map_or((inside, false), |inside| (inside, true));
            let (name, mut more) = inside.split_once([' ', '\n']).unwrap_or((inside, ""));
            let mut attributes = Vec::new();
            while let Some((key, value)) = more.split_once("=\"") {
                let (value, after) = value.split_once('"').expect("an attribute ends");
                attributes.push((key.trim(), value));
                more = after;
            }
            found.push(Piece::Open(name, attributes));
            if empty {
                found.push(Piece::Close(name));
            }
            if name == "style" {
                let (_, after) = rest.split_once("</style>").expect("a style ends");
                found.push(Piece::Close(name));
                rest = after;
            }
        }
        found.push(Piece::Text(rest));
        found
    }
}

/// Asserts that a page is well-formed, fetches nothing and runs nothing.
fn is_sound(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    let mut targets = Vec::new();
    for piece in pieces(page) {
        match piece {
            Piece::Open(name, attributes) => {
                let known = [
                    "!DOCTYPE",
                    "html",
                    "head",
                    "meta",
                    "link",
                    "title",
                    "style",
                    "body",
                    "header",
                    "nav",
                    "main",
                    "footer",
                    "section",
                    "h1",
                    "h2",
                    "h3",
                    "h4",
                    "p",
                    "ul",
                    "ol",
                    "li",
                    "a",
                    "div",
                    "span",
                    "code",
                    "pre",
                    "time",
                    "dl",
                    "dt",
                    "dd",
                    "table",
                    "caption",
                    "thead",
                    "tbody",
                    "tr",
                    "th",
                    "td",
                    "br",
                    "wbr",
                    "figure",
                    "figcaption",
                    "details",
                    "summary",
                    "svg",
                    "g",
                    "rect",
                    "text",
                    "line",
                    "circle",
                    "path",
                ];
                assert!(known.contains(&name), "<{name}>");
                for (key, value) in attributes {
                    assert!(!key.starts_with("on"), "{name} {key}={value}");
                    assert!(
                        !["src", "srcset", "action", "style", "xlink:href"].contains(&key),
                        "{name} {key}"
                    );
                    assert!(!value.contains(['<', '>']), "{name} {key}={value}");
                    match key {
                        "id" => assert!(ids.insert(value), "{value} twice"),
                        "href" if name == "a" => targets.push(value.strip_prefix('#').unwrap()),
                        "href" => assert_eq!(value, "data:,"),
                        _ => {}
                    }
                }
                if !["!DOCTYPE", "meta", "link", "br", "wbr"].contains(&name) {
                    open.push(name);
                }
            }
            Piece::Close(name) => assert_eq!(open.pop(), Some(name), "</{name}>"),
            Piece::Text(text) => {
                let risky = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
                assert!(!text.contains(risky), "{text:?}");
            }
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    assert!(targets.iter().all(|target| ids.contains(target)), "{targets:?} {ids:?}");
    assert!(page.contains("default-src 'none'"));
    for outside in ["url(", "@import", "<script", "<iframe", "javascript:"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_page_is_whole_and_alone() {
    for source in [
        with_trace(),
        source(true, read(Standing::Contained)),
        source(false, Now::NotRead("--offline was given".into())),
        Source { principals: Vec::new(), ..with_trace() },
    ] {
        is_sound(&told(&source).1);
    }
}

#[test]
fn whatever_things_are_called_a_page_says_it_and_does_nothing() {
    let mut source = with_trace();
    let hostile = || HOSTILE.to_owned();
    let spoil = |one: &mut Recorded| {
        one.state.posture.name = hostile();
        one.state.endpoint = hostile();
        one.contradiction = Some(hostile());
        one.holder = Some(hostile());
        let run = &mut one.state.runs[0];
        run.id = hostile();
        run.applied_from = Some(hostile());
        run.break_glass = Some(hostile());
        run.approvals[0].person = hostile();
        run.plan_sha256 = hostile();
        run.end = None;
        if let Ok(plan) = &mut one.runs[0].plan {
            let part = &mut plan.principals[0];
            for step in &mut part.steps {
                step.resource = crate::resource::Resource::InlinePolicy(hostile());
                step.reason = hostile();
                let document = format!(r#"{{"Sid":{}}}"#, serde_json::json!(HOSTILE));
                let document = crate::policy::PolicyDocument::parse(&document);
                step.before = Some(crate::resource::Value::Document(document));
            }
            part.unread.push(crate::snapshot::Unread {
                what: hostile(),
                action: hostile(),
                because: hostile(),
            });
        }
    };
    spoil(&mut source.principals[0]);
    if let Now::Read(status) = &mut source.now {
        let one = &mut status.principals[0];
        one.notes.push(hostile());
        one.findings[0].what = hostile();
        one.commands.push(hostile());
    }
    let traced = source.trace.as_mut().unwrap();
    traced.file = hostile();
    let trace = &mut traced.trace;
    trace.start.access_keys = vec![hostile()];
    for one in &mut trace.credentials {
        one.via = Some(hostile());
        one.source_ips = vec![hostile()];
    }
    for made in &mut trace.persistence {
        made.name = hostile();
        made.kind = hostile();
        made.action = hostile();
    }
    for row in &mut trace.activity {
        row.service = hostile();
        row.action = hostile();
        row.resource = Some(hostile());
    }
    source.unreadable = vec![(hostile(), hostile())];
    let (_, page) = told(&source);
    is_sound(&page);
    // It is all there, to be read.
    let page = unbroken(&page);
    assert!(page.matches("&lt;script&gt;alert(1)").count() > 20);
    assert!(page.contains("\\u{202e}") && page.contains("\\u{1b}"));
}

#[test]
fn what_stands_in_the_report_stands_in_the_page() {
    let (told, page) = told(&with_trace());
    let page = unbroken(&page);
    for moment in &told.timeline {
        let what = unbroken(&prose(&moment.what).into_string());
        assert!(page.contains(&what), "{what}");
    }
    for run in &told.runs {
        assert!(page.contains(&run.id) && page.contains(&run.plan_sha256));
    }
    for one in &told.unknown {
        let what = unbroken(&prose(&one.what).into_string());
        assert!(page.contains(&what), "{what}");
    }
    assert!(page.contains(r#"<li aria-current="step">assessed</li>"#));
    assert!(page.contains("aws iam update-access-key"));
    assert!(recorded(true).state.runs[0].end.is_some());
}
