//! Patterns with `*` and `?`, as OpenSSH and IAM write them.

/// Whether a text is what a pattern says: `*` stands for any characters, `?` for one.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // The last star, and how much of the text it has taken so far.
    let (mut star, mut taken) = (None, 0);
    let (mut p, mut t) = (0, 0);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some(p);
                taken = t;
                p += 1;
            }
            Some(one) if *one == '?' || text.get(t) == Some(one) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some(back) = star else { return false };
                taken += 1;
                (p, t) = (back + 1, taken);
            }
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

/// Whether a text matches a list of patterns with commas between them, where `!` before one excludes what it
/// matches: OpenSSH's pattern lists.
#[must_use]
pub fn matches_list(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(excluded) if matches(excluded, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c", "axc", true),
            ("*-plan", "ringfence-plan", true),
            ("**", "anything", true),
            ("a*b*c*d", "a-b-b-c-c-d", true),
            ("ü?", "üä", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_in_a_list() {
        assert!(matches_list("git,ringfence-*", "ringfence-plan"));
        assert!(!matches_list("*,!ringfence-plan", "ringfence-plan"));
        assert!(!matches_list("!other", "ringfence-plan"));
    }
}
