//! Where the value of a telling name begins and ends in a text, and which values are no secrets: references, blanks,
//! words of a sentence.

use std::ops::Range;

use super::{base64, keys::Key, placeholder::MARKER};

/// How a value is told from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// `=`, `=>`, `:=`, `key:value`, or a flag and a space: hardly ever a sentence.
    Tight,
    /// `: `, as in YAML, in headers and in sentences.
    Colon,
}

/// A quote as it stands in text: which, and behind how many backslashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) mark: u8,
    pub(super) depth: usize,
}

/// The quote at `at`, and where it ends.
pub(super) fn quote(bytes: &[u8], at: usize) -> Option<(Quote, usize)> {
    let depth = bytes.get(at..)?.iter().take(8).take_while(|byte| **byte == b'\\').count();
    let mark = *bytes.get(at + depth)?;
    matches!(mark, b'"' | b'\'' | b'`').then_some((Quote { mark, depth }, at + depth + 1))
}

/// Where the string that `open` began before `from` ends: at a quote that is escaped no deeper, or at the line's end.
pub(super) fn closing(bytes: &[u8], from: usize, open: Quote) -> usize {
    let mut at = from;
    let mut slashes = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => slashes += 1,
            b'\n' => return at,
            _ if byte == open.mark => {
                let doubled = open.mark == b'\'' && slashes == 0 && bytes.get(at + 1) == Some(&b'\'');
                let ends = if open.depth == 0 { slashes % 2 == 0 } else { slashes <= open.depth };
                if doubled {
                    at += 1;
                } else if ends {
                    return at - slashes.min(if open.depth == 0 { 0 } else { slashes });
                }
                slashes = 0;
            }
            _ => slashes = 0,
        }
        at += 1;
    }
    bytes.len()
}

/// Where a value without quotes ends that begins at `from`.
pub(super) fn bare_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let ends = match byte {
            0..=b' ' | b';' => true,
            b'"' | b'\'' | b'`' | b')' | b']' | b'}' | b'>' => {
                !rest.first().is_some_and(u8::is_ascii_alphanumeric)
            }
            b',' => !rest.first().is_some_and(|next| is_word(*next)) || begins_assignment(rest),
            b'&' => rest.is_empty() || begins_assignment(rest),
            b'\\' => escapes_space_or_quote(rest),
            _ => false,
        };
        if ends {
            break;
        }
        at += 1;
    }
    at
}

/// Behind what of `set` follows `from`.
pub(super) fn skip(bytes: &[u8], from: usize, set: &[u8]) -> usize {
    from + bytes.get(from..).unwrap_or_default().iter().take_while(|byte| set.contains(byte)).count()
}

/// Where the line ends that `from` is in: at its end, or at an escaped one; at the latest after about `limit` bytes.
pub(super) fn line_end(bytes: &[u8], from: usize, limit: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    // Not within a character.
    let limit = (limit..rest.len())
        .find(|at| rest.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80))
        .unwrap_or(rest.len());
    let rest = rest.get(..limit).unwrap_or_default();
    let ends = |at: usize| match rest.get(at) {
        Some(b'\n' | b'\r') => true,
        Some(b'\\') => matches!(rest.get(at + 1), Some(b'n' | b'r')),
        _ => false,
    };
    from + (0..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'$' | b'!' | b'#' | b'%' | b'@' | b'*')
}

fn begins_assignment(rest: &[u8]) -> bool {
    let name =
        rest.iter().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte)).count();
    name > 0 && matches!(rest.get(name), Some(b'=' | b':'))
}

fn escapes_space_or_quote(rest: &[u8]) -> bool {
    let further = rest.iter().take(8).take_while(|byte| **byte == b'\\').count();
    matches!(rest.get(further), Some(b'n' | b'r' | b't' | b'"' | b'\''))
}

/// The secret in the value that begins at `from`, or `None` where there is none. `own_line`: the name began its line,
/// as in YAML.
pub(super) fn secret(
    text: &str,
    from: usize,
    separator: Separator,
    key: Key,
    own_line: bool,
) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if let Some((open, start)) = quote(bytes, from) {
        let end = closing(bytes, start, open);
        let value = text.get(start..end)?;
        return (!is_harmless(value, key, true)).then_some(start..end);
    }
    let end = bare_end(bytes, from);
    let value = text.get(from..end)?;
    if separator == Separator::Tight {
        return (!is_harmless(value, key, false)).then_some(from..end);
    }
    let rest = text
        .get(from..line_end(bytes, from, if own_line { usize::MAX } else { end - from + 64 }))?
        .trim_end();
    if key == Key::Pass || is_sentence(rest, value, own_line) {
        return None;
    }
    let rest = rest.split_once(" #").map_or(rest, |(rest, _)| rest.trim_end());
    let end = if own_line { from + rest.len().max(value.len()) } else { end };
    (!is_harmless(text.get(from..end)?, key, false)).then_some(from..end)
}

/// Whether what follows `name: ` is a sentence about the secret: `token: x509: …`, `password: 12 bytes`.
fn is_sentence(rest: &str, word: &str, own_line: bool) -> bool {
    const STATES: [&str; 22] = [
        "absent",
        "changed",
        "denied",
        "disabled",
        "empty",
        "enabled",
        "expired",
        "forbidden",
        "invalid",
        "missing",
        "mismatch",
        "no",
        "ok",
        "rejected",
        "required",
        "revoked",
        "unauthorized",
        "unknown",
        "unset",
        "updated",
        "valid",
        "yes",
    ];
    let plain = word.trim_end_matches(['.', ',', '!', '?']);
    let more = rest.len() > word.len();
    word.ends_with(':')
        || STATES.contains(&plain.to_ascii_lowercase().as_str()) && (!own_line || !more)
        || more && !own_line && plain.bytes().all(|byte| byte.is_ascii_alphabetic())
        || own_line && rest.contains(": ")
        || is_size(rest)
}

/// `24 bytes`, as a Secret is described, and nothing more of a sentence than what ends one. A Secret has a mebibyte at
/// most; a longer number may be what is to be hidden.
fn is_size(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest.get(digits..).and_then(|after| after.strip_prefix(" bytes"));
    let ends = |after: &str| {
        after.is_empty() || after.trim_start().starts_with(['.', ',', ';', ')', '`', '|', '"', '\''])
    };
    (1..=7).contains(&digits) && after.is_some_and(ends)
}

/// Whether a value of a telling name is nothing to hide.
pub(super) fn is_harmless(value: &str, key: Key, quoted: bool) -> bool {
    const BLANKS: [&str; 13] = [
        "",
        "~",
        "null",
        "nil",
        "none",
        "true",
        "false",
        "true|false",
        "undefined",
        "-",
        "string",
        "flag",
        "option",
    ];
    let value = value.trim();
    if value.starts_with(MARKER) || BLANKS.contains(&value.to_ascii_lowercase().as_str()) {
        return true;
    }
    if is_reference(value) || is_masked_already(value) {
        return true;
    }
    if !quoted && begins_structure(value) {
        return true;
    }
    match key {
        Key::BareSecret => is_object_name(value),
        Key::InSecret => value.bytes().all(|byte| byte.is_ascii_lowercase() || b"._-".contains(&byte)),
        Key::Pass => value.bytes().all(|byte| byte.is_ascii_digit()),
        Key::Pwd => value.starts_with('/'),
        Key::Auth => !quoted || value.len() < 8 || !is_base64(value),
        Key::Signature => value.len() < 16,
        _ => false,
    }
}

/// Whether something follows that is no plain value: an object, a list, the lines of a block.
fn begins_structure(value: &str) -> bool {
    value.starts_with(['{', '[', '(', ',', ')', ']', '}', '&']) && value.len() < 3
        || value.starts_with("map[")
        || value.starts_with("{\"")
        || value.starts_with("[{")
        || super::blocks::is_scalar_mark(value)
}

/// `$(…)`, `${X}`, `$X`, `{{ … }}`, `<…>`, `%s`, a path: where the secret is, not what it is.
fn is_reference(value: &str) -> bool {
    const ROOTS: [&str; 16] = [
        "/var/", "/run/", "/etc/", "/opt/", "/home/", "/mnt/", "/tmp/", "/data/", "/secret", "/vault/",
        "/app/", "/usr/", "/srv/", "/root/", "/config/", "/cert",
    ];
    let variable = |name: &str| {
        let named =
            name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        named && name.starts_with(|c: char| c.is_ascii_uppercase())
            || super::keys::classify(name) != Key::Plain
    };
    value.starts_with("$(")
        || value.starts_with("${")
        || value.starts_with("{{")
        || value.starts_with('<')
        || matches!(value, "%s" | "%v" | "%q" | "%r")
        || value.strip_prefix('$').is_some_and(variable)
        || ["./", "../", "~/"].iter().any(|root| value.starts_with(root))
        || ROOTS.iter().any(|root| value.starts_with(root)) && !value.contains(['+', '=', ' '])
        || value.starts_with('/')
            && [".pem", ".key", ".crt", ".txt", ".json", ".yaml"].iter().any(|end| value.ends_with(end))
}

/// `*****`, `xxxx`, `REDACTED`: somebody else hid it.
fn is_masked_already(value: &str) -> bool {
    value.bytes().all(|byte| b"*.xX".contains(&byte)) || value.eq_ignore_ascii_case("redacted")
}

/// Whether a word holds what words of a sentence do not: digits, capitals within.
pub(super) fn is_mixed(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit() || byte == b'=')
        || word.len() >= 20 && word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
}

/// Whether `word` is `user:password` in Base64.
pub(super) fn is_user_and_password(word: &str) -> bool {
    base64::bytes(word).is_some_and(|bytes| bytes.contains(&b':') && bytes.iter().all(|byte| *byte >= b' '))
}

/// `namespace/name` in the letters of Kubernetes.
fn is_object_name(value: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
    };
    value.split_once('/').is_some_and(|(namespace, name)| label(namespace) && label(name))
}

fn is_base64(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_'))
}

/// Whether a word has the look of a random token: long, of mixed letters and digits that change often.
pub(super) fn is_random(word: &str) -> bool {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let bytes = word.as_bytes();
    let count = |wanted: u8| bytes.iter().filter(|byte| class(**byte) == wanted).count();
    let changes = bytes.iter().zip(bytes.iter().skip(1)).filter(|(a, b)| class(**a) != class(**b)).count();
    bytes.len() >= 20
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.~".contains(byte))
        && count(0) > 0
        && count(1) > 0
        && count(2) > 1
        && changes * 4 >= bytes.len()
}
