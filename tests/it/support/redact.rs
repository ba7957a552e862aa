//! Takes out of a text what is different at every run, and keeps its layout.

/// Names for what a test knows, of the same width, so that columns stay where they are.
pub(super) fn alias(id: &str, name: &str) -> String {
    format!("{name:_<width$}", width = id.len())
}

/// Replaces lineages, runs, digests, request times and the like by what they are.
///
/// Times of the emulator's clock stay: it stands still.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::new();
    for line in in_waves(text) {
        let line = took(&line);
        let mut rest = line.as_str();
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            let (before, tail) = rest.split_at(start);
            out.push_str(before);
            let end = tail.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tail.len());
            let (word, tail) = tail.split_at(end);
            out.push_str(&redacted(word, &out));
            rest = tail;
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

fn redacted(word: &str, before: &str) -> String {
    let hex = word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match word.len() {
        64 if hex => "SHA256".to_owned(),
        32 if hex => "LINEAGE".to_owned(),
        12 if hex && (before.ends_with("plan ") || before.ends_with("journal head ")) => {
            "SHA256".to_owned()
        }
        8 if hex
            && (before.ends_with("Fence-")
                || before.ends_with("Hold-")
                || before.ends_with("Z-")) =>
        {
            "LINEAGE8".to_owned()
        }
        _ => word.to_owned(),
    }
}

/// The lines, with the steps of a wave in the order of their text: they run side by side, and are
/// shown as they end.
fn in_waves(text: &str) -> Vec<String> {
    let (mut lines, mut wave) = (Vec::new(), Vec::<Vec<String>>::new());
    for line in text.lines() {
        let begins = line.trim_start_matches(['!', ' ']).starts_with("wave ");
        match wave.last_mut() {
            _ if begins => wave.push(vec![line.to_owned()]),
            Some(step) if line.starts_with("          ") => step.push(line.to_owned()),
            _ => {
                wave.sort();
                lines.extend(wave.drain(..).flatten());
                lines.push(line.to_owned());
            }
        }
    }
    wave.sort();
    lines.extend(wave.into_iter().flatten());
    lines
}

/// How long a call took, at the end of a line: `0.1 s`.
fn took(line: &str) -> String {
    let is_time = |text: &str| {
        let mut digits = text.split('.');
        matches!((digits.next(), digits.next(), digits.next()), (Some(a), Some(b), None)
            if !a.is_empty() && b.len() == 1 && (a.to_owned() + b).bytes().all(|b| b.is_ascii_digit()))
    };
    match line.strip_suffix(" s").and_then(|rest| rest.rsplit_once(' ')) {
        Some((rest, time)) if is_time(time) => format!("{rest} N.N s"),
        _ => line.to_owned(),
    }
}
