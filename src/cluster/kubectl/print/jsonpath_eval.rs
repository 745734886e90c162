//! What a JSONPath template yields of an object. A field that is missing yields nothing.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::{
    json,
    jsonpath::{Node, Piece, Slice, Template},
};

type Found<'a> = Vec<Cow<'a, Value>>;

/// How many values one step may yield: templates come from outside, and `..` multiplies.
const MOST: usize = 200_000;

impl Template {
    /// The text that the template makes of `object`; what failed otherwise, in kubectl's words.
    pub fn render(&self, object: &Value) -> Result<String, String> {
        let mut out = String::new();
        self.each(object, |found| {
            let texts: Vec<String> = found.iter().map(|value| text(value)).collect();
            out.push_str(&texts.join(" "));
        })?;
        Ok(out)
    }

    /// The values of each expression as an array over many lines (`-o jsonpath-as-json`).
    pub fn render_json(&self, object: &Value) -> Result<String, String> {
        let mut out = String::new();
        self.each(object, |found| {
            let values: Vec<Value> = found.into_iter().map(Cow::into_owned).collect();
            out.push_str(&json::pretty(&Value::Array(values)));
        })?;
        Ok(out)
    }

    /// The values of all expressions.
    pub fn values(&self, object: &Value) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        self.each(object, |found| all.extend(found.into_iter().map(Cow::into_owned)))?;
        Ok(all)
    }

    fn each<'a>(&self, object: &'a Value, mut emit: impl FnMut(Found<'a>)) -> Result<(), String> {
        let mut budget = MOST;
        let failed =
            |error| format!("error executing jsonpath {:?}: Error executing template: {error}", self.source);
        run(&self.pieces, &[Cow::Borrowed(object)], &mut budget, &mut emit).map_err(failed)
    }
}

fn run<'a>(
    pieces: &[Piece],
    current: &[Cow<'a, Value>],
    budget: &mut usize,
    emit: &mut dyn FnMut(Found<'a>),
) -> Result<(), String> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => emit(vec![Cow::Owned(Value::String(text.clone()))]),
            Piece::Path(nodes) => emit(walk(nodes, current.to_vec(), budget)?),
            Piece::Range(nodes, body) => {
                for value in walk(nodes, current.to_vec(), budget)? {
                    run(body, &[value], budget, emit)?;
                }
            }
            Piece::StrayEnd => return Err("not in range, nothing to end".into()),
        }
    }
    Ok(())
}

fn walk<'a>(nodes: &[Node], mut input: Found<'a>, budget: &mut usize) -> Result<Found<'a>, String> {
    for node in nodes {
        input = step(node, input, budget)?;
        *budget = budget.checked_sub(input.len()).ok_or("the template yields too many values")?;
    }
    Ok(input)
}

fn step<'a>(node: &Node, input: Found<'a>, budget: &mut usize) -> Result<Found<'a>, String> {
    let constant = |value: Value| Ok(input.iter().map(|_| Cow::Owned(value.clone())).collect());
    match node {
        Node::Text(text) => Ok(vec![Cow::Owned(Value::String(text.clone()))]),
        Node::Int(number) => constant(Value::from(*number)),
        Node::Float(number) => constant(Number::from_f64(*number).map_or(Value::Null, Value::Number)),
        Node::Bool(bool) => constant(Value::Bool(*bool)),
        Node::Field(name) => Ok(input.into_iter().filter_map(|value| member(value, name)).collect()),
        Node::Wildcard => Ok(input.into_iter().flat_map(children).collect()),
        Node::Recursive => {
            let mut found = Vec::new();
            input.into_iter().try_for_each(|value| descend(value, &mut found))?;
            Ok(found)
        }
        Node::Slice(slice) => take_slice(*slice, input),
        Node::Union(parts) => {
            let mut found = Vec::new();
            for part in parts {
                found.extend(walk(part, input.clone(), budget)?);
            }
            Ok(found)
        }
        Node::Filter { left, operator, right } => filter(input, left, operator, right, budget),
        Node::Word(word) => Err(format!("unrecognized identifier {word}")),
    }
}

fn member<'a>(value: Cow<'a, Value>, name: &str) -> Option<Cow<'a, Value>> {
    match value {
        Cow::Borrowed(value) => value.as_object()?.get(name).map(Cow::Borrowed),
        Cow::Owned(Value::Object(mut members)) => members.remove(name).map(Cow::Owned),
        Cow::Owned(_) => None,
    }
}

fn children(value: Cow<'_, Value>) -> Found<'_> {
    match value {
        Cow::Borrowed(Value::Object(members)) => {
            json::sorted(members).into_iter().map(|(_, value)| Cow::Borrowed(value)).collect()
        }
        Cow::Borrowed(Value::Array(items)) => items.iter().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Object(members)) => {
            members.into_iter().map(|(_, value)| Cow::Owned(value)).collect()
        }
        Cow::Owned(Value::Array(items)) => items.into_iter().map(Cow::Owned).collect(),
        _ => Vec::new(),
    }
}

/// The value and everything in it that has something in it.
fn descend<'a>(value: Cow<'a, Value>, found: &mut Found<'a>) -> Result<(), String> {
    let inner = children(value.clone());
    if inner.is_empty() {
        return Ok(());
    }
    if found.len() >= MOST {
        return Err("the template yields too many values".into());
    }
    found.push(value);
    inner.into_iter().try_for_each(|value| descend(value, found))
}

fn take_slice(slice: Slice, input: Found<'_>) -> Result<Found<'_>, String> {
    let mut found = Vec::new();
    for value in input {
        if value.is_null() {
            continue;
        }
        if !value.is_array() {
            return Err(format!("{} is not array or slice", go_type(&value)));
        }
        let items = children(value);
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
        let start = from_end(slice.start.unwrap_or(0));
        let mut end = from_end(slice.end.unwrap_or(length));
        if slice.index && slice.end == Some(0) {
            end = length;
        }
        if start == end {
            return Ok(found);
        }
        let outside = |index| Err(format!("array index out of bounds: index {index}, length {length}"));
        if start >= length || start < 0 {
            return outside(start);
        }
        if end > length || end < 0 {
            return outside(end - 1);
        }
        if start > end {
            return Err(format!("starting index {start} is greater than ending index {end}"));
        }
        let Some(step) = usize::try_from(slice.step.unwrap_or(1)).ok().filter(|step| *step > 0) else {
            return Err("step must be > 0".into());
        };
        let (start, count) = (usize::try_from(start).unwrap_or(0), usize::try_from(end - start).unwrap_or(0));
        found.extend(items.into_iter().skip(start).take(count).step_by(step));
    }
    Ok(found)
}

fn filter<'a>(
    input: Found<'a>,
    left: &[Node],
    operator: &str,
    right: &[Node],
    budget: &mut usize,
) -> Result<Found<'a>, String> {
    let mut found = Vec::new();
    for value in input {
        if !value.is_array() {
            return Err(format!("{} is not array or slice and cannot be filtered", json::sprint(&value)));
        }
        for item in children(value) {
            let lefts = walk(left, vec![item.clone()], budget);
            if operator == "exists" {
                if lefts.is_ok_and(|lefts| !lefts.is_empty()) {
                    found.push(item);
                }
                continue;
            }
            let rights = walk(right, vec![item.clone()], budget)?;
            let pass = match (lefts?.as_slice(), rights.as_slice()) {
                ([], _) | (_, []) => false,
                ([left], [right]) => compare(left, operator, right)?,
                _ => return Err("can only compare one element at a time".into()),
            };
            if pass {
                found.push(item);
            }
        }
    }
    Ok(found)
}

fn compare(left: &Value, operator: &str, right: &Value) -> Result<bool, String> {
    let ordering = match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_f64() == right.is_f64() => {
            left.as_f64().partial_cmp(&right.as_f64())
        }
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Null | Value::Array(_) | Value::Object(_), _)
        | (_, Value::Null | Value::Array(_) | Value::Object(_)) => {
            return Err("invalid type for comparison".into());
        }
        _ => return Err("incompatible types for comparison".into()),
    };
    let Some(ordering) = ordering else { return Ok(false) };
    if left.is_boolean() && !matches!(operator, "==" | "!=") {
        return Err("invalid type for comparison".into());
    }
    match operator {
        "==" => Ok(ordering.is_eq()),
        "!=" => Ok(ordering.is_ne()),
        "<" => Ok(ordering.is_lt()),
        "<=" => Ok(ordering.is_le()),
        ">" => Ok(ordering.is_gt()),
        ">=" => Ok(ordering.is_ge()),
        _ => Err(format!("unrecognized filter operator {operator}")),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => json::compact(value),
        Value::Null => "null".into(),
        value => json::sprint(value),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "map[string]interface {}",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::Null | Value::Array(_) => "nil",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Template;

    fn render(template: &str) -> Result<String, String> {
        let object = json!({
            "items": [
                {"name": "a", "n": 1, "labels": {"k8s.io/x": "1"}, "on": true, "ports": [80, 443]},
                {"name": "b", "n": 2, "labels": {}, "note": null, "ports": []},
                {"name": "c", "n": 3},
            ],
            "f": 1.5,
        });
        Template::parse(template).and_then(|template| template.render(&object))
    }

    #[test]
    fn templates_yield_what_kubectl_yields() {
        for (template, expected) in [
            ("{.items[*].name}", "a b c"),
            ("{.items[0].name}", "a"),
            ("{.items[-1].name}", "c"),
            ("{.items[-1:].name}", "c"),
            ("{.items[0:2].name}", "a b"),
            ("{.items[::2].name}", "a c"),
            ("{.items[0,2].name}", "a c"),
            ("{.items[*]['name','n']}", "a b c 1 2 3"),
            ("{.items[0].labels.k8s\\.io/x}", "1"),
            ("{.items[0].labels['k8s\\.io/x']}", "1"),
            ("{.items[?(@.name=='b')].n}", "2"),
            ("{.items[?(@.n>=2)].name}", "b c"),
            ("{.items[?(@.n!=2)].name}", "a c"),
            ("{.items[?(@.on)].name}", "a"),
            ("{.items[?(@.on==true)].name}", "a"),
            ("{.items[?(@.labels)].name}", "a b"),
            ("{range .items[*]}{.name}={.n}{\"\\n\"}{end}", "a=1\nb=2\nc=3\n"),
            ("{range .items[*]}{.name}:{range .ports[*]}{@},{end};{end}", "a:80,443,;b:;c:;"),
            ("{.missing}", ""),
            ("{.missing.deeper[0]}", ""),
            ("x{.f}y", "x1.5y"),
            ("{..name}", "a b c"),
            ("{.items[0].ports}", "[80,443]"),
            ("{.items[1].note}", "null"),
            ("{.items[0].labels}", r#"{"k8s.io/x":"1"}"#),
            ("{$.f}", "1.5"),
            ("{.items[*].*}", "{\"k8s.io/x\":\"1\"} 1 a true [80,443] {} 2 b null [] 3 c"),
        ] {
            assert_eq!(render(template), Ok(expected.into()), "{template}");
        }
    }

    #[test]
    fn failures_are_in_kubectls_words() {
        for (template, expected) in [
            ("{.items[7]}", "array index out of bounds: index 7, length 3"),
            ("{.f[0]}", "float64 is not array or slice"),
            ("{.items[?(@.n==\"1\")]}", "incompatible types for comparison"),
            ("{foo}", "unrecognized identifier foo"),
            ("{end}", "not in range, nothing to end"),
        ] {
            let error = render(template).unwrap_err();
            assert!(error.ends_with(expected), "{template}: {error}");
        }
    }
}
