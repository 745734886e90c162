//! Values of Secrets come out in no form; their keys and sizes do, whatever they are called.

use kubertnetes::cluster::kubectl::parse;
use serde_json::{Value, json};

use super::wire::{answer, client, kubectl, pods, run};

/// Every form that shows a Secret.
const FORMS: &[&str] = &[
    "get secret db -o yaml",
    "get secret db -o json",
    "get secrets -o yaml",
    "get secrets -o json",
    "get secrets,secrets -o json --show-managed-fields",
    "get secret/db -o yaml",
    "get secret db -o jsonpath='{.data.password}'",
    "get secret db -o jsonpath='{.stringData.password}{.data.tls\\.key}'",
    "get secret db -o jsonpath='{.data}'",
    "get secret db -o jsonpath='{.metadata.annotations}'",
    "get secrets -o jsonpath='{..password}'",
    "get secrets -o jsonpath='{range .items[*]}{.data.payload}{end}'",
    "get secret db -o jsonpath='{$}'",
    "get secret db -o jsonpath-as-json='{.data}'",
    "get secrets -o custom-columns=P:.data.password,A:.metadata.annotations",
    "get secrets -o custom-columns=A:.metadata,D:.data",
    "get secrets --sort-by=.data.password -o yaml",
    "describe secret db",
    "describe secrets",
];

#[tokio::test]
async fn values_of_secrets_are_never_shown() {
    // Keys that tell of a secret, which redaction looks out for, and one that does not.
    let keys = [
        "password",
        "POSTGRES_PASSWORD",
        "token",
        "api-key",
        "secret",
        "auth",
        "pass",
        "tls.key",
        "cookie",
        "payload",
    ];
    let data: serde_json::Map<String, Value> =
        keys.iter().map(|key| ((*key).to_owned(), json!("aHVudGVyMi1odW50ZXIyLWg="))).collect();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "db", "namespace": "default", "annotations":
            {"kubectl.kubernetes.io/last-applied-configuration": "{\"stringData\":{\"password\":\"hunter2-hunter2-h\"}}"}},
        "data": data, "stringData": {"password": "hunter2-hunter2-h"},
    });
    let client = client(move |uri| {
        let secret = secret.clone();
        async move {
            if uri.contains("events") {
                return pods(&[], "");
            }
            if uri.ends_with("/secrets/db") {
                return answer(200, secret.to_string());
            }
            answer(
                200,
                json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": [secret]})
                    .to_string(),
            )
        }
    });
    let kubectl = kubectl(client);
    for line in FORMS {
        let output = run(&kubectl, line).await;
        assert_eq!(output.code, 0, "{line}: {}", output.stderr.as_str());
        for value in ["aHVudGVyMi", "hunter2"] {
            assert!(!output.stdout.contains(value), "{line}: {}", output.stdout.as_str());
        }
    }
    for form in
        ["go-template={{.data.password}}", "go-template-file=x", "template={{.data}}", "jsonpath-file=x"]
    {
        assert!(parse(&format!("get secret db -o '{form}'")).is_err(), "{form}");
    }
    let described = run(&kubectl, "describe secret db").await;
    for key in keys {
        let line = described.stdout.lines().find(|line| line.starts_with(&format!("{key}:"))).unwrap();
        assert_eq!(
            line.split_whitespace().skip(1).collect::<Vec<_>>(),
            ["17", "bytes"],
            "{}",
            described.stdout.as_str()
        );
    }
    let yaml = run(&kubectl, "get secret db -o yaml").await;
    assert!(yaml.stdout.contains("payload: "), "{}", yaml.stdout.as_str());
}
