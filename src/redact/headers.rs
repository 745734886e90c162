//! Secrets in the headers of HTTP: what follows an authentication scheme, cookies. The names of headers are found by
//! `scan`, as other names are.

use std::ops::Range;

use super::{
    keys::Key,
    placeholder::MARKER,
    values::{self, bare_end, line_end, quote, skip},
};

/// The longest header.
const HEADER: usize = 8 << 10;

/// `Bearer …` and `Basic …`, unless a sentence goes on.
pub(super) fn after_scheme(text: &str, end: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let from = skip(bytes, end, b" ");
    if from == end {
        return None;
    }
    let rest = bytes.get(from..)?;
    let length =
        rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=_-.~".contains(byte)).count();
    let token = text.get(from..from + length)?;
    let basic = text.get(..end)?.as_bytes().last().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'c'));
    let secret = if basic { values::is_user_and_password(token) } else { values::is_mixed(token) };
    (length >= 8 && secret).then_some(from..from + length)
}

/// The credentials of an `Authorization` header, its scheme left readable.
pub(super) fn authorization(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (start, end) = match quote(bytes, from) {
        Some((open, start)) => (start, values::closing(bytes, start, open)),
        None => (from, line_end(bytes, from, HEADER)),
    };
    let value = text.get(start..end)?;
    let scheme = value.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
    let follows = start + scheme + 1;
    let (scheme, rest) = (value.get(..scheme)?, text.get(follows..end).unwrap_or_default());
    let known = ["bearer", "basic", "token", "apikey", "negotiate", "digest", "aws4-hmac-sha256"];
    if value.as_bytes().get(scheme.len()) == Some(&b' ')
        && known.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    {
        let whole = scheme.eq_ignore_ascii_case("digest") || scheme.eq_ignore_ascii_case("aws4-hmac-sha256");
        let stop = if whole { end } else { bare_end(bytes, follows).min(end) };
        let secret = text.get(follows..stop)?;
        let hidden = secret.len() >= 4
            && !rest.starts_with(MARKER)
            && !values::is_harmless(secret, Key::Secret, false);
        return hidden.then_some(follows..stop);
    }
    let stop = bare_end(bytes, start).min(end);
    let secret = text.get(start..stop)?;
    (secret.len() >= 8 && values::is_mixed(secret) && !values::is_harmless(secret, Key::Secret, false))
        .then_some(start..stop)
}

/// All cookies of a header.
pub(super) fn cookies(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (start, end) = match quote(bytes, from) {
        Some((open, start)) => (start, values::closing(bytes, start, open)),
        None => {
            let line = line_end(bytes, from, HEADER);
            let quote = bytes.get(from..line)?.iter().position(|byte| matches!(byte, b'"' | b'\''));
            (from, from + quote.unwrap_or(line - from))
        }
    };
    let value = text.get(start..end)?.trim_end_matches(['\\', ' ']);
    (value.contains('=') && !value.starts_with(MARKER)).then_some(start..start + value.len())
}
