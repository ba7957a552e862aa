//! The parameters of a request in the Query protocol, read with the constraints of the models.

use super::fault::Fault;
use super::policy_store::Tag;
use super::rules;
use super::user::Status;

/// How many parameters a request may have.
const MOST: usize = 5_000;

/// The parameters, in the order they came.
#[derive(Clone)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    most_items: usize,
}

type Read<T> = Result<T, Fault>;

impl Params {
    /// Reads the query string and a form body.
    pub(super) fn read(query: &str, body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
        let pairs = pairs.take(MOST).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        Self { pairs, most_items: usize::MAX }
    }

    /// The same, with at most so many items on a page whatever MaxItems says (F18).
    pub(super) fn in_short_pages(mut self, most: Option<&str>) -> Self {
        let most = most.and_then(|most| most.parse().ok()).filter(|most| *most > 0);
        self.most_items = most.unwrap_or(usize::MAX);
        self
    }

    /// Every parameter as it came, in that order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many items a page may have at most.
    pub(super) const fn most_items(&self) -> usize {
        self.most_items
    }

    /// A parameter as it came.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Read<&str> {
        self.get(name).ok_or_else(|| rules::null(name))
    }

    /// A text of a length.
    pub(super) fn text(&self, name: &str, min: usize, max: usize) -> Read<&str> {
        rules::length(name, self.need(name)?, min, max)
    }

    /// A text of a length, where it is there.
    pub(super) fn maybe_text(&self, name: &str, min: usize, max: usize) -> Read<Option<&str>> {
        self.get(name).map(|text| rules::length(name, text, min, max)).transpose()
    }

    /// A name of letters, digits and `+=,.@_-` (F22).
    pub(super) fn name(&self, name: &str, max: usize) -> Read<&str> {
        rules::name(name, self.need(name)?, max)
    }

    /// Such a name, where it is there.
    pub(super) fn maybe_name(&self, name: &str, max: usize) -> Read<Option<&str>> {
        self.get(name).map(|text| rules::name(name, text, max)).transpose()
    }

    /// An ID of letters, digits and `_`.
    pub(super) fn id(&self, name: &str, min: usize) -> Read<&str> {
        let text = rules::length(name, self.need(name)?, min, 128)?;
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            Ok(text)
        } else {
            Err(rules::pattern(name, text, "[\\w]+"))
        }
    }

    /// An ARN: 20 to 2,048 characters.
    pub(super) fn arn(&self, name: &str) -> Read<&str> {
        rules::arn(name, self.need(name)?)
    }

    /// An ARN, where it is there.
    pub(super) fn maybe_arn(&self, name: &str) -> Read<Option<&str>> {
        self.get(name).map(|text| rules::arn(name, text)).transpose()
    }

    /// A path, `/` where it is not there.
    pub(super) fn path(&self, name: &str) -> Read<&str> {
        rules::path(name, self.get(name).unwrap_or("/"))
    }

    /// The beginning of a path, `/` where it is not there.
    pub(super) fn prefix(&self) -> Read<&str> {
        let text = rules::length("PathPrefix", self.get("PathPrefix").unwrap_or("/"), 1, 512)?;
        if text.starts_with('/') && text.bytes().all(|byte| (0x21..0x80).contains(&byte)) {
            Ok(text)
        } else {
            Err(rules::pattern("PathPrefix", text, "\\u002F[\\u0021-\\u007F]*"))
        }
    }

    /// A document: 1 to 131,072 characters of Latin-1.
    pub(super) fn document(&self, name: &str) -> Read<&str> {
        self.latin(name, 131_072)
    }

    /// A text of Latin-1.
    pub(super) fn latin(&self, name: &str, max: usize) -> Read<&str> {
        rules::latin(name, self.need(name)?, max)
    }

    /// Such a text, where it is there.
    pub(super) fn maybe_latin(&self, name: &str, max: usize) -> Read<Option<&str>> {
        self.get(name).map(|text| rules::latin(name, text, max)).transpose()
    }

    /// A whole number between two.
    pub(super) fn number(&self, name: &str, min: i64, max: i64) -> Read<Option<i64>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse::<i64>().map_err(|_| {
            Fault::new(400, "MalformedInput", format!("`{name}` is no whole number"))
        })?;
        let bound = |word: &str, bound: i64| {
            let what = format!("Member must have value {word} than or equal to {bound}");
            Err(rules::constraint(name, text, &what))
        };
        match number {
            _ if number < min => bound("greater", min),
            _ if number > max => bound("less", max),
            _ => Ok(Some(number)),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Read<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(Fault::new(
                400,
                "MalformedInput",
                format!("`{name}` is neither true nor false"),
            )),
        }
    }

    /// One of some words.
    pub(super) fn word(&self, name: &str, words: &[&str]) -> Read<&str> {
        let text = self.need(name)?;
        if words.contains(&text) { Ok(text) } else { Err(rules::choice(name, text, words)) }
    }

    /// A status to set: `Active` or `Inactive`.
    pub(super) fn status(&self) -> Read<Status> {
        match self.word("Status", &["Active", "Inactive", "Expired"])? {
            "Active" => Ok(Status::Active),
            "Inactive" => Ok(Status::Inactive),
            // In the model as what can be read; the API takes the other two.
            other => Err(rules::choice("Status", other, &["Active", "Inactive"])),
        }
    }

    /// The items of a list of texts.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let member = |index: usize| self.get(&format!("{name}.member.{index}"));
        (1..=MOST).map_while(member).collect()
    }

    /// The items of a list of structures, with one field of each that must be there.
    fn structures(&self, name: &str, field: &str) -> Vec<usize> {
        let there = |index: &usize| self.get(&format!("{name}.member.{index}.{field}")).is_some();
        (1..=MOST).take_while(there).collect()
    }

    /// One field of every item of a list of structures.
    pub(super) fn fields(&self, name: &str, field: &str) -> Vec<(usize, &str)> {
        let of = |index: usize| Some((index, self.get(&format!("{name}.member.{index}.{field}"))?));
        self.structures(name, field).into_iter().filter_map(of).collect()
    }

    /// The parameter `Tags`.
    pub(super) fn tags(&self) -> Read<Vec<Tag>> {
        let mut tags: Vec<Tag> = Vec::new();
        for (index, key) in self.fields("Tags", "Key") {
            let place = format!("tags.{index}.member");
            let value = self.get(&format!("Tags.member.{index}.Value"));
            let value = value.ok_or_else(|| rules::null(&format!("{place}.value")))?;
            rules::tag(&format!("{place}.key"), key, 1, 128)?;
            rules::tag(&format!("{place}.value"), value, 0, 256)?;
            if key.to_ascii_lowercase().starts_with("aws:") {
                return Err(Fault::input("System tags cannot be added/updated by requester"));
            }
            if tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
                return Err(Fault::input(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
            tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
        }
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::read("", text.as_bytes())
    }

    #[test]
    fn names_and_numbers_have_their_rules() {
        assert_eq!(params("U=a%2Bb").name("U", 64).unwrap(), "a+b");
        for bad in ["U=a%2Fb", "U=%0A", "U=", "", "U=%C3%A9"] {
            assert_eq!(params(bad).name("U", 64).unwrap_err().code, "ValidationError", "{bad}");
        }
        let long = format!("U={}", "x".repeat(65));
        assert!(
            params(&long).name("U", 64).unwrap_err().message.contains("less than or equal to 64")
        );
        assert_eq!(params("N=5").number("N", 1, 10).unwrap(), Some(5));
        assert!(params("N=11").number("N", 1, 10).is_err());
        assert!(params("N=x").number("N", 1, 10).is_err());
        assert!(params("Status=Expired").status().is_err());
    }

    #[test]
    fn lists_end_at_the_first_gap() {
        let read = params("L.member.1=a&L.member.2=b&L.member.4=d");
        assert_eq!(read.list("L"), ["a", "b"]);
        let tags = params("Tags.member.1.Key=k&Tags.member.1.Value=").tags().unwrap();
        assert_eq!(tags, [Tag { key: "k".to_owned(), value: String::new() }]);
        assert!(params("Tags.member.1.Key=k").tags().is_err());
    }
}
