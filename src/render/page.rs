//! Lines that keep within a width: paragraphs, tables with a hanging column, and what to look at.

use super::Screen;
use super::style::Style;
use crate::text::shown;

/// How many columns a text takes. Names of AWS are ASCII, so one a character.
pub(super) fn cells(text: &str) -> usize {
    shown(text).chars().count()
}

/// Fills lines of at most `width` columns. A phrase stays whole where it fits on a line of its own;
/// a word is never broken, since it may be an identifier.
pub(super) fn flow<S: AsRef<str>>(phrases: &[S], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for phrase in phrases {
        let phrase = shown(phrase.as_ref());
        let pieces: Vec<&str> =
            if cells(&phrase) <= width { vec![&phrase] } else { phrase.split(' ').collect() };
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            if !line.is_empty() && cells(&line) + 1 + cells(piece) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(piece);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The words of a sentence, for a paragraph that may break anywhere between them.
pub(super) fn by_word(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

/// A line of a table: what it is about, and what there is to say.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Whether a person has to look at it.
    pub(super) look: bool,
    /// What it is about.
    pub(super) name: String,
    /// What there is to say, in phrases that stay whole where they can.
    pub(super) phrases: Vec<String>,
    /// What stands on a line of its own below.
    pub(super) below: Option<String>,
}

/// Where the second column of a table starts: the same for every table of one principal.
pub(super) fn column<'a>(rows: impl IntoIterator<Item = &'a Row>, screen: Screen) -> usize {
    // The second column keeps some 40 columns, whatever the names.
    let width = screen.width.max(40);
    let most = (width / 2).min(width.saturating_sub(46));
    let widest = rows.into_iter().map(|row| cells(&row.name)).filter(|n| *n <= most).max();
    4 + widest.unwrap_or_default() + 3
}

/// A text under construction. Everything that enters it is escaped (D2.14).
pub(super) struct Page {
    text: String,
    screen: Screen,
}

impl Page {
    /// An empty page.
    pub(super) fn new(screen: Screen) -> Self {
        let width = screen.width.max(40);
        Self { text: String::new(), screen: Screen { width, ..screen } }
    }

    /// The screen, at least 40 columns wide.
    pub(super) const fn screen(&self) -> Screen {
        self.screen
    }

    /// The page so far.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An empty line, unless there is one already or the page begins here.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// One line of pieces, after an indentation. It is never wrapped.
    pub(super) fn pieces(&mut self, indent: usize, pieces: &[(Style, &str)]) {
        self.text.push_str(&" ".repeat(indent));
        for (style, piece) in pieces {
            self.text.push_str(&style.paint(&shown(piece), self.screen.color));
        }
        self.text.push('\n');
    }

    /// One line, never wrapped.
    pub(super) fn line(&mut self, style: Style, indent: usize, text: &str) {
        self.pieces(indent, &[(style, text)]);
    }

    /// Phrases, wrapped; the lines after the first are indented by `hang` more.
    pub(super) fn phrases<S: AsRef<str>>(
        &mut self,
        style: Style,
        indent: usize,
        hang: usize,
        phrases: &[S],
    ) {
        let room = self.screen.width.saturating_sub(indent + hang).max(20);
        for (index, line) in flow(phrases, room).iter().enumerate() {
            self.line(style, if index == 0 { indent } else { indent + hang }, line);
        }
    }

    /// A sentence, wrapped.
    pub(super) fn sentence(&mut self, indent: usize, text: &str) {
        self.phrases(Style::Plain, indent, 0, &by_word(text));
    }

    /// A sentence that a person has to look at, wrapped.
    pub(super) fn look(&mut self, indent: usize, text: &str) {
        let room = self.screen.width.saturating_sub(indent + 2).max(20);
        for (index, line) in flow(&by_word(text), room).iter().enumerate() {
            let symbol = if index == 0 { "! " } else { "  " };
            self.line(Style::Yellow, indent, &format!("{symbol}{line}"));
        }
    }

    /// A line with a word at its right edge; where both do not fit, the word goes below.
    pub(super) fn right(&mut self, indent: usize, left: &[(Style, &str)], right: &str) {
        let used = indent + left.iter().map(|(_, piece)| cells(piece)).sum::<usize>();
        let room = self.screen.width.saturating_sub(cells(right));
        if used + 2 <= room {
            let space = " ".repeat(room - used);
            let tail = [(Style::Plain, space.as_str()), (Style::Dim, right)];
            self.pieces(indent, &[left, &tail].concat());
        } else {
            self.pieces(indent, left);
            self.line(Style::Dim, room, right);
        }
    }

    /// A heading and its table; nothing where there are no rows.
    pub(super) fn table(&mut self, heading: &str, rows: &[Row], column: usize) {
        if rows.is_empty() {
            return;
        }
        if !heading.is_empty() {
            self.line(Style::Bold, 0, heading);
        }
        for row in rows {
            self.row(row, column);
        }
    }

    fn row(&mut self, row: &Row, column: usize) {
        let style = if row.look { Style::Yellow } else { Style::Plain };
        let symbol = if row.look { "! " } else { "  " };
        let head = format!("{symbol}{}", row.name);
        let room = self.screen.width.saturating_sub(column).max(20);
        let mut lines = flow(&row.phrases, room);
        lines.extend(flow(row.below.as_slice(), room));
        let mut lines = lines.iter();
        // A name that does not leave two columns free has a line of its own.
        let beside = cells(&head) + 4 <= column;
        match lines.next() {
            Some(first) if beside => {
                let space = " ".repeat((column - 2).saturating_sub(cells(&head)));
                self.line(style, 2, &format!("{head}{space}{first}"));
            }
            first => {
                self.line(style, 2, &head);
                if let Some(line) = first {
                    self.line(style, column, line);
                }
            }
        }
        for line in lines {
            self.line(style, column, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_stays_whole_where_it_can_and_a_word_always() {
        let lines = flow(&["Active,", "214 days old,", "last recorded use 4 min ago"], 30);
        assert_eq!(lines, ["Active, 214 days old,", "last recorded use 4 min ago"]);
        let long = "a".repeat(50);
        assert_eq!(flow(&[format!("to {long} b")], 30), ["to", long.as_str(), "b"]);
        assert!(flow::<&str>(&[], 30).is_empty());
    }

    #[test]
    fn nothing_leaves_a_page_unescaped() {
        let mut page = Page::new(Screen::default());
        page.line(Style::Plain, 0, "a\u{1b}[2Jb\nc");
        page.look(0, "x\u{202e}y");
        assert_eq!(page.finish(), "a\\u{1b}[2Jb\\u{a}c\n! x\\u{202e}y\n");
    }
}
