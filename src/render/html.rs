//! Pages for a browser: one file, nothing from outside, no script.
//!
//! `maud` escapes whatever enters a page as text or as an attribute; control characters are escaped by [`Told`]
//! (D2.14).

mod report;
#[cfg(test)]
mod tests;
mod trace;

pub use report::report;

use super::words::{self, Said};
use crate::text::shown;
use maud::{Markup, PreEscaped, Render, html};

/// How a page looks, on a screen of any width and ground, and on paper.
const STYLE: &str = include_str!("html/page.css");

/// A text that others may have chosen.
struct Told<'a>(&'a str);

impl Render for Told<'_> {
    fn render_to(&self, buffer: &mut String) {
        shown(self.0).as_ref().render_to(buffer);
    }
}

/// So many characters stand together: an access key's ID does.
const TOGETHER: usize = 21;

/// An identifier.
fn code(text: &str) -> Markup {
    html! { code { (broken(text)) } }
}

/// A word that may be long: where it does not fit, on paper as little as on a telephone, it is broken between its
/// parts, or else within them.
fn broken(word: &str) -> Markup {
    let word = shown(word);
    let mut pieces: Vec<String> = Vec::new();
    for part in word.split_inclusive(['/', ':']) {
        let letters: Vec<char> = part.chars().collect();
        pieces.extend(letters.chunks(TOGETHER).map(|piece| piece.iter().collect::<String>()));
    }
    html! {
        @for (place, piece) in pieces.iter().enumerate() {
            @if place > 0 { wbr; }
            (piece)
        }
    }
}

/// A command, which is broken between its words as long as they fit on a telephone.
fn command(text: &str) -> Markup {
    html! {
        code {
            @for (place, word) in text.split(' ').enumerate() {
                @if place > 0 { " " }
                @if word.len() <= 24 { span .word { (Told(word)) } } @else { (broken(word)) }
            }
        }
    }
}

/// A sentence in which what stands between backquotes is a name.
fn prose(text: &str) -> Markup {
    html! {
        @for part in words::said(text) {
            @match part {
                Said::Plain(part) => { (plain(part)) }
                Said::Name(name) => { (code(name)) }
            }
        }
    }
}

/// Words, in which a time stays on one line.
fn plain(text: &str) -> Markup {
    html! {
        @for (place, word) in text.split(' ').enumerate() {
            @if place > 0 { " " }
            @if is_time(word) { span .time { (Told(word)) } } @else { (broken(word)) }
        }
    }
}

/// Whether a word is a time as we write it, with what follows it in a sentence.
fn is_time(word: &str) -> bool {
    let time = word.trim_end_matches(['.', ',', ';', ':', ')']).trim_start_matches('(');
    time.parse::<jiff::Timestamp>().is_ok()
}

/// A table that scrolls within its own box where it is wider than the page. On a telephone each row is a list, for
/// which the roles are said: a table that is laid out otherwise is no table to a screen reader.
fn table(caption: &str, headings: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        @if !rows.is_empty() {
            div .scroll tabindex="0" role="group" aria-label=(Told(caption)) {
                table role="table" {
                    caption { (Told(caption)) }
                    thead role="rowgroup" {
                        tr role="row" {
                            @for heading in headings {
                                th scope="col" role="columnheader" { (heading) }
                            }
                        }
                    }
                    tbody role="rowgroup" {
                        @for row in rows {
                            tr role="row" {
                                @for (place, (cell, heading)) in row.into_iter().zip(headings).enumerate() {
                                    @if place == 0 {
                                        th scope="row" role="rowheader" data-of=(heading) { (cell) }
                                    } @else {
                                        td role="cell" data-of=(heading) { (cell) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A picture of ours: the library that draws it has escaped what is in it.
fn picture(caption: &str, drawn: String) -> Markup {
    html! {
        figure {
            div .scroll tabindex="0" role="group" aria-label=(Told(caption)) { (PreEscaped(drawn)) }
            figcaption { (Told(caption)) }
        }
    }
}

/// Something that a person has to look at: the word says so, and the colour only repeats it.
fn look(text: &str) -> Markup {
    html! { span .look-at { "! " (prose(text)) } }
}

/// A whole page.
fn page(title: &str, body: &Markup) -> String {
    use super::drawing::{DARK, LIGHT};
    let style =
        format!("{LIGHT}{STYLE}@media screen and (prefers-color-scheme: dark) {{{DARK}}}\n");
    // Nothing is fetched and nothing runs, whatever a name in it says.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
    let page = html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                link rel="icon" href="data:,";
                title { (Told(title)) }
                style { (PreEscaped(style)) }
            }
            body { (body) }
        }
    };
    let mut out = page.into_string();
    out.push('\n');
    out
}
