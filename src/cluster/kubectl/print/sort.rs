//! `--sort-by`: objects in the order of one of their fields. Those that are equal keep their order.

use std::cmp::Ordering;

use serde_json::Value;

use super::{jsonpath::Template, quantity};

/// `items` in the order of the field that `field` names in what `object` takes from each; without it, first.
pub fn sort_by<T>(items: &mut Vec<T>, field: &Template, object: impl Fn(&T) -> &Value) -> Result<(), String> {
    let mut keyed: Vec<(Option<Value>, T)> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        let key = field.values(object(&item))?.into_iter().next();
        keyed.push((key, item));
    }
    let found = keyed.is_empty() || keyed.iter().any(|(key, _)| key.is_some());
    let texts = || keyed.iter().filter_map(|(key, _)| key.as_ref()?.as_str());
    // Either all texts are amounts or none is taken for one: a mixture has no order.
    let amounts = texts().all(|text| quantity::parse(text).is_some());
    keyed.sort_by(|(a, _), (b, _)| order(a.as_ref(), b.as_ref(), amounts));
    items.extend(keyed.into_iter().map(|(_, item)| item));
    if found {
        return Ok(());
    }
    Err(format!("couldn't find any field with path {:?} in the list of objects", field.source))
}

fn order(a: Option<&Value>, b: Option<&Value>, amounts: bool) -> Ordering {
    let number = |value: &serde_json::Number| value.as_f64().unwrap_or_default();
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => number(a).total_cmp(&number(b)),
        (Some(Value::String(a)), Some(Value::String(b))) => match (quantity::parse(a), quantity::parse(b)) {
            (Some(a), Some(b)) if amounts => a.total_cmp(&b),
            _ => a.cmp(b),
        },
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// The order of the unlike.
fn rank(value: Option<&Value>) -> u8 {
    match value {
        None => 0,
        Some(Value::Null) => 1,
        Some(Value::Bool(_)) => 2,
        Some(Value::Number(_)) => 3,
        Some(Value::String(_)) => 4,
        Some(Value::Array(_) | Value::Object(_)) => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::jsonpath::Template, sort_by};

    fn sorted(values: &Value) -> Vec<Value> {
        let mut items: Vec<Value> =
            values.as_array().unwrap().iter().map(|value| json!({"k": value})).collect();
        sort_by(&mut items, &Template::parse_relaxed(".k").unwrap(), |item| item).unwrap();
        items.into_iter().map(|mut item| item["k"].take()).collect()
    }

    #[test]
    fn numbers_texts_and_quantities_have_their_order() {
        assert_eq!(sorted(&json!([10, 9, 1.5])), [json!(1.5), json!(9), json!(10)]);
        assert_eq!(sorted(&json!(["b", "a10", "a9"])), [json!("a10"), json!("a9"), json!("b")]);
        assert_eq!(sorted(&json!(["1Gi", "512Mi", "2"])), [json!("2"), json!("512Mi"), json!("1Gi")]);
        assert_eq!(sorted(&json!([2, null, 1])), [json!(null), json!(1), json!(2)]);
    }

    #[test]
    fn what_has_no_order_does_not_panic() {
        let texts = ["512Mi", "1Gi", "1x", "", "9", "10", "9a", "é"];
        let mut values: Vec<Value> = texts.iter().cycle().take(200).map(|text| json!(text)).collect();
        values.extend([json!(true), json!(null), json!({}), json!(1.5), json!([])]);
        assert_eq!(sorted(&Value::Array(values)).len(), 205);
    }

    #[test]
    fn a_field_that_nothing_has_is_an_error() {
        let mut items = vec![json!({"a": 1})];
        let error = sort_by(&mut items, &Template::parse_relaxed("b.c").unwrap(), |item| item).unwrap_err();
        assert_eq!(error, "couldn't find any field with path \"{.b.c}\" in the list of objects");
        assert_eq!(items.len(), 1);
    }
}
