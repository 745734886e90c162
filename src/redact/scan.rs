//! One pass over a text that finds its secrets: by the names before them, by the addresses and headers they stand in.
//! Finds, and changes nothing.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    blocks,
    keys::{self, Key},
    shapes,
    values::{self, Separator, bare_end, is_random, line_end, quote},
};

/// How far a sign is taken to reach where nothing else says it.
const NEAR: usize = 512;
/// The longest header.
const HEADER: usize = 8 << 10;

/// What may stand near a secret; everything else is passed over at the speed of these searches. They are apart because
/// few short literals at a time are searched with vector instructions, many are not.
static SIGNS: LazyLock<[Option<Regex>; 3]> = LazyLock::new(|| {
    [
        r"(?i-u:pass|secret|token|key|auth)",
        r"(?i-u:pwd|psk|cookie|credential)",
        r"://|@tcp\(|@unix\(|-----BEGIN|[sS]ig=|ignature=|[bB]earer |BEARER |[bB]asic |BASIC ",
    ]
    .map(|signs| Regex::new(signs).ok())
});

/// Whether anything in `text` may stand near a secret.
pub(super) fn has_sign(text: &str) -> bool {
    SIGNS.iter().flatten().any(|signs| signs.is_match(text))
}

/// The secrets of `text`, in no order, some perhaps twice.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    shapes::find(text, &mut found);
    let mut manifests = blocks::Manifests::default();
    for signs in SIGNS.iter().flatten() {
        let mut from = 0;
        while let Some(sign) = signs.find_at(text, from) {
            from = match sign.as_str().as_bytes() {
                b"://" => url(text, sign.end(), &mut found),
                [b'@', ..] => data_source(text, sign.start(), sign.end(), &mut found),
                [b'-', ..] => blocks::private_key(text, sign.start(), &mut found),
                [.., b' ' | b'='] => named(text, sign.start()..sign.end() - 1, &mut found, &mut manifests),
                _ => named(text, sign.range(), &mut found, &mut manifests),
            }
            .max(sign.end());
        }
    }
    found
}

/// Looks at the name around a sign and at what follows it; returns where to go on.
fn named(
    text: &str,
    sign: Range<usize>,
    found: &mut Vec<Range<usize>>,
    manifests: &mut blocks::Manifests,
) -> usize {
    let bytes = text.as_bytes();
    let Some(name) = name_around(text, sign) else { return 0 };
    let Some(word) = text.get(name.clone()) else { return 0 };
    if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic") {
        found.extend(after_scheme(text, name.end));
        return name.end;
    }
    if word == "Secret" {
        manifests.find(text, name.clone(), found);
    }
    let mut key = keys::classify(word);
    if key == Key::Plain && word.eq_ignore_ascii_case("key") {
        key = two_words(text, &name);
    }
    if key == Key::Plain || domain_before(text, &name) {
        return name.end;
    }
    let flag = word.starts_with("--");
    match value_start(bytes, name.end, flag) {
        Some((at, separator)) => {
            let own_line = begins_line(bytes, name.start);
            let secret = match key {
                Key::Authorization => header_secret(text, at),
                Key::Cookie => cookies(text, at),
                _ => values::secret(text, at, separator, key, own_line),
            };
            if secret.is_none() && own_line && separator == Separator::Colon {
                found.extend(blocks::scalar(text, name.start, at));
            }
            let end =
                secret.as_ref().map_or_else(|| after_harmless(bytes, name.end, at), |secret| secret.end);
            found.extend(secret);
            end
        }
        None => {
            let paired = paired_value(text, name.end, key);
            found.extend(paired.or_else(|| random_word_near(text, name.end, key)));
            name.end
        }
    }
}

/// Where to go on behind a value that is no secret: a long one is not searched again, lest a text that is made for it
/// takes the square of its length.
fn after_harmless(bytes: &[u8], name: usize, at: usize) -> usize {
    let end = bare_end(bytes, at);
    if end - at > NEAR { end } else { name }
}

/// The whole name that a sign is part of.
fn name_around(text: &str, sign: Range<usize>) -> Option<Range<usize>> {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let bytes = text.as_bytes();
    let before =
        bytes.get(..sign.start)?.iter().rev().take(keys::LONGEST).take_while(|byte| letter(byte)).count();
    let after = bytes.get(sign.end..)?.iter().take(keys::LONGEST).take_while(|byte| letter(byte)).count();
    let mut start = sign.start - before;
    // The `n` of an escaped line end belongs to no name.
    if start > 0
        && bytes.get(start - 1) == Some(&b'\\')
        && matches!(bytes.get(start), Some(b'n' | b'r' | b't'))
        && before > 0
    {
        start += 1;
    }
    let end = sign.end + after;
    let dots = bytes.get(start..end)?.iter().rev().take_while(|byte| **byte == b'.').count();
    (end - start <= keys::LONGEST).then_some(start..end - dots)
}

/// `API key`, `private key`: a name of two words.
fn two_words(text: &str, name: &Range<usize>) -> Key {
    let before = text.get(..name.start).unwrap_or_default();
    let Some(before) = before.strip_suffix(' ') else { return Key::Plain };
    let letters = before.bytes().rev().take(20).take_while(u8::is_ascii_alphabetic).count();
    let word = before.get(before.len() - letters..).unwrap_or_default();
    match keys::classify(&format!("{word}_key")) {
        Key::Plain => Key::Plain,
        _ => Key::Secret,
    }
}

fn domain_before(text: &str, name: &Range<usize>) -> bool {
    let start = text.get(..name.start).unwrap_or_default();
    if !start.ends_with('/') {
        return false;
    }
    let letters = start
        .bytes()
        .rev()
        .skip(1)
        .take(keys::LONGEST)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte));
    let from = start.len() - 1 - letters.count();
    text.get(from..name.end).is_some_and(keys::names_an_object)
}

fn skip(bytes: &[u8], from: usize, set: &[u8]) -> usize {
    from + bytes.get(from..).unwrap_or_default().iter().take_while(|byte| set.contains(byte)).count()
}

/// Where the value of a name that ends at `end` begins, and how it is told from the name.
fn value_start(bytes: &[u8], end: usize, flag: bool) -> Option<(usize, Separator)> {
    let quoted = quote(bytes, end);
    let mut at = quoted.map_or(end, |(_, after)| after);
    if bytes.get(at) == Some(&b']') {
        at += 1;
    }
    let blank = skip(bytes, at, b" \t");
    match bytes.get(blank)? {
        b'=' => match bytes.get(blank + 1) {
            Some(b'=' | b'~') => None,
            Some(b'>') => Some((skip(bytes, blank + 2, b" \t"), Separator::Tight)),
            _ => Some((skip(bytes, blank + 1, b" \t"), Separator::Tight)),
        },
        b':' => match bytes.get(blank + 1) {
            Some(b':') => None,
            Some(b'=') => Some((skip(bytes, blank + 2, b" \t"), Separator::Tight)),
            Some(b' ' | b'\t') => Some((skip(bytes, blank + 1, b" \t"), Separator::Colon)),
            _ if quoted.is_some() => Some((blank + 1, Separator::Tight)),
            Some(next) if quote(bytes, blank + 1).is_some() || blank == at && !next.is_ascii_digit() => {
                Some((blank + 1, Separator::Tight))
            }
            _ => None,
        },
        b',' if flag && quoted.is_some_and(|(quote, _)| quote.mark != b'`') => {
            Some((skip(bytes, blank + 1, b" \t"), Separator::Tight))
        }
        b'-' => None,
        _ if flag && blank > at && quoted.is_none() && !goes_on(bytes, blank) => {
            Some((blank, Separator::Tight))
        }
        _ => None,
    }
}

/// Whether a sentence about a flag goes on at `at`, rather than the flag's value standing there.
fn goes_on(bytes: &[u8], at: usize) -> bool {
    const WORDS: [&[u8]; 24] = [
        b"a", b"and", b"are", b"as", b"can", b"cannot", b"flag", b"for", b"from", b"has", b"in", b"is",
        b"may", b"must", b"not", b"of", b"on", b"option", b"or", b"string", b"the", b"to", b"was", b"with",
    ];
    let rest = bytes.get(at..).unwrap_or_default();
    let length = rest.iter().take(16).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    rest.get(..length).is_some_and(|word| WORDS.contains(&word))
}

/// Whether a name begins its line, apart from what YAML puts there.
fn begins_line(bytes: &[u8], start: usize) -> bool {
    let before = bytes.get(..start).unwrap_or_default();
    before.iter().rev().find(|byte| !b" \t-\"'".contains(byte)).is_none_or(|byte| *byte == b'\n')
}

/// `name: X_PASSWORD` and then `value: …`, within a line or on the next one, as environments are listed.
fn paired_value(text: &str, end: usize, key: Key) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = quote(bytes, end).map_or(end, |(_, after)| after);
    let mut lines = 0;
    let limit = at + 64;
    while at < limit {
        match bytes.get(at)? {
            b' ' | b'\t' | b',' | b'\r' => at += 1,
            b'\n' if lines == 0 => {
                lines += 1;
                at += 1;
            }
            b'\\' if matches!(bytes.get(at + 1), Some(b'n' | b'r' | b't')) => at += 2,
            _ => break,
        }
    }
    at = quote(bytes, at).map_or(at, |(_, after)| after);
    if !text.get(at..at + 5)?.eq_ignore_ascii_case("value") {
        return None;
    }
    let (from, _) = value_start(bytes, at + 5, false)?;
    let own_line = lines == 1 && quote(bytes, from).is_none();
    let separator = if own_line { Separator::Colon } else { Separator::Tight };
    values::secret(text, from, separator, key, own_line)
}

/// A token without a name of its own, one of the next words after a telling one.
fn random_word_near(text: &str, end: usize, key: Key) -> Option<Range<usize>> {
    if !matches!(key, Key::Secret | Key::BareSecret | Key::InSecret) {
        return None;
    }
    let rest = text.get(end..line_end(text.as_bytes(), end, NEAR))?;
    let mut from = end;
    for word in rest.split(|c: char| c.is_whitespace() || "\"'`()<>,;=".contains(c)).take(6) {
        if is_random(word) {
            return Some(from..from + word.len());
        }
        from += word.len() + text.get(from + word.len()..)?.chars().next()?.len_utf8();
    }
    None
}

/// `Bearer …` and `Basic …`, unless a sentence goes on.
fn after_scheme(text: &str, end: usize) -> Option<Range<usize>> {
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
fn header_secret(text: &str, from: usize) -> Option<Range<usize>> {
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
            && !rest.starts_with(super::MARKER)
            && !values::is_harmless(secret, Key::Secret, false);
        return hidden.then_some(follows..stop);
    }
    let stop = bare_end(bytes, start).min(end);
    let secret = text.get(start..stop)?;
    (secret.len() >= 8 && values::is_mixed(secret) && !values::is_harmless(secret, Key::Secret, false))
        .then_some(start..stop)
}

/// All cookies of a header.
fn cookies(text: &str, from: usize) -> Option<Range<usize>> {
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
    (value.contains('=') && !value.starts_with(super::MARKER)).then_some(start..start + value.len())
}

/// The password in `scheme://user:password@host`; `from` is where the authority begins.
fn url(text: &str, from: usize, found: &mut Vec<Range<usize>>) -> usize {
    let stops = |stops: &'static [u8]| {
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        let near = rest.iter().take(NEAR);
        near.clone().position(|byte| *byte <= b' ' || stops.contains(byte)).unwrap_or(near.len())
    };
    let authority = text.get(from..from + stops(b"\"'<>\\`/?#")).unwrap_or_default();
    let colon = authority.find(':');
    let user_info = match (authority.rfind('@'), colon) {
        (Some(at), _) => authority.get(..at),
        // A password with a slash that nobody escaped, unless what follows the colon is a port.
        (None, Some(colon))
            if authority
                .get(colon + 1..)
                .is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            let longer = text.get(from..from + stops(b"\"'<>\\`")).unwrap_or_default();
            longer.rfind('@').and_then(|at| longer.get(..at))
        }
        _ => None,
    };
    if let Some((user, password)) = user_info.and_then(|info| info.split_once(':'))
        && !values::is_harmless(password, Key::Secret, false)
    {
        let start = from + user.len() + 1;
        found.push(start..start + password.len());
    }
    from
}

/// The password in `user:password@tcp(host)/database`; `at` is where the `@` stands.
fn data_source(text: &str, at: usize, end: usize, found: &mut Vec<Range<usize>>) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let length =
        before.bytes().rev().take(256).take_while(|byte| *byte > b' ' && !b"\"'`=".contains(byte)).count();
    let info = before.get(at - length..).unwrap_or_default();
    if let Some((user, password)) = info.split_once(':')
        && !values::is_harmless(password, Key::Secret, false)
    {
        found.push(at - length + user.len() + 1..at);
    }
    end
}
