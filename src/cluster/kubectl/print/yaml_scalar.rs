//! How one text is written in YAML: plain where it would read back as the same text, quoted otherwise.

/// The four ways to write a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// A text and how to write it.
#[derive(Debug, Clone, Copy)]
pub struct Scalar<'a> {
    pub text: &'a str,
    pub style: Style,
}

impl<'a> Scalar<'a> {
    /// A text that is a value.
    pub fn of_text(text: &'a str) -> Self {
        let marks = Marks::of(text);
        let style = if text.contains('\n') {
            if marks.literal { Style::Literal } else { Style::Double }
        } else if !is_text(text) {
            Style::Double
        } else if marks.plain {
            Style::Plain
        } else if marks.single {
            Style::Single
        } else {
            Style::Double
        };
        Self { text, style }
    }

    /// A text that is a key: on one line.
    pub fn of_key(text: &'a str) -> Self {
        match Self::of_text(text) {
            Self { style: Style::Literal, .. } => Self { text, style: Style::Double },
            scalar => scalar,
        }
    }

    /// How a character is written between double quotes, where not as itself.
    pub fn escape(char: char) -> Option<String> {
        let short = match char {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ if printable(char) => return None,
            _ => {
                let code = u32::from(char);
                return Some(match code {
                    0..=0xff => format!("\\x{code:02X}"),
                    0x100..=0xffff => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                });
            }
        };
        Some(format!("\\{short}"))
    }
}

/// What may not stand in a plain or quoted scalar; nothing beyond the basic plane may.
fn printable(char: char) -> bool {
    matches!(char, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Which styles a text allows.
#[derive(Debug, Clone, Copy)]
struct Marks {
    plain: bool,
    single: bool,
    literal: bool,
}

impl Marks {
    fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let outer = |char: Option<&char>| char.is_some_and(|char| matches!(char, ' ' | '\n'));
        let pair = |a: char, b: char| chars.windows(2).any(|pair| pair == [a, b]);
        let special = pair(' ', '\n')
            || chars.iter().any(|&char| !printable(char) || matches!(char, '\u{2028}' | '\u{2029}'));
        let breaks = chars.contains(&'\n');
        let spaced = pair('\n', ' ');
        Self {
            plain: !(special
                || breaks
                || spaced
                || outer(chars.first())
                || outer(chars.last())
                || has_indicator(&chars)),
            single: !(special || spaced),
            literal: !special && chars.last() != Some(&' '),
        }
    }
}

/// Whether a character means something to YAML where it stands.
fn has_indicator(chars: &[char]) -> bool {
    if chars.starts_with(&['-', '-', '-']) || chars.starts_with(&['.', '.', '.']) {
        return true;
    }
    chars.iter().enumerate().any(|(at, char)| {
        let blank = |char: Option<&char>| char.is_none_or(|char| matches!(char, ' ' | '\t' | '\n'));
        let before_blank = || blank(chars.get(at + 1));
        match char {
            '[' | ']' | '{' | '}' | ',' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                at == 0
            }
            '#' => at == 0 || blank(chars.get(at - 1)),
            ':' => before_blank(),
            '?' | '-' => at == 0 && before_blank(),
            _ => false,
        }
    })
}

/// Whether the text, written plainly, would read back as a text and not as a number, a truth value or a time.
fn is_text(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    match first {
        'y' | 'Y' | 'n' | 'N' | 't' | 'T' | 'f' | 'F' | 'o' | 'O' | '~' => !is_word(text),
        '.' => !is_special_float(text) && !is_float(text, true),
        '+' | '-' | '0'..='9' => {
            let digits = text.replace('_', "");
            !(is_special_float(text)
                || is_integer(&digits)
                || is_float(&digits, false)
                || is_base_60(text)
                || is_time(text))
        }
        _ => true,
    }
}

fn is_word(text: &str) -> bool {
    let cased = ["y", "yes", "true", "on", "n", "no", "false", "off", "null", "~"];
    cased.iter().any(|word| {
        let capital: String = word
            .chars()
            .enumerate()
            .map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c })
            .collect();
        text == *word || text == capital || text == word.to_uppercase()
    })
}

fn is_special_float(text: &str) -> bool {
    let number = text.strip_prefix(['+', '-']);
    matches!(number.unwrap_or(text), ".inf" | ".Inf" | ".INF")
        || (number.is_none() && matches!(text, ".nan" | ".NaN" | ".NAN"))
}

fn is_integer(text: &str) -> bool {
    let (negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // A sign is no part of the larger, unsigned range.
    let most = if negative {
        1 << 63
    } else if number.len() < text.len() {
        i64::MAX.unsigned_abs()
    } else {
        u64::MAX
    };
    let lower = number.to_ascii_lowercase();
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (lower.get(2..), 16),
        Some("0o") => (lower.get(2..), 8),
        Some("0b") => (lower.get(2..), 2),
        Some(_) if lower.starts_with('0') => (lower.get(1..), 8),
        _ => (Some(lower.as_str()), 10),
    };
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    digits.and_then(|digits| u64::from_str_radix(digits, radix).ok()).is_some_and(|number| number <= most)
}

/// `lenient`: whatever reads as a floating-point number, with an exponent or without.
fn is_float(text: &str, lenient: bool) -> bool {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (number, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let some = !whole.is_empty() || !fraction.is_empty();
    let exponent = exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    some && digits(whole)
        && digits(fraction)
        && exponent
        && (!lenient || text.parse::<f64>().is_ok_and(f64::is_finite))
}

/// `12:30`, `190:20:30.15`.
fn is_base_60(text: &str) -> bool {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = number.split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    rest.push(last);
    let sixty = |part: &&str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    first.starts_with(|char: char| char.is_ascii_digit())
        && digits(first)
        && digits(fraction)
        && rest.iter().all(sixty)
}

/// `2026-11-23`, `2026-11-23T03:30:50Z`.
fn is_time(text: &str) -> bool {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some((time, text.contains(' ')))),
        None => (text, None),
    };
    is_date(date)
        && time.is_none_or(|(time, zoneless)| if zoneless { is_clock(time) } else { is_zoned_clock(time) })
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let number = |text: &str, longest: usize| {
        let right =
            !text.is_empty() && text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_digit());
        if right { text.parse::<i16>().ok() } else { None }
    };
    let (Some(year), Some(month), Some(day)) =
        (number(year, 4).filter(|_| year.len() == 4), number(month, 2), number(day, 2))
    else {
        return false;
    };
    let (Ok(month), Ok(day)) = (i8::try_from(month), i8::try_from(day)) else { return false };
    jiff::civil::Date::new(year, month, day).is_ok()
}

fn is_zoned_clock(text: &str) -> bool {
    if let Some(clock) = text.strip_suffix('Z') {
        return is_clock(clock);
    }
    let Some(at) = text.rfind(['+', '-']) else { return false };
    let (clock, zone) = text.split_at(at);
    let zone: Vec<&str> = zone.get(1..).unwrap_or_default().split(':').collect();
    let two = |text: &&str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_clock(clock) && zone.len() == 2 && zone.iter().all(two)
}

fn is_clock(text: &str) -> bool {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let below = |text: &str, limit: u8| {
        (1..=2).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u8>().is_ok_and(|number| number < limit)
    };
    let fraction =
        fraction.is_none_or(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    match parts.as_slice() {
        [hour, minute, second] => below(hour, 24) && below(minute, 60) && below(second, 60) && fraction,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, Style};

    #[test]
    fn texts_that_would_read_as_something_else_are_double_quoted() {
        for text in [
            "",
            "y",
            "No",
            "TRUE",
            "on",
            "null",
            "~",
            "1",
            "-5",
            "0x1F",
            "0777",
            "0o17",
            "1_000",
            "1.5",
            ".5",
            "5.",
            "1e3",
            "+.inf",
            ".NaN",
            "12:30",
            "2026-11-23",
            "2026-11-23T03:30:50Z",
            "2026-1-2 3:04:05",
            "1e400",
            "18446744073709551615",
            "2026-11-23T03:30:50+01:00",
        ] {
            assert_eq!(Scalar::of_text(text).style, Style::Double, "{text}");
        }
    }

    #[test]
    fn other_texts_are_plain() {
        for text in [
            "yes please",
            "nope",
            "1a",
            "0x",
            "1.2.3",
            "10.0.0.1",
            "64Mi",
            "a:b",
            "http://x:80/",
            "a#b",
            "v1",
            "1-2-3",
            "-a",
            "<none>",
            "=",
            "a, b",
            "é",
            "2026-13-01",
            "k8s.io/x",
            "+nan",
            "12:99",
            "a?b",
            "nil",
            "100m",
            "<<",
        ] {
            assert_eq!(Scalar::of_text(text).style, Style::Plain, "{text}");
        }
    }

    #[test]
    fn texts_with_indicators_are_single_quoted() {
        for text in [
            "a: b", "a #b", " lead", "trail ", "*", "- a", "[x]", "'q'", "a:", "#", "@x", "---", "?", "-",
            "{}",
        ] {
            assert_eq!(Scalar::of_text(text).style, Style::Single, "{text}");
        }
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        for (text, style) in [
            ("a\tb", Style::Double),
            ("😀", Style::Double),
            ("\u{1b}[0m", Style::Double),
            ("a\r\n", Style::Double),
        ] {
            assert_eq!(Scalar::of_text(text).style, style, "{text:?}");
        }
        assert_eq!(Scalar::escape('😀').as_deref(), Some("\\U0001F600"));
        assert_eq!(Scalar::escape('\u{1}').as_deref(), Some("\\x01"));
        assert_eq!(Scalar::escape('a'), None);
    }
}
