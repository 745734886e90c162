//! What stands in place of a secret: `‹secret:NAME#TAG›`. NAME is what the secret is known by. TAG is four letters of a
//! keyed digest of it until a log gives it a number, so that the same secret is the same placeholder.

use std::{borrow::Cow, collections::BTreeMap, ops::Range, sync::LazyLock};

use regex::{Captures, Regex};
use sha2::{Digest, Sha256};

use super::{base64, settings::settings};

/// What stands for any placeholder while a text is searched, so that what is found depends on none of their names and
/// numbers. Captures from before there were placeholders have it in the place of secrets.
pub(super) const MARKER: &str = "[redacted]";
/// How every placeholder begins.
const BEGIN: &str = "‹secret:";
/// The longest name, in bytes.
const LONGEST_NAME: usize = 40;
/// The name of a secret that is called by nothing that may be shown.
pub(super) const NAMELESS: &str = "secret";

static BEGINNING: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(BEGIN).ok());
/// Finds the markers in a text, faster than `str::match_indices`.
static MARKERS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&regex::escape(MARKER)).ok());
/// Placeholders, those that were cut short too, and markers.
static MASKED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\[redacted\]|‹secret:[0-9A-Za-z_.-]{0,64}(?:#[0-9a-z]{0,10}›?)?").ok());
/// Placeholders that are whole.
static WHOLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"‹secret:([0-9A-Za-z_.-]{1,64})#([0-9a-z]{1,10})›").ok());

/// The placeholder of `value`, which is known as `name`. A capture may have one in Base64 in place of the secret.
pub(super) fn of(name: &str, value: &str) -> String {
    if let Some(there) = base64::text(value).filter(|text| is_one(text)) {
        return there;
    }
    format!("{BEGIN}{}#{}›", tidy(name), tag(&settings().key, value))
}

/// Whether `text` begins with a placeholder or a marker.
pub(super) fn begins(text: &str) -> bool {
    text.starts_with(BEGIN) || text.starts_with(MARKER)
}

/// Whether `text` is a placeholder or a marker and nothing else.
pub(super) fn is_one(text: &str) -> bool {
    begins(text)
        && MASKED.iter().filter_map(|masked| masked.find(text)).any(|masked| masked.len() == text.len())
}

/// `text` with markers in place of its placeholders, and those, in order, the markers that were there among them;
/// `None` where it has no placeholder.
pub(super) fn take(text: &str) -> Option<(String, Vec<String>)> {
    BEGINNING.as_ref()?.find(text)?;
    let mut taken = Vec::new();
    let plain = MASKED.as_ref()?.replace_all(text, |found: &Captures<'_>| {
        taken.extend(found.get(0).map(|found| found.as_str().to_owned()));
        MARKER
    });
    Some((plain.into_owned(), taken))
}

/// Where the markers of `text` are.
pub(super) fn markers(text: &str) -> Vec<Range<usize>> {
    MARKERS.iter().flat_map(|marker| marker.find_iter(text)).map(|marker| marker.range()).collect()
}

/// `plain` with what was taken put back.
pub(super) fn put_back(plain: &str, taken: &[String]) -> String {
    let mut text = String::with_capacity(plain.len() + taken.iter().map(String::len).sum::<usize>());
    let mut done = 0;
    for (marker, taken) in markers(plain).into_iter().zip(taken) {
        text.push_str(plain.get(done..marker.start).unwrap_or_default());
        text.push_str(taken);
        done = marker.end;
    }
    text.push_str(plain.get(done..).unwrap_or_default());
    text
}

/// What of a name may be shown in a placeholder.
fn tidy(name: &str) -> String {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = name.chars().map(|c| if letter(c) { c } else { '-' }).collect();
    let name = name.trim_matches(['-', '.', '_']);
    // The end of a long name says more than its beginning.
    let name = name.get(name.len().saturating_sub(LONGEST_NAME)..).unwrap_or_default();
    let name = name.trim_start_matches(['-', '.', '_']);
    if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() }
}

/// Four letters of a digest under `key`. No more: with the key, which lies beside the logs, a longer one would confirm
/// a guessed password. One is a letter at least, which tells a tag from a number.
fn tag(key: &[u8; 32], value: &str) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = Sha256::new().chain_update(key).chain_update(plain(value).as_bytes()).finalize();
    let letter = |byte: &u8| char::from(LETTERS.get(usize::from(byte & 31)).copied().unwrap_or(b'a'));
    let tag: String = digest.iter().take(4).map(letter).collect();
    if is_number(&tag) { format!("a{}", tag.get(1..).unwrap_or_default()) } else { tag }
}

fn is_number(tag: &str) -> bool {
    tag.bytes().all(|byte| byte.is_ascii_digit())
}

/// The same secret as it stands in an environment, in a Secret's data, in a URL and in a string of JSON.
fn plain(value: &str) -> Cow<'_, str> {
    let value = value.trim();
    let decoded = base64::text(value).map(|text| Cow::Owned(text.trim().to_owned()));
    let value = decoded.unwrap_or(Cow::Borrowed(value));
    if !value.contains(['\\', '%', '\n']) {
        return value;
    }
    let value = value.replace("\\n", "\n").replace('\\', "");
    let value = percent_encoding::percent_decode_str(&value).decode_utf8().unwrap_or(Cow::Borrowed(&value));
    Cow::Owned(value.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
}

/// A placeholder that waits for its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnumbered {
    /// The letters that stand in the number's place.
    pub tag: String,
    /// What the secret is known by.
    pub name: String,
}

/// The placeholders of `text` that have letters and no number yet, each tag once, in order.
pub fn unnumbered(text: &str) -> Vec<Unnumbered> {
    let mut found: Vec<Unnumbered> = Vec::new();
    if !BEGINNING.iter().any(|begin| begin.is_match(text)) {
        return found;
    }
    for whole in WHOLE.iter().flat_map(|whole| whole.captures_iter(text)) {
        let (_, [name, tag]) = whole.extract();
        if waits(tag) && !found.iter().any(|known| known.tag == tag) {
            found.push(Unnumbered { tag: tag.to_owned(), name: name.to_owned() });
        }
    }
    found
}

fn waits(tag: &str) -> bool {
    tag.len() == 4 && !is_number(tag)
}

/// `text` with the numbers, and the names, that `known` has for tags.
pub fn numbered<'t>(text: &'t str, known: &BTreeMap<String, (i64, String)>) -> Cow<'t, str> {
    let Some(whole) = WHOLE.as_ref().filter(|_| !known.is_empty()) else { return Cow::Borrowed(text) };
    whole.replace_all(text, |found: &Captures<'_>| {
        let tag = found.get(2).map_or("", |tag| tag.as_str());
        match known.get(tag).filter(|_| waits(tag)) {
            Some((number, name)) => format!("{BEGIN}{name}#{number}›"),
            None => found.get(0).map_or_else(String::new, |found| found.as_str().to_owned()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_of_plain_letters() {
        for (name, expected) in [
            ("DB_PASSWORD", "DB_PASSWORD"),
            ("--token", "token"),
            (".dockerconfigjson", "dockerconfigjson"),
            ("API key", "API-key"),
            ("é", "secret"),
            ("", "secret"),
            (&"a-".repeat(60), &format!("{}a", "a-".repeat(19))),
        ] {
            assert_eq!(tidy(name), expected, "{name}");
        }
    }

    #[test]
    fn the_same_secret_has_the_same_tag_in_every_spelling() {
        let key = [1; 32];
        let same = |spellings: &[&str]| {
            let tags: Vec<String> = spellings.iter().map(|spelling| tag(&key, spelling)).collect();
            assert!(tags.windows(2).all(|two| two[0] == two[1]), "{spellings:?} {tags:?}");
        };
        same(&["hunter2-hunter2", "aHVudGVyMi1odW50ZXIy", "aHVudGVyMi1odW50ZXIyCg==", " hunter2-hunter2\n"]);
        same(&["p@ss/word", "p%40ss%2Fword"]);
        same(&["a\"b", "a\\\"b", "a\\\\\\\"b"]);
        same(&["one\ntwo", "one\\ntwo\\n", "  one\n  two\n"]);
        assert_ne!(tag(&key, "hunter2"), tag(&key, "hunter3"));
        assert_ne!(tag(&key, "hunter2"), tag(&[2; 32], "hunter2"));
    }

    #[test]
    fn a_tag_is_four_letters_and_never_a_number() {
        for n in 0..20_000 {
            let tag = tag(&[3; 32], &n.to_string());
            assert!(tag.len() == 4 && waits(&tag), "{tag}");
        }
    }

    #[test]
    fn tags_get_numbers_and_numbers_stay() {
        let text =
            "a ‹secret:A#abcd› b ‹secret:B#efgh› ‹secret:C#abcd› ‹secret:D#7› ‹secret:E#1234› ‹secret:F#abc";
        let tags: Vec<_> = unnumbered(text).into_iter().map(|one| (one.tag, one.name)).collect();
        assert_eq!(tags, [("abcd".into(), "A".into()), ("efgh".into(), "B".into())]);
        let known = [("abcd".to_owned(), (1, "A".to_owned()))].into();
        assert_eq!(
            numbered(text, &known),
            "a ‹secret:A#1› b ‹secret:B#efgh› ‹secret:A#1› ‹secret:D#7› ‹secret:E#1234› ‹secret:F#abc"
        );
        assert!(unnumbered("nothing").is_empty());
    }
}
