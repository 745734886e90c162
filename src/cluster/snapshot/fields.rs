//! Which fields of which kind a field selector may name, and their values. Pure.

use serde_json::Value;

use super::{discovery::Resource, selector::FieldTest};

/// Field tests that the API server would take for this kind.
pub(super) struct Fields {
    tests: Vec<(Where, FieldTest)>,
}

/// Where the value of a label stands in an object.
#[derive(Clone, Copy)]
enum Where {
    /// At a path.
    At(&'static str),
    /// At the first of two paths that holds anything.
    Either(&'static str, &'static str),
    /// At a path, `false` where nothing stands there.
    Flag(&'static str),
    /// At a path, `0` where nothing stands there.
    Number(&'static str),
}

use Where::{At, Either, Flag, Number};

/// The labels that may be named, with the place of their values.
type Labels = &'static [(&'static str, Where)];
/// How the API server words that it does not know a label.
type Unknown = fn(&str) -> String;

const NAME: (&str, Where) = ("metadata.name", At("/metadata/name"));
const NAMESPACE: (&str, Where) = ("metadata.namespace", At("/metadata/namespace"));

const POD: &[(&str, Where)] = &[
    NAME,
    NAMESPACE,
    ("spec.host", At("/spec/nodeName")),
    ("spec.nodeName", At("/spec/nodeName")),
    ("spec.restartPolicy", At("/spec/restartPolicy")),
    ("spec.schedulerName", At("/spec/schedulerName")),
    ("spec.serviceAccountName", At("/spec/serviceAccountName")),
    ("spec.hostNetwork", Flag("/spec/hostNetwork")),
    ("status.phase", At("/status/phase")),
    ("status.podIP", At("/status/podIP")),
    ("status.podIPs", At("/status/podIP")),
    ("status.nominatedNodeName", At("/status/nominatedNodeName")),
];
const EVENT: &[(&str, Where)] = &[
    NAME,
    NAMESPACE,
    ("involvedObject.kind", At("/involvedObject/kind")),
    ("involvedObject.namespace", At("/involvedObject/namespace")),
    ("involvedObject.name", At("/involvedObject/name")),
    ("involvedObject.uid", At("/involvedObject/uid")),
    ("involvedObject.apiVersion", At("/involvedObject/apiVersion")),
    ("involvedObject.resourceVersion", At("/involvedObject/resourceVersion")),
    ("involvedObject.fieldPath", At("/involvedObject/fieldPath")),
    ("reason", At("/reason")),
    ("reportingComponent", At("/reportingComponent")),
    ("source", Either("/source/component", "/reportingComponent")),
    ("type", At("/type")),
];
const EVENTS_EVENT: &[(&str, Where)] = &[
    NAME,
    NAMESPACE,
    ("regarding.kind", At("/regarding/kind")),
    ("regarding.namespace", At("/regarding/namespace")),
    ("regarding.name", At("/regarding/name")),
    ("regarding.uid", At("/regarding/uid")),
    ("regarding.apiVersion", At("/regarding/apiVersion")),
    ("regarding.resourceVersion", At("/regarding/resourceVersion")),
    ("regarding.fieldPath", At("/regarding/fieldPath")),
    ("reason", At("/reason")),
    ("reportingController", At("/reportingController")),
    ("type", At("/type")),
];
const SERVICE: &[(&str, Where)] =
    &[NAME, NAMESPACE, ("spec.clusterIP", At("/spec/clusterIP")), ("spec.type", At("/spec/type"))];

/// The labels that the API server knows for a kind, and how it words that it does not know another.
fn known(group: &str, kind: &str) -> (Labels, Unknown) {
    let short: Unknown = |label| format!("field label not supported: {label}");
    match (group, kind) {
        ("", "Pod") => (POD, short),
        ("", "Event") => (EVENT, short),
        ("events.k8s.io", "Event") => (EVENTS_EVENT, short),
        ("", "Node") => (&[NAME, ("spec.unschedulable", Flag("/spec/unschedulable"))], short),
        ("", "Namespace") => (&[NAME, ("status.phase", At("/status/phase"))], short),
        ("", "Secret") => (&[NAME, NAMESPACE, ("type", At("/type"))], short),
        ("", "Service") => (SERVICE, short),
        ("", "ReplicationController") => {
            (&[NAME, NAMESPACE, ("status.replicas", Number("/status/replicas"))], short)
        }
        ("apps", "StatefulSet") => (&[NAME, NAMESPACE], short),
        ("batch", "Job") => {
            (&[NAME, NAMESPACE, ("status.successful", Number("/status/succeeded"))], |label| {
                format!("field label {label:?} not supported for Job")
            })
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            (&[NAME, ("spec.signerName", At("/spec/signerName"))], short)
        }
        _ => (&[NAME, NAMESPACE], |label| {
            format!(r#"{label:?} is not a known field selector: only "metadata.name", "metadata.namespace""#)
        }),
    }
}

impl Fields {
    /// Binds the tests to a kind. The error is the API server's sentence about a label that it does not know.
    pub(super) fn of(group: &str, resource: &Resource, tests: Vec<FieldTest>) -> Result<Self, String> {
        Self::of_kind(group, resource.kind(), tests)
    }

    fn of_kind(group: &str, kind: &str, tests: Vec<FieldTest>) -> Result<Self, String> {
        let (labels, unknown) = known(group, kind);
        let bound = tests.into_iter().map(|test| {
            let place = labels.iter().find(|(label, _)| *label == test.label).map(|(_, place)| *place);
            place.map(|place| (place, test.clone())).ok_or_else(|| unknown(&test.label))
        });
        bound.collect::<Result<_, _>>().map(|tests| Self { tests })
    }

    /// Whether everything passes.
    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Whether an object with this text can pass them all. Most can't, which is cheaper to see than to parse them.
    pub(super) fn may_match(&self, text: &str) -> bool {
        let plain =
            |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        self.tests.iter().filter(|(place, _)| matches!(place, At(_) | Either(..))).all(|(_, test)| {
            !test.wanted || test.value.is_empty() || !plain(&test.value) || text.contains(&test.value)
        })
    }

    /// Whether an object passes them all.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.tests.iter().all(|(place, test)| (place.read(object) == test.value) == test.wanted)
    }
}

impl Where {
    fn read(self, object: &Value) -> String {
        let at = |path: &str| match object.pointer(path) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let or = |found: String, otherwise: &str| if found.is_empty() { otherwise.to_owned() } else { found };
        match self {
            At(path) => at(path),
            Either(first, second) => or(at(first), &at(second)),
            Flag(path) => or(at(path), "false"),
            Number(path) => or(at(path), "0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::selector::parse_fields, *};

    fn matches(group: &str, kind: &str, selector: &str, object: &Value) -> Result<bool, String> {
        Fields::of_kind(group, kind, parse_fields(selector).unwrap()).map(|fields| fields.matches(object))
    }

    #[test]
    fn fields_are_compared_as_the_api_server_does() {
        let pod = json!({"metadata": {"name": "a", "namespace": "x"}, "spec": {"nodeName": "n1"},
            "status": {"phase": "Running"}});
        for (selector, expected) in [
            ("metadata.name=a", true),
            ("metadata.name=b", false),
            ("metadata.namespace=x,status.phase!=Failed", true),
            ("spec.nodeName=n1", true),
            ("spec.host=n1", true),
            ("status.nominatedNodeName=", true),
            ("spec.hostNetwork=false", true),
            ("spec.hostNetwork=true", false),
        ] {
            assert_eq!(matches("", "Pod", selector, &pod), Ok(expected), "{selector}");
        }
        let event = json!({"involvedObject": {"kind": "Pod"}, "reportingComponent": "kubelet", "source": {}});
        assert_eq!(matches("", "Event", "involvedObject.kind=Pod,source=kubelet", &event), Ok(true));
        let node = json!({"spec": {"unschedulable": true}});
        assert_eq!(matches("", "Node", "spec.unschedulable=true", &node), Ok(true));
        assert_eq!(matches("batch", "Job", "status.successful=0", &json!({"status": {}})), Ok(true));
        let event = json!({"regarding": {"name": "p"}});
        assert_eq!(matches("events.k8s.io", "Event", "regarding.name=p", &event), Ok(true));
    }

    #[test]
    fn a_label_that_is_not_known_is_refused_in_the_api_servers_words() {
        for (group, kind, expected) in [
            ("", "Pod", "field label not supported: spec.x"),
            ("batch", "Job", r#"field label "spec.x" not supported for Job"#),
            (
                "apps",
                "Deployment",
                r#""spec.x" is not a known field selector: only "metadata.name", "metadata.namespace""#,
            ),
        ] {
            assert_eq!(matches(group, kind, "spec.x=1", &json!({})), Err(expected.into()), "{kind}");
        }
    }
}
