//! Label and field selectors: their grammar, and what they let through. Pure.

use std::collections::BTreeMap;

/// What labels must be like. All of it must hold.
#[derive(Debug, Default, PartialEq)]
pub(super) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, PartialEq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f, g),h notin (i),j,!k`. The error is a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let clauses = split_top(text).into_iter().map(str::trim).filter(|clause| !clause.is_empty());
        clauses.map(requirement).collect::<Result<_, _>>().map(Self)
    }

    /// Whether labels are like that.
    pub(super) fn matches(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.0.iter().all(|wanted| wanted.test.passes(labels.and_then(|labels| labels.get(&wanted.key))))
    }

    /// Whether it lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Test {
    fn passes(&self, value: Option<&String>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Greater(than) => number().is_some_and(|number| number > *than),
            Test::Less(than) => number().is_some_and(|number| number < *than),
        }
    }
}

/// Splits at the commas that are not within parentheses.
fn split_top(text: &str) -> Vec<&str> {
    let mut depth = 0i32;
    text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth <= 0
    })
    .collect()
}

fn requirement(clause: &str) -> Result<Requirement, String> {
    let made = |key: &str, test: Test| match is_key(key.trim()) {
        true => Ok(Requirement { key: key.trim().into(), test }),
        false => Err(format!("unable to parse requirement: {:?} is not a valid label key", key.trim())),
    };
    if let Some(key) = clause.strip_prefix('!') {
        return made(key, Test::Absent);
    }
    if let Some((key, values)) = set_clause(clause, "notin")? {
        return made(key, Test::NotIn(values));
    }
    if let Some((key, values)) = set_clause(clause, "in")? {
        return made(key, Test::In(values));
    }
    if let Some((key, value)) = clause.split_once("!=") {
        return made(key, Test::NotIn(vec![plain_value(value)?]));
    }
    if let Some((key, value)) = clause.split_once("==").or_else(|| clause.split_once('=')) {
        return made(key, Test::In(vec![plain_value(value)?]));
    }
    if let Some((key, value)) = clause.split_once('>') {
        return made(key, Test::Greater(whole_number(value)?));
    }
    if let Some((key, value)) = clause.split_once('<') {
        return made(key, Test::Less(whole_number(value)?));
    }
    made(clause, Test::Exists)
}

/// `key in (a, b)`: `None` where the clause has another form.
fn set_clause<'a>(clause: &'a str, word: &str) -> Result<Option<(&'a str, Vec<String>)>, String> {
    let Some((key, rest)) = clause.split_once(char::is_whitespace) else { return Ok(None) };
    let Some(values) = rest.trim_start().strip_prefix(word) else { return Ok(None) };
    let values = values.trim();
    let inner = values.strip_prefix('(').and_then(|values| values.strip_suffix(')'));
    let inner =
        inner.ok_or_else(|| format!("unable to parse requirement: found {values:?}, expected: '('"))?;
    inner.split(',').map(plain_value).collect::<Result<_, _>>().map(|values| Some((key, values)))
}

fn plain_value(value: &str) -> Result<String, String> {
    let value = value.trim();
    match value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        true => Ok(value.to_owned()),
        false => Err(format!("unable to parse requirement: {value:?} is not a valid label value")),
    }
}

fn whole_number(value: &str) -> Result<i64, String> {
    let value = value.trim();
    value.parse().map_err(|_| format!("unable to parse requirement: {value:?} is not a whole number"))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
}

/// What fields must be like: a label, its value, and whether it must be that or must not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldTest {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) wanted: bool,
}

/// Reads `a=b,c==d,e!=f`, where a backslash takes away a separator's meaning. The error is a sentence.
pub(super) fn parse_fields(text: &str) -> Result<Vec<FieldTest>, String> {
    let mut escaped = false;
    let clauses = text.split(|c: char| {
        let separates = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        separates
    });
    clauses.filter(|clause| !clause.is_empty()).map(field_test).collect()
}

fn field_test(clause: &str) -> Result<FieldTest, String> {
    let split = |by| clause.split_once(by);
    let (label, value, wanted) = split("!=")
        .map(|(label, value)| (label, value, false))
        .or_else(|| split("==").or_else(|| split("=")).map(|(label, value)| (label, value, true)))
        .ok_or_else(|| format!("invalid selector: '{clause}'; can't understand '{clause}'"))?;
    Ok(FieldTest { label: label.to_owned(), value: unescape(value), wanted })
}

fn unescape(value: &str) -> String {
    let mut escaped = false;
    value
        .chars()
        .filter(|c| {
            escaped = *c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LabelSelector::parse(selector).unwrap().matches(Some(&labels))
    }

    #[test]
    fn label_selectors_let_through_what_they_say() {
        let web = [("app", "web"), ("tier", "front"), ("app.kubernetes.io/part-of", "shop"), ("n", "5")];
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            (" app = web ", true),
            ("app=api", false),
            ("app!=api", true),
            ("app!=web", false),
            ("missing!=x", true),
            ("missing=x", false),
            ("app", true),
            ("missing", false),
            ("!app", false),
            ("!missing", true),
            ("app in (api, web)", true),
            ("app in (api)", false),
            ("app notin (api,job)", true),
            ("app notin (web)", false),
            ("missing notin (web)", true),
            ("app in (web),tier=front", true),
            ("app in (web,api),tier=back", false),
            ("app=web,!missing,tier", true),
            ("app.kubernetes.io/part-of=shop", true),
            ("n>4", true),
            ("n>5", false),
            ("n<6,app", true),
            ("app<6", false),
            ("app=", false),
        ] {
            assert_eq!(matches(selector, &web), expected, "{selector}");
        }
        assert!(!LabelSelector::parse("app").unwrap().matches(None));
        assert!(LabelSelector::parse("app!=web").unwrap().matches(None));
    }

    #[test]
    fn what_is_no_label_selector_is_refused() {
        for selector in ["=web", "app in web", "app in (a", "a b", "app=a b", "n>x", "!", "app=(a)"] {
            assert!(LabelSelector::parse(selector).is_err(), "{selector}");
        }
    }

    #[test]
    fn field_selectors_are_read() {
        let test =
            |label: &str, value: &str, wanted| FieldTest { label: label.into(), value: value.into(), wanted };
        for (text, expected) in [
            ("", vec![]),
            ("a=b", vec![test("a", "b", true)]),
            ("a==b,c!=d", vec![test("a", "b", true), test("c", "d", false)]),
            ("spec.nodeName=", vec![test("spec.nodeName", "", true)]),
            (r"a=x\,y", vec![test("a", "x,y", true)]),
            (r"a=x\\y", vec![test("a", r"x\y", true)]),
        ] {
            assert_eq!(parse_fields(text), Ok(expected), "{text}");
        }
        assert_eq!(parse_fields("a"), Err("invalid selector: 'a'; can't understand 'a'".into()));
    }
}
