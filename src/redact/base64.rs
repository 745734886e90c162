//! Reads Base64 of either alphabet.

/// A longer text is not read.
const LONGEST: usize = 256 << 10;

/// The text that `word` stands for, more than a syllable of letters that can be printed.
pub(super) fn text(word: &str) -> Option<String> {
    let bytes = bytes(word).filter(|bytes| bytes.len() > 4)?;
    let text = String::from_utf8(bytes).ok()?;
    let printed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(printed).then_some(text)
}

/// The bytes that `word` stands for.
pub(super) fn bytes(word: &str) -> Option<Vec<u8>> {
    let word = word.trim_end_matches('=');
    if word.len() > LONGEST || word.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(word.len() / 4 * 3 + 2);
    let mut bits = 0_u32;
    for (number, letter) in word.bytes().enumerate() {
        bits = (bits << 6 | sextet(letter)?) & 0xff_ffff;
        // Every letter but the first of four completes a byte.
        let spare = match number % 4 {
            0 => continue,
            1 => 4,
            2 => 2,
            _ => 0,
        };
        bytes.push(u8::try_from(bits >> spare & 0xff).ok()?);
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn only_text_is_read() {
        for (word, expected) in [
            ("aHVudGVyMg==", Some("hunter2")),
            ("aHVudGVyMg", Some("hunter2")),
            ("dXNlcjpwYXNz", Some("user:pass")),
            ("YWJj", None),
            ("aHVudGVyMg===x", None),
            ("/wD/AP8A/wD/AA==", None),
            ("hunter2-hunter2", None),
            ("not base64!", None),
        ] {
            assert_eq!(text(word).as_deref(), expected, "{word}");
        }
    }
}
