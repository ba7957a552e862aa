//! The end of an apply: what holds, what does not, and what to run next.

use crate::plan::Kind;
use crate::render::Screen;
use crate::render::page::{Page, by_word};
use crate::render::style::Style;
use crate::render::words;
use crate::view::{Ending, PrincipalEnding, Standing};

/// How a run ended, for every principal.
#[must_use]
pub fn ending(ending: &Ending, screen: Screen) -> String {
    let mut page = Page::new(screen);
    for principal in &ending.principals {
        page.gap();
        if ending.principals.len() > 1 {
            page.line(
                Style::Bold,
                0,
                &format!("{} {}", principal.who.kind().title(), principal.who.name()),
            );
        }
        one(&mut page, ending.kind, &ending.run, principal);
    }
    if let Some(note) = words::incomplete(ending) {
        page.look(0, note);
    }
    page.finish()
}

fn one(page: &mut Page, kind: Kind, run: &str, ending: &PrincipalEnding) {
    let holds = words::holds(kind, ending);
    // The first sentence may break anywhere; what follows in brackets stays together.
    let (first, rest) = holds.split_first().map_or(("", &[][..]), |(f, r)| (f.as_str(), r));
    let mut phrases = by_word(first);
    phrases.extend(rest.iter().map(String::as_str));
    page.phrases(Style::Plain, 0, 0, &phrases);
    open(page, ending);
    for command in &ending.commands {
        page.line(Style::Plain, 6, command);
    }
    for note in &ending.notes {
        page.sentence(0, &format!("{}.", words::sentence(note)));
    }
    if let Some(fence) = words::fence(ending) {
        page.sentence(0, &fence);
    }
    let (serial, head) = words::record(ending);
    let last = match head {
        Some(head) => vec![format!("Run {run}, {serial},"), format!("journal head {head}")],
        None => vec![format!("Run {run}, {serial}, no journal")],
    };
    page.phrases(Style::Plain, 0, 0, &last);
}

fn open(page: &mut Page, ending: &PrincipalEnding) {
    let heading = words::open_heading(ending.standing);
    let style = match ending.standing {
        Standing::Contained | Standing::Released | Standing::ReleasedFenceUntil => Style::Plain,
        _ => Style::Yellow,
    };
    if let Some(standing) = words::standing(ending) {
        page.phrases(style, 0, 0, &by_word(&standing));
    }
    match ending.open.as_slice() {
        [] => {}
        [only] => {
            let text = format!("{heading}: {}.", words::finding(only).trim_end_matches('.'));
            page.phrases(Style::Yellow, 0, 0, &by_word(&text));
        }
        many => {
            page.line(Style::Yellow, 0, &format!("{heading}:"));
            for finding in many {
                page.look(2, &words::finding(finding));
            }
        }
    }
}
