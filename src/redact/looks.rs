//! Long words that look like secrets though nothing tells of them: random tokens, and text in Base64 with a secret in
//! it. Digests, ids and certificates look like that, too, and stay.

use std::ops::Range;

use super::{base64, keys, masking::Secret, scan, shapes};

/// A shorter word is not looked at.
const SHORTEST: usize = 24;
/// A longer one is no token but a piece of data.
const LONGEST: usize = 128;
/// How far a certificate reaches at most.
const CERTIFICATE: usize = 16 << 10;

/// How words begin that are public or no text at all: hashes with their names, SSH's public keys, certificates, what is
/// compressed, the ids of things at Stripe, OpenAI and Anthropic.
const PUBLIC: [&str; 34] = [
    "sha1-",
    "sha256-",
    "sha384-",
    "sha512-",
    "AAAA",
    "MII",
    "H4sI",
    "acct_",
    "asst_",
    "call_",
    "ch_",
    "chatcmpl-",
    "cs_",
    "cus_",
    "evt_",
    "file-",
    "in_",
    "msg_",
    "node-csr-",
    "org-",
    "pi_",
    "pk_live_",
    "pk_test_",
    "pm_",
    "price_",
    "prod_",
    "req_",
    "resp_",
    "run_",
    "seti_",
    "sub_",
    "thread_",
    "toolu_",
    "txn_",
];

/// What may be in the name of something random that is no secret.
const HARMLESS: [&str; 44] = [
    "blob",
    "build",
    "bundle",
    "ca",
    "cert",
    "certificate",
    "checksum",
    "chunk",
    "commit",
    "continue",
    "correlation",
    "crt",
    "cursor",
    "digest",
    "etag",
    "fingerprint",
    "generation",
    "guid",
    "hash",
    "hostname",
    "id",
    "ids",
    "image",
    "integrity",
    "layer",
    "match",
    "md5",
    "name",
    "parent",
    "pub",
    "public",
    "ray",
    "ref",
    "request",
    "rev",
    "revision",
    "sha",
    "sha1",
    "sha256",
    "span",
    "trace",
    "traceparent",
    "uid",
    "version",
];

/// Every long word of `text` that looks like a secret.
pub(super) fn find(text: &str, found: &mut Vec<Secret>) {
    let mut done = 0;
    long_words(text, |start, word| {
        if capitals(word) < 2 || start < done {
            return;
        }
        let whole = whole(text, start..start + word.len());
        done = whole.end;
        found.extend(shapes::built(text, &whole).or_else(|| token(text, whole)));
    });
}

/// `word` with what Base64 has besides. Paths have that, too: a part that is like a word is none of it.
fn whole(text: &str, word: Range<usize>) -> Range<usize> {
    let bytes = text.as_bytes();
    let (mut start, mut end) = (word.start, word.end);
    while let Some(before) = bytes.get(..start).and_then(|before| before.strip_suffix(b"/"))
        && end - start < LONGEST
    {
        let length = before.iter().rev().take(LONGEST).take_while(|byte| letter(byte)).count();
        if !before.get(before.len() - length..).is_some_and(is_odd) {
            break;
        }
        start -= length + 1;
    }
    while bytes.get(end) == Some(&b'/') && end - start < LONGEST {
        let rest = bytes.get(end + 1..).unwrap_or_default();
        let length = rest.iter().take(LONGEST).take_while(|byte| letter(byte)).count();
        if !rest.get(..length).is_some_and(is_odd) {
            break;
        }
        end += length + 1;
    }
    if matches!(bytes.get(start), Some(b'n' | b'r' | b't')) && shapes::escaped(text, start + 1) {
        start += 1;
    }
    let padding = bytes.get(end..).unwrap_or_default();
    start..end + padding.iter().take(2).take_while(|byte| **byte == b'=').count()
}

fn is_odd(part: &[u8]) -> bool {
    part.iter().any(u8::is_ascii_uppercase) && part.iter().any(u8::is_ascii_lowercase)
}

/// Most words of logs have none, so they are passed over at once.
fn capitals(word: &str) -> usize {
    word.bytes().filter(u8::is_ascii_uppercase).count()
}

/// The secret in a word, if it is one.
fn token(text: &str, range: Range<usize>) -> Option<Secret> {
    let word = text.get(range.clone())?;
    if let Some(inner) = base64::text(word) {
        return (!scan::find(&inner, &[]).is_empty()).then(|| Secret::of("base64", range));
    }
    let public = PUBLIC.iter().any(|public| word.starts_with(public));
    let random = (SHORTEST..=LONGEST).contains(&word.len()) && is_token(word) && !public;
    (random && !is_harmless(text, range.start)).then(|| Secret::of("token", range))
}

/// Whether letters of all kinds follow each other as chance has it.
fn is_token(word: &str) -> bool {
    let mixed =
        |run: &str| run.len() > 11 && is_odd(run.as_bytes()) && run.bytes().any(|byte| byte.is_ascii_digit());
    if !word.split(|c: char| !c.is_ascii_alphanumeric()).any(mixed) {
        return false;
    }
    let class = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let bytes = word.trim_end_matches('=').as_bytes();
    let mut counts = [0_usize; 4];
    let mut seen = 0_u128;
    for byte in bytes {
        counts.iter_mut().skip(class(byte)).take(1).for_each(|count| *count += 1);
        seen |= 1 << (byte & 127);
    }
    let changes = bytes.iter().zip(bytes.iter().skip(1)).filter(|(a, b)| class(a) != class(b)).count();
    let [lower, upper, digits, others] = counts;
    lower > 2
        && upper > 2
        && digits > 1
        && others * 6 <= bytes.len()
        && changes * 20 >= bytes.len() * 9
        && seen.count_ones() >= 14
}

/// Whether what stands before a word says that it is no secret.
fn is_harmless(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default();
    let named = before.trim_end_matches(['"', '\'', '\\', '`']);
    let named = named.strip_suffix("W/").unwrap_or(named).trim_end_matches(['"', '\\', ' ']);
    if let Some(name) =
        named.strip_suffix([':', '=']).map(|name| name.trim_end_matches(['"', '\'', '\\', ' ']))
    {
        let length = name.bytes().rev().take(keys::LONGEST).take_while(|byte| is_name(*byte)).count();
        let name = name.get(name.len() - length..).unwrap_or_default();
        if keys::words(name).iter().any(|word| HARMLESS.contains(&word.as_str())) {
            return true;
        }
    }
    in_public_block(before)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

/// Whether `before` ends within a certificate or a public key.
fn in_public_block(before: &str) -> bool {
    let mut from = before.len().saturating_sub(CERTIFICATE);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    let near = before.get(from..).unwrap_or_default();
    let open = near
        .rfind("-----BEGIN ")
        .filter(|begin| !near.get(*begin..).is_some_and(|block| block.contains("-----END ")));
    open.and_then(|begin| near.get(begin..begin + 64)).is_some_and(|label| !label.contains("PRIVATE"))
}

/// The letters of long words.
const LETTERS: [bool; 256] = {
    let mut letters = [false; 256];
    let all = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-+~";
    let mut at = 0;
    while at < all.len() {
        letters[all[at] as usize] = true;
        at += 1;
    }
    letters
};

fn letter(byte: &u8) -> bool {
    LETTERS.get(usize::from(*byte)).copied().unwrap_or(false)
}

/// Shows `look` every run of letters that is long enough. Looks at every 24th byte first: where that is none of the
/// letters, no long word can lie across it.
fn long_words(text: &str, mut look: impl FnMut(usize, &str)) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(window) = bytes.get(from..from + SHORTEST) {
        if let Some(gap) = window.iter().rposition(|byte| !letter(byte)) {
            from += gap + 1;
            continue;
        }
        let last = from + SHORTEST;
        let more = bytes.get(last..).and_then(|rest| rest.iter().position(|byte| !letter(byte)));
        let end = more.map_or(bytes.len(), |more| last + more);
        if let Some(word) = text.get(from..end) {
            look(from, word);
        }
        from = end;
    }
}
