//! Who may do what: Roles, their bindings and ServiceAccounts.

use serde_json::Value;

use super::{
    Related,
    page::{Page, list, text},
};

/// One line of a role's table. What kubectl sorts by stands first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Rule {
    verbs: Vec<String>,
    group: Option<String>,
    resource: Option<String>,
    name: Option<String>,
    url: Option<String>,
}

pub fn role(page: &mut Page, role: &Value) {
    head(page, role);
    page.line(0, "PolicyRule:");
    page.line(1, "Resources\tNon-Resource URLs\tResource Names\tVerbs");
    page.line(1, "---------\t-----------------\t--------------\t-----");
    for rule in rules(&role["rules"]) {
        let (urls, names, verbs) = (bracketed(&rule.url), bracketed(&rule.name), rule.verbs.join(" "));
        page.line(1, format!("{}\t{urls}\t{names}\t[{verbs}]", rule.resource_text()));
    }
}

impl Rule {
    /// `deployments.apps/scale`.
    fn resource_text(&self) -> String {
        let Some(resource) = &self.resource else { return String::new() };
        let (plural, part) =
            resource.split_once('/').map_or((resource.as_str(), None), |(a, b)| (a, Some(b)));
        let group = self.group.as_ref().filter(|group| !group.is_empty());
        let group = group.map(|group| format!(".{group}")).unwrap_or_default();
        let part = part.map(|part| format!("/{part}")).unwrap_or_default();
        format!("{plural}{group}{part}")
    }

    /// What kubectl sorts rules by.
    fn key(&self) -> String {
        format!(
            "Verbs:[{}],APIGroups:{},Resources:{},ResourceNames:{},NonResourceURLs:{},",
            self.verbs.join(" "),
            bracketed(&self.group),
            bracketed(&self.resource),
            bracketed(&self.name),
            bracketed(&self.url)
        )
    }
}

fn bracketed(part: &Option<String>) -> String {
    format!("[{}]", part.as_deref().unwrap_or_default())
}

/// The rules taken apart into single resources, the verbs of the same one put together, sorted.
fn rules(rules: &Value) -> Vec<Rule> {
    let mut found: Vec<Rule> = Vec::new();
    for rule in list(rules) {
        let texts =
            |key: &str| list(&rule[key]).iter().map(|text| text.as_str().unwrap_or_default().to_owned());
        let mut names: Vec<Option<String>> = texts("resourceNames").map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        for (group, resource) in
            texts("apiGroups").flat_map(|group| texts("resources").map(move |it| (group.clone(), it)))
        {
            for name in &names {
                let part = Rule {
                    group: Some(group.clone()),
                    resource: Some(resource.clone()),
                    name: name.clone(),
                    ..Rule::default()
                };
                texts("verbs").for_each(|verb| add(&mut found, &part, verb));
            }
        }
        for url in texts("nonResourceURLs") {
            let part = Rule { url: Some(url), ..Rule::default() };
            found.extend(texts("verbs").map(|verb| Rule { verbs: vec![verb], ..part.clone() }));
        }
    }
    found.sort_by_cached_key(Rule::key);
    found
}

fn add(rules: &mut Vec<Rule>, part: &Rule, verb: String) {
    let same = |rule: &&mut Rule| {
        rule.url.is_none()
            && rule.group == part.group
            && rule.resource == part.resource
            && rule.name == part.name
    };
    match rules.iter_mut().find(same) {
        Some(rule) if rule.verbs.contains(&verb) => {}
        Some(rule) => rule.verbs.push(verb),
        None => rules.push(Rule { verbs: vec![verb], ..part.clone() }),
    }
}

pub fn binding(page: &mut Page, binding: &Value) {
    head(page, binding);
    page.line(0, "Role:");
    page.field(1, "Kind", text(&binding["roleRef"]["kind"]));
    page.field(1, "Name", text(&binding["roleRef"]["name"]));
    page.line(0, "Subjects:");
    page.line(1, "Kind\tName\tNamespace");
    page.line(1, "----\t----\t---------");
    for subject in list(&binding["subjects"]) {
        let field = |key: &str| text(&subject[key]);
        page.line(1, format!("{}\t{}\t{}", field("kind"), field("name"), field("namespace")));
    }
}

fn head(page: &mut Page, object: &Value) {
    page.field(0, "Name", text(&object["metadata"]["name"]));
    page.pairs("Labels", &object["metadata"]["labels"]);
    page.annotations("Annotations", &object["metadata"]["annotations"]);
}

pub fn service_account(page: &mut Page, account: &Value, related: &Related) {
    page.head(account);
    let secrets = related.secrets.as_deref();
    let names =
        |key: &str| -> Vec<&str> { list(&account[key]).iter().map(|secret| text(&secret["name"])).collect() };
    let missing = |name: &str| {
        let known = |secret: &Value| secret["metadata"]["name"] == name;
        secrets.is_some_and(|secrets| !secrets.iter().any(known))
    };
    let tokens = secrets.unwrap_or_default().iter().filter(|secret| is_token(secret, account));
    for (header, names) in [
        ("Image pull secrets:", names("imagePullSecrets")),
        ("Mountable secrets: ", names("secrets")),
        ("Tokens:            ", tokens.map(|secret| text(&secret["metadata"]["name"])).collect()),
    ] {
        if names.is_empty() {
            page.line(0, format!("{header}\t<none>"));
        }
        for (number, name) in names.into_iter().enumerate() {
            let header = if number == 0 { header } else { "                   " };
            let gone = if missing(name) { " (not found)" } else { "" };
            page.line(0, format!("{header}\t{name}{gone}"));
        }
    }
    page.events(related.events.as_ref());
}

/// Whether the Secret is a token of the account: its annotations say so.
fn is_token(secret: &Value, account: &Value) -> bool {
    let annotations = &secret["metadata"]["annotations"];
    annotations["kubernetes.io/service-account.name"] == account["metadata"]["name"]
        && annotations["kubernetes.io/service-account.uid"] == account["metadata"]["uid"]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::rules;

    #[test]
    fn rules_are_one_a_resource() {
        let found = rules(&json!([
            {"apiGroups": ["", "apps"], "resources": ["pods/log"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["list", "watch"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]},
            {"nonResourceURLs": ["/healthz"], "verbs": ["get", "head"]},
        ]));
        let lines: Vec<String> = found
            .iter()
            .map(|rule| {
                format!("{} {:?} {:?} {}", rule.resource_text(), rule.url, rule.name, rule.verbs.join(","))
            })
            .collect();
        assert_eq!(
            lines,
            [
                "pods/log None None get,list,watch",
                "pods.apps/log None None get,list",
                " Some(\"/healthz\") None get",
                "secrets None Some(\"a\") get",
                "secrets None Some(\"b\") get",
                " Some(\"/healthz\") None head",
            ]
        );
    }
}
