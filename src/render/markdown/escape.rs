//! Names and texts in Markdown. Whoever chose them must not choose how the page looks, whom it mentions or
//! where it links (D2.14).

use crate::render::words::{Said, said};
use crate::text::shown;

/// A name as code.
pub(super) fn code(text: &str) -> String {
    let text = shown(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    // A blank keeps backticks at the ends apart from the fence, and is taken off again by the renderer.
    let edge = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty();
    let blank = if edge { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// A sentence in which what stands between backquotes is a name.
pub(super) fn prose(sentence: &str) -> String {
    let parts = said(sentence).into_iter().map(|part| match part {
        // A blank at an end stands between words and a name.
        Said::Plain(part) => {
            let start = if part.starts_with(' ') { " " } else { "" };
            let end = if part.len() > 1 && part.ends_with(' ') { " " } else { "" };
            format!("{start}{}{end}", text(part))
        }
        Said::Name(name) => code(name),
    });
    parts.collect()
}

/// What ends a table's cell, escaped: that holds inside code too.
fn cell(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut before = ' ';
    for c in markdown.chars() {
        if c == '|' && before != '\\' {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

/// A text within a line or a table's cell.
pub(super) fn text(text: &str) -> String {
    let mut out = String::new();
    for c in shown(text).trim().chars() {
        match c {
            // No heading, and no link to an issue.
            '#' => out.push_str("\\#<!-- -->"),
            // No formula.
            '$' => out.push_str("<span>$</span>"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // Nobody is mentioned.
            '@' => out.push_str("@<!-- -->"),
            _ => out.push(c),
        }
    }
    // Nothing becomes a link by itself.
    let out = out.replace("://", ":<!-- -->//").replace("www.", "www<!-- -->.");
    if out.starts_with(['-', '+', '=']) { format!("\\{out}") } else { out }
}

/// A text within HTML.
pub(super) fn html(text: &str) -> String {
    shown(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A block of lines between fences longer than any run of backticks in them.
pub(super) fn block(language: &str, lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| shown(line)).collect();
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{fence}{language}\n{body}{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// A table; nothing where there are no rows. The cells are Markdown already.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(headings.to_vec());
    out.push_str(&line(headings.iter().map(|_| "---").collect()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|markdown| cell(markdown)).collect();
        out.push_str(&line(cells.iter().map(String::as_str).collect()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_whatever_is_in_it() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code("a|b"), "`a|b`");
        assert_eq!(
            table(&["x"], &[vec![code("a|b"), text("a|b")]]),
            "| x |\n| --- |\n| `a\\|b` | a\\|b |\n"
        );
        assert_eq!(code("a\nb"), "`a\\u{a}b`");
    }

    #[test]
    fn text_is_only_text() {
        assert_eq!(text("</details>@bob"), "&lt;/details&gt;@<!-- -->bob");
        assert_eq!(text("[x](http://e.example)"), "\\[x\\](http:<!-- -->//e.example)");
        assert_eq!(text("- *a* | `b`"), "\\- \\*a\\* \\| \\`b\\`");
        assert_eq!(text("#7 $x$"), "\\#<!-- -->7 <span>$</span>x<span>$</span>");
    }

    #[test]
    fn a_name_in_a_sentence_is_code_and_anothers_backquote_is_only_that() {
        assert_eq!(prose("user `a_b` is <here>"), "user `a_b` is &lt;here&gt;");
        assert_eq!(prose("`a` and `b`."), "`a` and `b`.");
        assert_eq!(prose("policy/we`ird` x"), "policy/we\\`ird\\` x");
        assert_eq!(prose("one ` alone"), "one \\` alone");
        assert_eq!(prose("- `--x` | y"), "\\- `--x` \\| y");
    }

    #[test]
    fn a_fence_is_longer_than_any_inside() {
        assert_eq!(block("diff", &["a ```` b".to_owned()]), "`````diff\na ```` b\n`````\n");
    }
}
