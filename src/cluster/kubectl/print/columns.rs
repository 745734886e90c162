//! `-o custom-columns=NAME:.metadata.name,…`.

use serde_json::Value;

use super::{
    json,
    jsonpath::Template,
    tab::{self, TABLE},
};

/// Headers and what stands below them.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomColumns(Vec<(String, Template)>);

impl CustomColumns {
    /// Reads `HEADER:path,HEADER:path`; what is wrong with it otherwise, in kubectl's words.
    pub fn parse(spec: &str) -> Result<Self, String> {
        if spec.is_empty() {
            return Err("custom-columns format specified but no custom columns given".into());
        }
        let column = |part: &str| {
            let Some((header, path)) = part.split_once(':') else {
                return Err(format!(
                    "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
                ));
            };
            Ok((header.to_owned(), Template::parse_relaxed(path)?))
        };
        spec.split(',').map(column).collect::<Result<_, _>>().map(Self)
    }

    /// The table of `objects`.
    pub fn print(&self, objects: &[Value], headers: bool) -> Result<String, String> {
        let mut text = String::new();
        if headers {
            let headers: Vec<&str> = self.0.iter().map(|(header, _)| header.as_str()).collect();
            text.push_str(&headers.join("\t"));
            text.push('\n');
        }
        for object in objects {
            let cells: Vec<String> =
                self.0.iter().map(|(_, path)| cell(path, object)).collect::<Result<_, _>>()?;
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        Ok(tab::align(&text, TABLE))
    }
}

fn cell(path: &Template, object: &Value) -> Result<String, String> {
    let values = path.values(object)?;
    if values.is_empty() {
        return Ok("<none>".into());
    }
    Ok(values.iter().map(json::sprint).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::CustomColumns;

    #[test]
    fn missing_fields_are_none_and_several_are_joined() {
        let columns = CustomColumns::parse("NAME:.metadata.name,PORTS:.ports[*],NODE:node").unwrap();
        let objects = [
            json!({"metadata": {"name": "a"}, "ports": [1, 2]}),
            json!({"metadata": {"name": "b"}, "node": {"x": 1}}),
        ];
        assert_eq!(
            columns.print(&objects, true).unwrap(),
            "NAME   PORTS    NODE\na      1,2      <none>\nb      <none>   map[x:1]\n"
        );
    }

    #[test]
    fn a_column_without_a_path_is_refused() {
        assert!(CustomColumns::parse("NAME").unwrap_err().contains("expected <header>:<json-path-expr>"));
    }
}
