//! JSON as Go writes it: sorted members, HTML characters escaped; and single values as Go's `%v` writes them.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// `value` over many lines, indented by four spaces, with a final line break.
pub fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, Some(0));
    out.push('\n');
    out
}

/// `value` on one line.
pub fn compact(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, None);
    out
}

fn write(out: &mut String, value: &Value, depth: Option<usize>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&json_number(number)),
        Value::String(text) => quote(out, text),
        Value::Array(items) => write_array(out, items, depth),
        Value::Object(members) => write_object(out, members, depth),
    }
}

fn write_array(out: &mut String, items: &[Value], depth: Option<usize>) {
    if items.is_empty() {
        return out.push_str("[]");
    }
    out.push('[');
    let inner = depth.map(|depth| depth + 1);
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        line_break(out, inner);
        write(out, item, inner);
    }
    line_break(out, depth);
    out.push(']');
}

fn write_object(out: &mut String, members: &Map<String, Value>, depth: Option<usize>) {
    if members.is_empty() {
        return out.push_str("{}");
    }
    out.push('{');
    let inner = depth.map(|depth| depth + 1);
    for (position, (name, value)) in sorted(members).into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        line_break(out, inner);
        quote(out, name);
        out.push_str(if depth.is_some() { ": " } else { ":" });
        write(out, value, inner);
    }
    line_break(out, depth);
    out.push('}');
}

fn line_break(out: &mut String, depth: Option<usize>) {
    if let Some(depth) = depth {
        out.push('\n');
        out.extend(std::iter::repeat_n("    ", depth));
    }
}

/// The members by name, whatever order the map keeps.
pub fn sorted(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    members
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

fn json_number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let size = float.abs();
    if float == 0.0 || (1e-6..1e21).contains(&size) { float.to_string() } else { exponent(float, 1) }
}

/// Scientific notation with a signed exponent of at least `digits` digits.
fn exponent(float: f64, digits: usize) -> String {
    let text = format!("{float:e}");
    let Some((mantissa, power)) = text.split_once('e') else { return text };
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{mantissa}e{sign}{power:0>digits$}")
}

/// A number as Go's `%v` writes it.
pub fn plain_number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let size = float.abs();
    if float == 0.0 || (1e-4..1e6).contains(&size) { float.to_string() } else { exponent(float, 2) }
}

/// A value as Go's `fmt.Sprint` writes it: `map[a:1 b:[x y]]`.
pub fn sprint(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => plain_number(number),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(sprint).collect::<Vec<_>>().join(" ")),
        Value::Object(members) => {
            let members =
                sorted(members).into_iter().map(|(name, value)| format!("{name}:{}", sprint(value)));
            format!("map[{}]", members.collect::<Vec<_>>().join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{compact, pretty, sprint};

    #[test]
    fn members_are_sorted_and_html_is_escaped() {
        let value = json!({"b": [1, {"c": []}], "a": "<x> & \"y\"\n", "e": {}});
        assert_eq!(
            pretty(&value),
            "{\n    \"a\": \"\\u003cx\\u003e \\u0026 \\\"y\\\"\\n\",\n    \"b\": [\n        1,\n        {\n            \"c\": []\n        }\n    ],\n    \"e\": {}\n}\n"
        );
        assert_eq!(compact(&json!({"b": 1, "a": [true, null]})), r#"{"a":[true,null],"b":1}"#);
    }

    #[test]
    fn numbers_are_as_go_writes_them() {
        for (value, expected) in [
            (json!(1.0), "1"),
            (json!(0.25), "0.25"),
            (json!(1e21), "1e+21"),
            (json!(1e-7), "1e-7"),
            (json!(-5), "-5"),
            (json!(u64::MAX), "18446744073709551615"),
        ] {
            assert_eq!(compact(&value), expected);
        }
    }

    #[test]
    fn plain_numbers_turn_scientific_early() {
        for (value, expected) in [
            (json!(1_234_567.5), "1.2345675e+06"),
            (json!(0.00001), "1e-05"),
            (json!(12.5), "12.5"),
            (json!(1.0), "1"),
        ] {
            assert_eq!(sprint(&value), expected);
        }
    }

    #[test]
    fn values_print_as_go_prints_them() {
        assert_eq!(sprint(&json!({"b": ["x", 1], "a": null})), "map[a:<nil> b:[x 1]]");
    }
}
