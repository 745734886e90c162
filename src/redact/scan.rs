//! One pass over a text that finds its secrets: by the names before them, by the addresses and headers they stand in.
//! Finds, and changes nothing.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    addresses, blocks, commands, headers,
    keys::{self, Key},
    looks,
    masking::Secret,
    settings::settings,
    shapes,
    values::{self, Separator, bare_end, is_random, line_end, quote, skip},
};

/// How far a sign is taken to reach where nothing else says it.
const NEAR: usize = 512;

/// What may stand near a secret; everything else is passed over at the speed of these searches. They are apart because
/// few short literals at a time are searched with vector instructions, many are not.
static SIGNS: LazyLock<[Option<Regex>; 3]> = LazyLock::new(|| {
    [
        r"(?i-u:pass|secret|token|key|auth)",
        r"(?i-u:pwd|psk|cookie|credential)|redis-cli|mysql|curl|docker login",
        r"://|oracle:thin:|@tcp\(|@unix\(|-----BEGIN|[sS]ig=|ignature=|[bB]earer |BEARER |[bB]asic |BASIC |IDENTIFIED BY|identified by",
    ]
    .map(|signs| Regex::new(signs).ok())
});

/// Whether anything in `text` may stand near a secret.
pub(super) fn has_sign(text: &str) -> bool {
    !settings().patterns.is_empty() || SIGNS.iter().flatten().any(|signs| signs.is_match(text))
}

/// The secrets of `text`, those that `patterns` cover among them, in no order, some perhaps twice.
pub(super) fn find(text: &str, patterns: &'static [Regex]) -> Vec<Secret> {
    let mut found = Vec::new();
    shapes::find(text, &mut found);
    looks::find(text, &mut found);
    let mut manifests = blocks::Manifests::default();
    for signs in SIGNS.iter().flatten() {
        let mut from = 0;
        while let Some(sign) = signs.find_at(text, from) {
            from = match sign.as_str().as_bytes() {
                b"redis-cli" | b"mysql" | b"curl" | b"docker login" => {
                    found.extend(commands::program(text, sign.range()));
                    sign.end()
                }
                [.., b'B' | b'b', b'Y' | b'y'] => {
                    found.extend(commands::identified(text, sign.end()));
                    sign.end()
                }
                b"oracle:thin:" => addresses::oracle(text, sign.end(), &mut found),
                b"://" => addresses::url(text, sign.end(), &mut found),
                [b'@', ..] => addresses::data_source(text, sign.start(), sign.end(), &mut found),
                [b'-', ..] => blocks::private_key(text, sign.start(), &mut found),
                [.., b' ' | b'='] => named(text, sign.start()..sign.end() - 1, &mut found, &mut manifests),
                _ => named(text, sign.range(), &mut found, &mut manifests),
            }
            .max(sign.end());
        }
    }
    configured(text, patterns, &mut found);
    found
}

/// What the configured patterns cover in each line: a named group, else the first, else the whole match.
fn configured(text: &str, patterns: &'static [Regex], found: &mut Vec<Secret>) {
    for pattern in patterns {
        let mut line_start = 0;
        for line in text.split_inclusive('\n') {
            for captures in pattern.captures_iter(line.trim_end_matches('\n')) {
                let named =
                    pattern.capture_names().flatten().find_map(|name| Some((name, captures.name(name)?)));
                let other = || Some(("pattern", captures.get(1).or_else(|| captures.get(0))?));
                found.extend(named.or_else(other).map(|(name, secret)| {
                    Secret::of(name, line_start + secret.start()..line_start + secret.end())
                }));
            }
            line_start += line.len();
        }
    }
}

/// Looks at the name around a sign and at what follows it; returns where to go on.
fn named(
    text: &str,
    sign: Range<usize>,
    found: &mut Vec<Secret>,
    manifests: &mut blocks::Manifests,
) -> usize {
    let bytes = text.as_bytes();
    let Some(mut name) = name_around(text, sign) else { return 0 };
    let Some(word) = text.get(name.clone()) else { return 0 };
    if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic") {
        found.extend(headers::after_scheme(text, name.end).map(|secret| Secret::at(name.clone(), secret)));
        return name.end;
    }
    if word == "sshpass" {
        found.extend(commands::program(text, name.clone()));
    }
    if word == "Secret" {
        manifests.find(text, name.clone(), found);
    }
    let mut key = keys::classify(word);
    if key == Key::Plain && word.eq_ignore_ascii_case("key") {
        (key, name.start) = two_words(text, &name);
    }
    if key == Key::Plain || domain_before(text, &name) {
        return name.end;
    }
    let flag = word.starts_with("--");
    let own_line = begins_line(bytes, name.start);
    let next_item = || if flag && own_line { next_item(text, &name) } else { None };
    match value_start(bytes, name.end, flag).or_else(next_item) {
        Some((at, separator)) => {
            let secret = match key {
                Key::Authorization => headers::authorization(text, at),
                Key::Cookie => headers::cookies(text, at),
                _ => values::secret(text, at, separator, key, own_line),
            };
            let block = secret.is_none() && own_line && separator == Separator::Colon;
            let block = if block { blocks::scalar(text, name.start, at) } else { None };
            let end =
                secret.as_ref().map_or_else(|| after_harmless(bytes, name.end, at), |secret| secret.end);
            found.extend(secret.or(block).map(|secret| Secret::at(name, secret)));
            end
        }
        None => {
            let paired = paired_value(text, name.end, key);
            let secret = paired
                .or_else(|| if key == Key::Secret { commands::after_word(text, &name) } else { None })
                .or_else(|| random_word_near(text, name.end, key));
            let end = name.end;
            found.extend(secret.map(|secret| Secret::at(name, secret)));
            end
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

/// `API key`, `private key`: a name of two words, and where it begins.
fn two_words(text: &str, name: &Range<usize>) -> (Key, usize) {
    let before = text.get(..name.start).unwrap_or_default();
    let Some(before) = before.strip_suffix(' ') else { return (Key::Plain, name.start) };
    let letters = before.bytes().rev().take(20).take_while(u8::is_ascii_alphabetic).count();
    let word = before.get(before.len() - letters..).unwrap_or_default();
    match keys::classify(&format!("{word}_key")) {
        Key::Plain => (Key::Plain, name.start),
        _ => (Key::Secret, before.len() - letters),
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
            Some((skip(bytes, blank + 1, b" \t\r\n"), Separator::Tight))
        }
        b'-' => None,
        _ if flag && blank > at && quoted.is_none() && !goes_on(bytes, blank) => {
            Some((blank, Separator::Tight))
        }
        _ => None,
    }
}

/// The line after that of the flag at `name`, as lists of arguments have its value.
fn next_item(text: &str, name: &Range<usize>) -> Option<(usize, Separator)> {
    let lead = text.get(..name.start)?.rsplit('\n').next()?;
    let lead = lead.trim_end_matches(['"', '\'']);
    let end = quote(text.as_bytes(), name.end).map_or(name.end, |(_, after)| after);
    let rest = text.get(end..)?;
    let line = rest.trim_start_matches('\r').strip_prefix('\n')?;
    let item = line.strip_prefix(lead).filter(|item| !item.starts_with([' ', '-', '#', '\n', '\r']))?;
    Some((text.len() - item.len(), Separator::Tight)).filter(|(at, _)| *at < text.len())
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
