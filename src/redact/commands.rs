//! Secrets that command lines, statements and files of settings name by their place: `redis-cli -a …`, `curl -u …`,
//! `IDENTIFIED BY '…'`, `requirepass …`. In one line, in a list of JSON or in one of YAML.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    keys::Key,
    masking::Secret,
    values::{self, is_mixed},
};

/// How far the arguments of a program are looked through.
const NEAR: usize = 400;

/// Programs and what stands before their password. What is between words: white space, quotes, commas, YAML's dashes.
static PROGRAMS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let between = r#"(?:[\s"',\[\]\\]+(?:- )?[\s"']*)"#;
    let word = r#"([^\s"',\]\\]+)"#;
    let programs = [
        ("redis-cli", format!("{between}(?:-a|--pass){between}{word}")),
        ("mysql", r#"[\s"',]-p([^\s"',\]\\]{3,})"#.to_owned()),
        ("sshpass", format!("{between}-p{between}?{word}")),
        ("curl", r#"[\s"',](?:-u|--user)[\s"',=]*(?:- )?["']?[^\s"':]*:([^\s"',\\]+)"#.to_owned()),
        ("docker login", format!("{between}(?:-p|--password){between}{word}")),
    ];
    programs
        .into_iter()
        .filter_map(|(program, password)| Some((program, Regex::new(&password).ok()?)))
        .collect()
});

/// The password among the arguments of the program whose name is at `program`.
pub(super) fn program(text: &str, program: Range<usize>) -> Option<Secret> {
    let name = text.get(program.clone())?;
    let (_, password) = PROGRAMS.iter().find(|(known, _)| *known == name)?;
    let mut end = (program.end + NEAR).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let near = text.get(program.end..end)?;
    // Another command begins.
    let near = near.split(['|', ';', '&', '>']).next().unwrap_or(near);
    let found = password.captures(near)?.get(1)?;
    let harmless = values::is_harmless(found.as_str(), Key::Secret, false);
    (!harmless).then(|| Secret::of("password", program.end + found.start()..program.end + found.end()))
}

/// What follows a word without a sign of assignment: in SQL a string, in Redis' settings a word, in a netrc a word, in a
/// sentence a word that looks like none.
pub(super) fn after_word(text: &str, name: &Range<usize>) -> Option<Range<usize>> {
    static FOLLOWS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"\A(?:(?P<sql>'[^'\n]+')|(?P<said>(?:is|was|=) ["'`]?[^\s"'`]+)|(?P<word>[^\s"'`]+))"#)
            .ok()
    });
    let word = text.get(name.clone())?.to_ascii_lowercase();
    let from = values::skip(text.as_bytes(), name.end, b" \t");
    let rest = text.get(from..).filter(|_| from > name.end)?;
    let found = FOLLOWS.as_ref()?.captures(rest)?;
    let inside = |part: regex::Match<'_>, cut: usize| {
        let value = part.as_str().get(cut..).unwrap_or_default();
        let value =
            value.trim_start_matches(['"', '\'', '`']).trim_end_matches(['\'', '.', ',', ';', '!', '?']);
        let start = from + part.start() + (value.as_ptr() as usize - part.as_str().as_ptr() as usize);
        (value.len(), start..start + value.len())
    };
    let value = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
    let line = text.get(..name.start)?.rsplit('\n').next().unwrap_or_default();
    let range = if let Some(sql) = found.name("sql").filter(|_| word.ends_with("password")) {
        inside(sql, 0).1
    } else if let Some(said) = found.name("said") {
        let range = inside(said, said.as_str().find(' ').map_or(0, |at| at + 1)).1;
        let telling = !word.ends_with("secret") && looks_said(value(&range));
        telling.then_some(range)?
    } else {
        let netrc = word == "password" && line.contains("login ") && line.contains("machine ");
        let redis = matches!(word.as_str(), "requirepass" | "masterauth") && line.trim().is_empty();
        (netrc || redis).then(|| found.name("word")).flatten().map(|word| inside(word, 0).1)?
    };
    (!values::is_harmless(value(&range), Key::Secret, false)).then_some(range)
}

/// Whether a word of a sentence is no word: `hunter2` is none, `default-token-x7k2p` and `24` are.
fn looks_said(word: &str) -> bool {
    let label = word.contains('-') && !word.bytes().any(|byte| byte.is_ascii_uppercase());
    word.len() > 5 && !label && is_mixed(word) && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// The string after `IDENTIFIED BY`, whose end is at `from`.
pub(super) fn identified(text: &str, from: usize) -> Option<Secret> {
    let start = values::skip(text.as_bytes(), from, b" ");
    let value = text.get(start..)?.strip_prefix('\'')?.split(['\'', '\n']).next()?;
    (!value.is_empty() && !values::is_harmless(value, Key::Secret, true))
        .then(|| Secret::of("password", start + 1..start + 1 + value.len()))
}
