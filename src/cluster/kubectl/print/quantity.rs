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

/// The amount in its canonical form: the largest unit in which it is whole.
pub fn write(amount: f64, binary: bool) -> String {
    let whole = |amount: f64| (amount - amount.round()).abs() < 1e-6;
    if amount == 0.0 {
        return "0".into();
    }
    if !whole(amount) {
        return format!("{:.0}m", (amount * 1e3).ceil());
    }
    let (factor, units) = if binary {
        (1024.0, ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
    } else {
        (1000.0, ["k", "M", "G", "T", "P", "E"])
    };
    let mut best = format!("{amount:.0}");
    let mut scaled = amount;
    for unit in units {
        scaled /= factor;
        if scaled.fract() != 0.0 {
            break;
        }
        best = format!("{scaled:.0}{unit}");
    }
    best
}

#[cfg(test)]
mod tests {
    use super::{parse, write};

    #[test]
    fn amounts_are_written_in_their_largest_unit() {
        for (amount, binary, expected) in [
            (0.25, false, "250m"),
            (2.0, false, "2"),
            (0.0, true, "0"),
            (178_257_920.0, true, "170Mi"),
            (1000.0, true, "1000"),
            (1000.0, false, "1k"),
            (2_147_483_648.0, true, "2Gi"),
        ] {
            assert_eq!(write(amount, binary), expected);
        }
    }

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
