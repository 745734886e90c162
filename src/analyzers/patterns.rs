//! Regular expressions written in the source. Knows no log and no cluster.

use regex::Regex;

/// Compiles a pattern of the source. All are compiled by a test of their file, so a wrong one never ships.
#[allow(clippy::panic)]
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|error| panic!("the pattern {text} does not compile: {error}"))
}

/// The first group of the first match.
pub(super) fn first_group<'t>(pattern: &Regex, text: &'t str) -> Option<&'t str> {
    let groups = pattern.captures(text)?;
    groups.iter().skip(1).flatten().next().map(|group| group.as_str())
}
