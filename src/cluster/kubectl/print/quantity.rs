//! Amounts such as `100m` and `64Mi`, as numbers to compare and to add up.

/// The amount in its plain unit, or `None` where `text` is no quantity.
pub fn parse(text: &str) -> Option<f64> {
    let digits = text.len()
        - text.trim_start_matches(['+', '-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).len();
    let (number, suffix) = text.split_at_checked(digits)?;
    if !number.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        _ => 10f64.powi(suffix.strip_prefix(['e', 'E'])?.parse::<i8>().ok()?.into()),
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn quantities_have_suffixes() {
        for (text, expected) in [
            ("1", Some(1.0)),
            ("100m", Some(0.1)),
            ("64Mi", Some(67_108_864.0)),
            ("1e3", Some(1000.0)),
            ("1.5Gi", Some(1_610_612_736.0)),
            ("-2k", Some(-2000.0)),
            ("1E", Some(1e18)),
            ("web", None),
            ("", None),
            ("5x", None),
            ("1e999", None),
            ("é", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
