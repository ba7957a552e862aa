//! Names and texts in Markdown. Whoever chose them must not choose how the page looks, whom it mentions or
//! where it links (D2.14).

use crate::text::shown;

/// A name as code, within a line or a table's cell.
pub(super) fn code(text: &str) -> String {
    let text = shown(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    // A blank keeps backticks at the ends apart from the fence, and is taken off again by the renderer.
    let edge = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty();
    let blank = if edge { " " } else { "" };
    // In a table a bar ends the cell even inside code, unless it is escaped; elsewhere no name has one.
    format!("{fence}{blank}{}{blank}{fence}", text.replace('|', "\\|"))
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
        out.push_str(&line(row.iter().map(String::as_str).collect()));
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
        assert_eq!(code("a|b"), "`a\\|b`");
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
    fn a_fence_is_longer_than_any_inside() {
        assert_eq!(block("diff", &["a ```` b".to_owned()]), "`````diff\na ```` b\n`````\n");
    }
}
