//! What is asked of an output afterwards, when it was kept: its shape, and parts of the objects in it. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::print::jsonpath::Template;

/// What a JSONPath template makes of the object that a text begins with, as `-o jsonpath=…` prints it. The error says
/// what is wrong with the template or the text.
pub fn jsonpath(template: &str, text: &str) -> Result<String, String> {
    let read =
        Template::parse(template).map_err(|error| format!("error parsing jsonpath {template}, {error}"))?;
    read.render(&object(text)?)
}

fn object(text: &str) -> Result<Value, String> {
    if text.starts_with("apiVersion:") {
        // Remarks of ours come last.
        let end = text.find("\n(").map_or(text.len(), |at| at + 1);
        let document = text.get(..end).unwrap_or_default();
        return serde_saphyr::from_str(document)
            .map_err(|error| format!("its YAML can't be read ({error}); ask for it with -o json"));
    }
    let object = serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
    object.ok_or("it is empty")?.map_err(|error| format!("it is not JSON: {error}"))
}

/// What objects a text has, if it is `-o json` or `-o yaml`: `JSON of a List of 12 × Pod`.
pub fn shape(text: &str) -> Option<String> {
    let (form, one, many) = match text {
        json if json.starts_with("{\n    \"") => ("JSON", "    \"kind\": \"", "            \"kind\": \""),
        yaml if yaml.starts_with("apiVersion: ") => ("YAML", "kind: ", "  kind: "),
        _ => return None,
    };
    let kinds = |start: &str| {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for kind in text.lines().filter_map(|line| line.strip_prefix(start)) {
            *kinds.entry(kind.trim_end_matches(['"', ',']).to_owned()).or_default() += 1;
        }
        kinds
    };
    let own = kinds(one).into_keys().next()?;
    if own != "List" {
        return Some(format!("{form} of one {own}"));
    }
    let listed: Vec<String> =
        kinds(many).into_iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    Some(format!("{form} of a List of {}", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{
            command::Plain,
            get::{plain_text, whole},
        },
        *,
    };

    fn pods(count: usize) -> Value {
        let pod = |n: usize| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}")},
                "spec": {"nested": {"kind": "Other"}, "text": "a\n  kind: Fake\n(b\n"}})
        };
        whole((0..count).map(pod).collect(), false)
    }

    #[test]
    fn the_objects_of_a_text_are_counted_and_asked() {
        for (plain, name) in [(Plain::Json, "JSON"), (Plain::Yaml, "YAML")] {
            let text = plain_text(plain, &pods(3));
            assert_eq!(shape(&text).unwrap(), format!("{name} of a List of 3 × Pod"), "{text}");
            let remarked = format!("{text}(the first 3 of 9 objects)\n");
            assert_eq!(jsonpath("{.items[*].metadata.name}", &remarked).unwrap(), "p0 p1 p2");
            let one =
                plain_text(plain, &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}));
            assert_eq!(shape(&one).unwrap(), format!("{name} of one Node"));
        }
        for text in ["", "NAME READY\na 1/1\n", "{}", "kind: Pod"] {
            assert_eq!(shape(text), None, "{text}");
        }
    }

    /// What a list of some thousand pods is, which is asked by its path in both forms.
    #[test]
    fn a_large_list_is_asked_too() {
        let labels: serde_json::Map<String, Value> =
            (0..20).map(|n| (format!("label-{n}"), json!(format!("value-{n}")))).collect();
        let pod = |n: usize| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}"), "labels": labels}});
        let list = whole((0..3_000).map(pod).collect(), false);
        for plain in [Plain::Json, Plain::Yaml] {
            let text = plain_text(plain, &list);
            assert!(text.len() > 1 << 20, "{}", text.len());
            assert_eq!(jsonpath("{.items[2999].metadata.name}", &text).unwrap(), "p2999");
        }
    }
}
