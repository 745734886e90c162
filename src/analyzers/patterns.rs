//! Regular expressions written in the source. Knows no log and no cluster.

use regex::Regex;

/// Compiles a pattern that is written in the source; a wrong one is a mistake of the programmer.
#[allow(clippy::panic)]
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|error| panic!("the pattern {text} does not compile: {error}"))
}

/// The first group of the first match.
pub(super) fn first_group<'t>(pattern: &Regex, text: &'t str) -> Option<&'t str> {
    let groups = pattern.captures(text)?;
    groups.iter().skip(1).flatten().next().map(|group| group.as_str())
}
