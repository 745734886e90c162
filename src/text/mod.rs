//! Words for a place that is narrower than they are, and the lines of a long text that are worth its room. Knows nothing
//! of markup. Pure.

pub mod forms;
pub mod pipe;
pub mod sieve;
pub mod tokens;
pub mod words;

/// `text` with every run of white space as one space, and none around it.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `most` characters of `text`, the last of them `…` where some were left out.
pub fn shorten(text: &str, most: usize) -> String {
    if text.char_indices().nth(most).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_only_where_it_is_too_long() {
        for (text, most, expected) in
            [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("äöüß", 3, "äö…"), ("äöü", 3, "äöü"), ("", 0, "")]
        {
            assert_eq!(shorten(text, most), expected);
        }
        assert_eq!(one_line(" a\n\tb  c\n"), "a b c");
    }
}
