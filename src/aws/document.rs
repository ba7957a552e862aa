//! Policy documents as they come over the wire.

use crate::policy::PolicyDocument;
use percent_encoding::percent_decode_str;

/// Decodes a document. AWS percent-encodes it (RFC 3986); some emulators send it plain (F19).
///
/// What parses as it came is taken as it came, because a plain document may hold `%` and `+`. What
/// parses in no way is kept as it came, so that nothing observed is lost.
pub(super) fn decode(text: &str) -> PolicyDocument {
    let percent = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
    let plain = Some(text.to_owned());
    let encoded = percent(text);
    // RFC 3986 leaves `+` alone; a form encoder writes it for a space.
    let form = percent(&text.replace('+', " "));
    [plain, encoded, form]
        .into_iter()
        .flatten()
        .map(|text| PolicyDocument::parse(&text))
        .find(|document| document.value().is_object())
        .unwrap_or_else(|| PolicyDocument::parse(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_document_is_taken_as_it_is() {
        let text = r#"{"Resource":"arn:aws:s3:::a+b/%41"}"#;
        assert_eq!(decode(text).minified(), text);
    }

    #[test]
    fn an_encoded_document_is_decoded_once() {
        let encoded = "%7B%22Resource%22%3A%20%22a+b%2541%22%7D";
        assert_eq!(decode(encoded).minified(), r#"{"Resource":"a+b%41"}"#);
        let form = "%7B%22Resource%22:+%22a%2Bb%22%7D";
        assert_eq!(decode(form).minified(), r#"{"Resource":"a+b"}"#);
    }

    #[test]
    fn what_is_no_document_is_kept() {
        for odd in ["", "not json", "%ff%fe", "[]"] {
            assert_eq!(decode(odd).minified(), odd);
        }
    }
}
