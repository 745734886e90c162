//! What must be masked, what must not, and that masking is stable.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn masked(text: &str) -> String {
    mask(text).into_owned()
}

/// What is given out of `text` when it comes in pieces of `size` letters, and the whole that is told at the end.
fn streamed(text: &str, size: usize) -> (String, Redacted) {
    let letters: Vec<char> = text.chars().collect();
    let mut pieces = Pieces::default();
    let mut given = String::new();
    for piece in letters.chunks(size) {
        given.push_str(&pieces.push(&piece.iter().collect::<String>()));
    }
    let (rest, whole) = pieces.finish();
    given.push_str(&rest);
    (given, whole)
}

/// Each text is masked as expected, and the same when it is streamed.
fn check(cases: &[(&str, &str)]) {
    for (text, _) in cases {
        for size in [1, 2, 7, 40] {
            assert_eq!(streamed(text, size).0, masked(text), "{text:?} in pieces of {size}");
        }
    }
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(text, expected)| masked(text) != *expected)
        .map(|(text, expected)| format!("{text}\n  should be {expected}\n  but is    {}", masked(text)))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn untouched(texts: &[&str]) {
    check(&texts.iter().map(|text| (*text, *text)).collect::<Vec<_>>());
}

#[test]
fn assignments() {
    check(&[
        ("password=hunter2", "password=[redacted]"),
        ("login user=bob password=hunter2 ok=true", "login user=bob password=[redacted] ok=true"),
        ("password=hunter2, user=bob", "password=[redacted], user=bob"),
        ("password=hunter2,user=bob", "password=[redacted],user=bob"),
        ("password=a,b;user=bob", "password=[redacted];user=bob"),
        ("(password=hunter2)", "(password=[redacted])"),
        ("password = \"correct horse\" # x", "password = \"[redacted]\" # x"),
        ("password='it''s' x", "password='[redacted]' x"),
        ("export DB_PASSWORD=hunter2", "export DB_PASSWORD=[redacted]"),
        (
            "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_SECRET_ACCESS_KEY=[redacted]",
        ),
        ("db.password=hunter2\\npool.size=4", "db.password=[redacted]\\npool.size=4"),
        ("https://x/cb?access_token=abc123&state=7", "https://x/cb?access_token=[redacted]&state=7"),
        (
            "Server=db;User Id=sa;Password=p@ss!;Encrypt=true",
            "Server=db;User Id=sa;Password=[redacted];Encrypt=true",
        ),
        (
            "AccountName=x;AccountKey=abc+/123==;EndpointSuffix=y",
            "AccountName=x;AccountKey=[redacted];EndpointSuffix=y",
        ),
        ("host=db user=app password=hunter2 sslmode=off", "host=db user=app password=[redacted] sslmode=off"),
        ("map[password:hunter2 user:bob]", "map[password:[redacted] user:bob]"),
        ("mysqldump --password=hunter2 db", "mysqldump --password=[redacted] db"),
        ("kubeadm join --token abcdef.0123456789abcdef", "kubeadm join --token [redacted]"),
        ("args: [\"--api-key\", \"abc123\"]", "args: [\"--api-key\", \"[redacted]\"]"),
        ("config['api_key'] = 'abc123'", "config['api_key'] = '[redacted]'"),
        ("secret => abc123", "secret => [redacted]"),
        ("PASSWORD := abc123", "PASSWORD := [redacted]"),
        ("the API key: abc-123 was used", "the API key: [redacted] was used"),
        ("a Private Key=abc123", "a Private Key=[redacted]"),
        ("blob?sv=1&sig=abcdefghijklmnop%3D&se=2", "blob?sv=1&sig=[redacted]&se=2"),
        ("pass=hunter2", "pass=[redacted]"),
    ]);
}

#[test]
fn yaml_and_headers() {
    check(&[
        ("password: 12345678 bytes", "password: [redacted]"),
        ("password: 24 bytes hunter2", "password: [redacted]"),
        ("password: hunter2", "password: [redacted]"),
        ("  - password: correct horse battery # old", "  - password: [redacted] # old"),
        (
            "DEBUG config: user: bob password: hunter2 retries: 3",
            "DEBUG config: user: bob password: [redacted] retries: 3",
        ),
        ("password: |\n  line one\n  line two\nuser: bob\n", "password: |\n  [redacted]\nuser: bob\n"),
        ("- password: |-\n    one\n  user: bob", "- password: |-\n    [redacted]\n  user: bob"),
        ("Authorization: Bearer abcDEF123", "Authorization: Bearer [redacted]"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic [redacted]"),
        ("Authorization: token 0123456789", "Authorization: token [redacted]"),
        ("authorization=Bearer abc123 next", "authorization=Bearer [redacted] next"),
        (
            "{\"Authorization\":\"Bearer abc123\",\"x\":1}",
            "{\"Authorization\":\"Bearer [redacted]\",\"x\":1}",
        ),
        (
            "curl -H 'Authorization: Bearer abc123' https://x",
            "curl -H 'Authorization: Bearer [redacted]' https://x",
        ),
        ("sent Bearer abcDEF123456 to it", "sent Bearer [redacted] to it"),
        ("sent basic dXNlcjpwYXNz to it", "sent basic [redacted] to it"),
        ("Cookie: a=b; session=xyz", "Cookie: [redacted]"),
        ("curl -H 'Cookie: a=b; c=d' x", "curl -H 'Cookie: [redacted]' x"),
        ("Set-Cookie: id=a3fWa; Secure\r\nX: y", "Set-Cookie: [redacted]\r\nX: y"),
        ("X-Api-Key: abc123", "X-Api-Key: [redacted]"),
        ("client-key-data: LS0tLS1CRUdJTg==", "client-key-data: [redacted]"),
        ("    token: abc.def", "    token: [redacted]"),
        ("      DB_PASSWORD:  hunter2", "      DB_PASSWORD:  [redacted]"),
        (
            "- name: DB_PASSWORD\n  value: hunter2\n- name: A\n  value: b",
            "- name: DB_PASSWORD\n  value: [redacted]\n- name: A\n  value: b",
        ),
        ("- name: DB_PASSWORD\n  value: \"hunter2\"\n", "- name: DB_PASSWORD\n  value: \"[redacted]\"\n"),
    ]);
}

#[test]
fn json_in_text() {
    check(&[
        (r#"{"password":"hunter2","user":"bob"}"#, r#"{"password":"[redacted]","user":"bob"}"#),
        (r#"{"password": "a\"b,c", "n": 1}"#, r#"{"password": "[redacted]", "n": 1}"#),
        (
            r#"{\"password\":\"hunter2\",\"user\":\"bob\"}"#,
            r#"{\"password\":\"[redacted]\",\"user\":\"bob\"}"#,
        ),
        (r#"{\\\"token\\\": \\\"a\\\"}"#, r#"{\\\"token\\\": \\\"[redacted]\\\"}"#),
        (
            r#""env":[{"name":"DB_PASSWORD","value":"x1"},{"name":"A","value":"b"}]"#,
            r#""env":[{"name":"DB_PASSWORD","value":"[redacted]"},{"name":"A","value":"b"}]"#,
        ),
        (
            r#"{\"name\":\"DB_PASSWORD\",\"value\":\"x1\"}"#,
            r#"{\"name\":\"DB_PASSWORD\",\"value\":\"[redacted]\"}"#,
        ),
        (r#"{"auths":{"r.io":{"auth":"dXNlcjpwYXNz"}}}"#, r#"{"auths":{"r.io":{"auth":"[redacted]"}}}"#),
        (r#"{"pin": 1, "client_secret": 12345}"#, r#"{"pin": 1, "client_secret": [redacted]}"#),
        (
            r#"{Name:DB_PASSWORD Value:x1 ValueFrom:nil}"#,
            r#"{Name:DB_PASSWORD Value:[redacted] ValueFrom:nil}"#,
        ),
    ]);
}

#[test]
fn addresses() {
    check(&[
        ("postgres://app:hunter2@db:5432/x", "postgres://app:[redacted]@db:5432/x"),
        ("amqp://u:p@ss@mq/ and http://ok:80/@x", "amqp://u:[redacted]@mq/ and http://ok:80/@x"),
        ("redis://:hunter2@cache:6379", "redis://:[redacted]@cache:6379"),
        ("\"mongodb+srv://u:pa/ss@h/db?x=1\"", "\"mongodb+srv://u:[redacted]@h/db?x=1\""),
        ("app:hunter2@tcp(db:3306)/x", "app:[redacted]@tcp(db:3306)/x"),
    ]);
    untouched(&[
        "https://user@host/x",
        "http://localhost:9000/a@b",
        "get http://10.0.0.1:8080/healthz: dial tcp 10.0.0.1:8080: connect: connection refused",
        "postgres://app:$(DB_PASSWORD)@db/x",
        "postgres://app:${DB_PASSWORD}@db/x",
    ]);
}

#[test]
fn tokens_of_known_looks() {
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJDQU5BUlktdG9rZW4ifQ.CANARYSIG";
    for token in [
        jwt,
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuv",
        "glpat-abcdefghij0123456789",
        "xoxb-1234567890-abcdefghij",
        concat!("sk_", "live_abcdefghijklmnop"),
        "sk-proj-abcdefghijklmnopqrst",
        "sk-ant-api03-abcdefghijklmnop",
        "sk-test-CANARY-7f3a91c2d4",
        "sk-abcdefghijklmnopqrstuvwx",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "pypi-AgEIcHlwaS5vcmcabcdef",
        "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz",
        "hvs.CAESIabcdefghijklmnopqrstuv",
        "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
        "MTE5ODc2NTQzMjEwOTg3NjU0.GabcdE.abcdefghijklmnopqrstuvwxyz0123",
    ] {
        for (before, after) in [
            ("", ""),
            ("used ", " now"),
            ("(", ")"),
            ("\"", "\","),
            ("x=", "&y"),
            ("line\\n", "\\nline"),
            ("ä", "ä"),
        ] {
            assert_eq!(masked(&format!("{before}{token}{after}")), format!("{before}{MARKER}{after}"));
        }
        assert!(!masked(&format!("{}{token}{}", "x ".repeat(100), " y".repeat(100))).contains(token));
    }
    check(&[
        (
            "id AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMP1KEY",
            "id [redacted] and [redacted]",
        ),
        (
            "https://hooks.slack.com/services/T0001/B0001/XXXXabcd1234",
            "https://hooks.slack.com/services/T0001/B0001/[redacted]",
        ),
        ("the token is Zx81kQ9vT3mN7pL2wR5y, keep it", "the token is [redacted], keep it"),
    ]);
}

#[test]
fn private_keys() {
    let body = "MIIEowIBAAKCAQEA\nabc+/def==";
    check(&[
        (
            &format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\nafter"),
            "-----BEGIN RSA PRIVATE KEY-----\n[redacted]\n-----END RSA PRIVATE KEY-----\nafter",
        ),
        (
            "x -----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n y",
            "x -----BEGIN PRIVATE KEY-----[redacted]-----END PRIVATE KEY-----\\n y",
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----\nMIIE\nabcd\nnot of the key.",
            "-----BEGIN EC PRIVATE KEY-----\n[redacted]\nnot of the key.",
        ),
    ]);
    untouched(&[
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
    ]);
}

#[test]
fn secret_manifests_in_text() {
    check(&[
        (
            "apiVersion: v1\ndata:\n  user: Ym9i\n  x: |\n    abc\nkind: Secret\nmetadata:\n  name: a\n---\nkind: ConfigMap\ndata:\n  a: b\n",
            "apiVersion: v1\ndata:\n  user: [redacted]\n  x: |\n    [redacted]\nkind: Secret\nmetadata:\n  name: a\n---\nkind: ConfigMap\ndata:\n  a: b\n",
        ),
        (
            "items:\n- apiVersion: v1\n  data:\n    a: Yg==\n  kind: Secret\n- apiVersion: v1\n  data:\n    a: b\n  kind: ConfigMap\n",
            "items:\n- apiVersion: v1\n  data:\n    a: [redacted]\n  kind: Secret\n- apiVersion: v1\n  data:\n    a: b\n  kind: ConfigMap\n",
        ),
        (
            "kind: Secret\nstringData: {a: b}\ntype: Opaque",
            "kind: Secret\nstringData: [redacted]\ntype: Opaque",
        ),
        (
            r#"[{"kind":"Secret","data":{"a":"Yg=="},"metadata":{"name":"n"}},{"kind":"ConfigMap","data":{"a":"b"}}]"#,
            r#"[{"kind":"Secret","data":{"a":"[redacted]"},"metadata":{"name":"n"}},{"kind":"ConfigMap","data":{"a":"b"}}]"#,
        ),
        (
            r#"{"x": "{\"data\":{\"a\":\"Yg==\"},\"kind\":\"Secret\"}", "data": {"a": "b"}}"#,
            r#"{"x": "{\"data\":{\"a\":\"[redacted]\"},\"kind\":\"Secret\"}", "data": {"a": "b"}}"#,
        ),
    ]);
}

#[test]
fn what_is_no_secret_stays() {
    untouched(&[
        "",
        "FATAL: password authentication failed for user \"orders\"",
        "Error: secret \"db-credentials\" not found",
        "MountVolume.SetUp failed for volume \"creds\" : secret \"vault-token\" not found",
        "couldn't find key password in Secret default/db",
        "invalid token: expired",
        "failed to verify token: x509: certificate signed by unknown authority",
        "error: token: unexpected end of input",
        "password: 12 bytes",
        "Data\n====\npassword:  24 bytes\ntoken:     1048576 bytes",
        "`password:  24 bytes`",
        "The Secret has password: 24 bytes.",
        "password: 24 bytes, token: 933 bytes",
        "| api-key: 8 bytes |",
        "Image pull secrets: regcred",
        "secretName: stripe-credentials",
        "  secretKeyRef:\n    name: stripe\n    key: api-key",
        "tokenReview: true",
        "SECRET_NAME=stripe-credentials",
        "DB_PASSWORD_FILE=/run/secrets/db",
        "token: /var/run/secrets/kubernetes.io/serviceaccount/token",
        "automountServiceAccountToken: false",
        "DB_PASSWORD:  <set to the key 'password' in secret 'db'>  Optional: false",
        "password: $(DB_PASSWORD)",
        "password=${DB_PASSWORD} token={{ .Values.token }}",
        "password=$DB_PASSWORD",
        "password: \"\"",
        "password: null",
        "token=*****",
        "passwordSecretRef:\n  name: x",
        "max_tokens=4096 tokens: 12 prompt_tokens=3",
        "nginx.ingress.kubernetes.io/auth-secret: basic-auth",
        "syncing secret=payments/stripe",
        "image: registry.io/vault-token:1.2.3",
        "image: web@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "uid: 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "pod orders-postgres-6bbd587fd6-fxz4s resourceVersion: \"4272\"",
        "sk-learn-pipeline-runner-5d4f8c9b7-abcde is ready",
        "risk-assessment-service-abcdefghijklmnop",
        "kubernetes.io/service-account-token",
        "\"name\":\"stripe-credentials\",\"key\":\"api-key\"",
        "the key is missing; author: bob; monkey=1 keys: 4",
        "tests pass: 12 fail: 3",
        "PWD=/app",
        "Basic authentication is required, use Bearer authentication",
        "note: authorization: RBAC",
        "certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
        "welcome: TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdA==",
        "if password == nil { token::parse() }",
        "Unexpected token } in JSON at position 4",
        "lock \"cert-manager-cainjector-leader-election-core\" key=\"default/web-tls\"",
        "kind: Secret",
        "a basic DaemonSet installation, or one with bearer DaemonSet tokens",
        "authentication/authorization: cloud-controller-manager may need RBAC rules",
        "use `--password`, `--token` or `--use-service-account-credentials`, kube-controller-manager asks",
        "  --token string   the token",
        "--token is not possible: the identity is fixed here",
        "echo \"password: $password\"",
        "--from-file=password=./password.txt --client-key=/path/to/key.pem",
        "password: REDACTED",
        "token=xxxx, password=***",
        "LegacyServiceAccountToken=true|false",
        "kubectl create secret generic prod-db-secret --from-literal=Username=produser1 --from-literal=Host2=Db",
        "ownerReferences:\n- kind: Secret\n  name: x\n",
    ]);
}

#[test]
fn objects_of_kubernetes() {
    let shown = |value: Value| RedactedJson::new(value).0;
    let last = "kubectl.kubernetes.io/last-applied-configuration";
    let secret = json!({ "kind": "Secret", "data": { "user": "Ym9i", "empty": "" }, "stringData": { "a": "b" },
        "metadata": { "name": "db", "annotations": { last: "{\"stringData\":{\"a\":\"b\"}}", "team": "x" } } });
    assert_eq!(
        shown(secret),
        json!({ "kind": "Secret", "data": { "user": MARKER, "empty": "" }, "stringData": { "a": MARKER },
        "metadata": { "name": "db", "annotations": { "team": "x" } } })
    );
    let item = json!({ "metadata": { "name": "a" }, "data": { "a": "Yg==" }, "type": "Opaque" });
    assert_eq!(shown(json!({ "items": [item] }))["items"][0]["data"]["a"], MARKER);
    let item = json!({ "metadata": { "name": "a" }, "data": { "a": "Yg==" } });
    assert_eq!(shown(json!({ "kind": "SecretList", "items": [item] }))["items"][0]["data"]["a"], MARKER);
    assert_eq!(shown(json!({ "kind": "ConfigMapList", "items": [item] }))["items"][0]["data"]["a"], "Yg==");

    let pod = json!({ "env": [
        { "name": "DB_PASSWORD", "value": "hunter2" },
        { "name": "DB_PASSWORD", "value": "$(OTHER)" },
        { "name": "DB_PASSWORD", "valueFrom": { "secretKeyRef": { "name": "stripe-credentials", "key": "api-key" } } },
        { "name": "DB_HOST", "value": "db" } ],
        "args": ["--password", "hunter2", "--token=abc", "--user", "bob"],
        "volumes": [{ "secret": { "secretName": "x" } }], "imagePullSecrets": [{ "name": "regcred" }], "token": 7 });
    assert_eq!(
        shown(pod),
        json!({ "env": [
        { "name": "DB_PASSWORD", "value": MARKER },
        { "name": "DB_PASSWORD", "value": "$(OTHER)" },
        { "name": "DB_PASSWORD", "valueFrom": { "secretKeyRef": { "name": "stripe-credentials", "key": "api-key" } } },
        { "name": "DB_HOST", "value": "db" } ],
        "args": ["--password", MARKER, "--token=[redacted]", "--user", "bob"],
        "volumes": [{ "secret": { "secretName": "x" } }], "imagePullSecrets": [{ "name": "regcred" }], "token": 7 })
    );

    let applied =
        json!({ "kind": "Deployment", "env": [{ "name": "DB_PASSWORD", "value": "hunter2" }], "n": 1 });
    let deployment = json!({ "metadata": { "annotations": { last: applied.to_string() } } });
    let shown_applied = shown(deployment)["metadata"]["annotations"][last].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&shown_applied).unwrap()["env"][0]["value"], MARKER);
    let headers = shown(
        json!({ "Authorization": "Bearer abc123", "cookie": "a=b", "auth": "dXNlcjpwYXNz", "secretKey": "password" }),
    );
    assert_eq!(
        headers,
        json!({ "Authorization": "Bearer [redacted]", "cookie": MARKER, "auth": MARKER, "secretKey": "password" })
    );
}

#[test]
fn reading_back_masks_again() {
    let read: Redacted = serde_json::from_str("\"password=hunter2\"").unwrap();
    assert_eq!(read.as_str(), "password=[redacted]");
    let read: RedactedJson = serde_json::from_str(r#"{"password":"hunter2"}"#).unwrap();
    assert_eq!(read.0, json!({ "password": MARKER }));
}

fn one_of(fragments: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(fragments).prop_map(str::to_owned)
}

/// Fragments that matter, in any order, with anything between.
fn soup() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        8 => one_of(&[
            "password", "PASSWORD", "DB_PASS", "secret", "token", "api_key", "key", "auth", "Authorization", "Bearer", "Basic ",
            "Cookie", "sig", "name", "value", "data", "stringData", "kind", "Secret", "--token", "pass", "secretKeyRef",
            "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "-----BEGIN", "://", "@tcp(", "postgres://u:pw@h",
            "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMP1KEY", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJDIn0.sig",
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[redacted]", "[redacted", "redacted]", "MIIEabc", "hunter2", "é", "🦀",
        ]),
        8 => one_of(&[
            " ", " ", "\n", "\n  ", "\n- ", ": ", ":", "=", "\"", "'", "\\\"", "\\n", "\\\\", ",", ";", "&", "{", "}", "[", "]", "(", ")",
            "@", "/", "|", "|\n", "---\n", "$(", "<", "-", ".", "#", "\t", "\r\n", "  ", "`",
        ]),
        2 => "[ -~]{0,12}",
        1 => "\\PC{0,4}",
    ];
    prop::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn masking_twice_is_masking_once(text in soup()) {
        let once = masked(&text);
        prop_assert_eq!(masked(&once), once);
    }

    #[test]
    fn any_text_can_be_masked(text in "\\PC*") {
        let once = masked(&text);
        prop_assert_eq!(masked(&once), once);
    }

    #[test]
    fn no_round_is_the_last_resort(text in soup()) {
        prop_assert!(masked(&text) != MARKER || text.len() < 200);
    }

    #[test]
    fn json_masked_twice_is_json_masked_once(texts in prop::collection::vec(soup(), 6)) {
        let value = json!({ texts[0].as_str(): texts[1], "password": texts[2], "kind": "Secret", "data": { "a": texts[3] },
            "items": [texts[4], { "name": "DB_PASSWORD", "value": texts[5] }] });
        let once = RedactedJson::new(value);
        prop_assert_eq!(RedactedJson::new(once.0.clone()), once);
    }

    #[test]
    fn pieces_give_out_the_masked_whole(text in soup(), size in 1_usize..12) {
        let (given, whole) = streamed(&text, size);
        prop_assert_eq!(&given, whole.as_str());
        prop_assert_eq!(whole.as_str(), masked(&text));
    }
}

#[test]
fn pieces_come_early_where_nothing_tells() {
    let mut pieces = Pieces::default();
    assert_eq!(pieces.push("The pod ").as_str(), "The pod ");
    assert_eq!(pieces.push("can").as_str(), "");
    assert_eq!(pieces.push("not start: its pass").as_str(), "cannot start: its ");
    assert_eq!(pieces.push("word=hun").as_str(), "");
    assert_eq!(pieces.push("ter2 is wrong\n").as_str(), "");
    assert_eq!(pieces.push("Next line\nand ").as_str(), "password=[redacted] is wrong\nNext line\nand ");
    let (rest, whole) = pieces.finish();
    assert_eq!(rest.as_str(), "");
    assert_eq!(whole.as_str(), "The pod cannot start: its password=[redacted] is wrong\nNext line\nand ");
}

#[test]
fn a_text_with_nothing_to_mask_is_not_copied() {
    let text = String::from("a line of a log\n");
    let at = text.as_ptr();
    assert_eq!(Redacted::from(text).as_ptr(), at);
    let masked = Redacted::from(String::from("password=hunter2hunter2"));
    assert_eq!(masked, Redacted::new("password=hunter2hunter2"));
    assert!(!masked.contains("hunter2"));
}
