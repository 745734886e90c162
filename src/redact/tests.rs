//! What must be masked, what must not, and that masking is stable.

use proptest::prelude::*;
use regex::Regex;
use serde_json::json;

use super::*;

fn masked(text: &str) -> String {
    mask(text).into_owned()
}

/// `text` with `‹NAME›` for its placeholders.
fn short(text: &str) -> String {
    let placeholder = Regex::new("‹secret:([0-9A-Za-z_.-]+)#[a-z2-7]{4}›").unwrap();
    placeholder.replace_all(text, "‹$1›").into_owned()
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
        .filter(|(text, expected)| short(&masked(text)) != *expected)
        .map(|(text, expected)| {
            format!("{text}\n  should be {expected}\n  but is    {}", short(&masked(text)))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn untouched(texts: &[&str]) {
    check(&texts.iter().map(|text| (*text, *text)).collect::<Vec<_>>());
}

#[test]
fn assignments() {
    check(&[
        ("password=hunter2", "password=‹password›"),
        ("login user=bob password=hunter2 ok=true", "login user=bob password=‹password› ok=true"),
        ("password=hunter2, user=bob", "password=‹password›, user=bob"),
        ("password=hunter2,user=bob", "password=‹password›,user=bob"),
        ("password=a,b;user=bob", "password=‹password›;user=bob"),
        ("(password=hunter2)", "(password=‹password›)"),
        ("password = \"correct horse\" # x", "password = \"‹password›\" # x"),
        ("password='it''s' x", "password='‹password›' x"),
        ("export DB_PASSWORD=hunter2", "export DB_PASSWORD=‹DB_PASSWORD›"),
        (
            "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_SECRET_ACCESS_KEY=‹AWS_SECRET_ACCESS_KEY›",
        ),
        ("db.password=hunter2\\npool.size=4", "db.password=‹db.password›\\npool.size=4"),
        ("https://x/cb?access_token=abc123&state=7", "https://x/cb?access_token=‹access_token›&state=7"),
        (
            "Server=db;User Id=sa;Password=p@ss!;Encrypt=true",
            "Server=db;User Id=sa;Password=‹Password›;Encrypt=true",
        ),
        (
            "AccountName=x;AccountKey=abc+/123==;EndpointSuffix=y",
            "AccountName=x;AccountKey=‹AccountKey›;EndpointSuffix=y",
        ),
        ("host=db user=app password=hunter2 sslmode=off", "host=db user=app password=‹password› sslmode=off"),
        ("map[password:hunter2 user:bob]", "map[password:‹password› user:bob]"),
        ("mysqldump --password=hunter2 db", "mysqldump --password=‹password› db"),
        ("kubeadm join --token abcdef.0123456789abcdef", "kubeadm join --token ‹token›"),
        ("args: [\"--api-key\", \"abc123\"]", "args: [\"--api-key\", \"‹api-key›\"]"),
        ("config['api_key'] = 'abc123'", "config['api_key'] = '‹api_key›'"),
        ("secret => abc123", "secret => ‹secret›"),
        ("PASSWORD := abc123", "PASSWORD := ‹PASSWORD›"),
        ("the API key: abc-123 was used", "the API key: ‹API-key› was used"),
        ("a Private Key=abc123", "a Private Key=‹Private-Key›"),
        ("blob?sv=1&sig=abcdefghijklmnop%3D&se=2", "blob?sv=1&sig=‹sig›&se=2"),
        ("pass=hunter2", "pass=‹pass›"),
    ]);
}

#[test]
fn yaml_and_headers() {
    check(&[
        ("password: 12345678 bytes", "password: ‹password›"),
        ("password: 24 bytes hunter2", "password: ‹password›"),
        ("password: hunter2", "password: ‹password›"),
        ("  - password: correct horse battery # old", "  - password: ‹password› # old"),
        (
            "DEBUG config: user: bob password: hunter2 retries: 3",
            "DEBUG config: user: bob password: ‹password› retries: 3",
        ),
        ("password: |\n  line one\n  line two\nuser: bob\n", "password: |\n  ‹password›\nuser: bob\n"),
        ("- password: |-\n    one\n  user: bob", "- password: |-\n    ‹password›\n  user: bob"),
        ("Authorization: Bearer abcDEF123", "Authorization: Bearer ‹Authorization›"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic ‹authorization›"),
        ("Authorization: token 0123456789", "Authorization: token ‹Authorization›"),
        ("authorization=Bearer abc123 next", "authorization=Bearer ‹authorization› next"),
        (
            "{\"Authorization\":\"Bearer abc123\",\"x\":1}",
            "{\"Authorization\":\"Bearer ‹Authorization›\",\"x\":1}",
        ),
        (
            "curl -H 'Authorization: Bearer abc123' https://x",
            "curl -H 'Authorization: Bearer ‹Authorization›' https://x",
        ),
        ("sent Bearer abcDEF123456 to it", "sent Bearer ‹Bearer› to it"),
        ("sent basic dXNlcjpwYXNz to it", "sent basic ‹basic› to it"),
        ("Cookie: a=b; session=xyz", "Cookie: ‹Cookie›"),
        ("curl -H 'Cookie: a=b; c=d' x", "curl -H 'Cookie: ‹Cookie›' x"),
        ("Set-Cookie: id=a3fWa; Secure\r\nX: y", "Set-Cookie: ‹Set-Cookie›\r\nX: y"),
        ("X-Api-Key: abc123", "X-Api-Key: ‹X-Api-Key›"),
        ("client-key-data: LS0tLS1CRUdJTg==", "client-key-data: ‹client-key-data›"),
        ("    token: abc.def", "    token: ‹token›"),
        ("      DB_PASSWORD:  hunter2", "      DB_PASSWORD:  ‹DB_PASSWORD›"),
        (
            "- name: DB_PASSWORD\n  value: hunter2\n- name: A\n  value: b",
            "- name: DB_PASSWORD\n  value: ‹DB_PASSWORD›\n- name: A\n  value: b",
        ),
        ("- name: DB_PASSWORD\n  value: \"hunter2\"\n", "- name: DB_PASSWORD\n  value: \"‹DB_PASSWORD›\"\n"),
    ]);
}

#[test]
fn json_in_text() {
    check(&[
        (r#"{"password":"hunter2","user":"bob"}"#, r#"{"password":"‹password›","user":"bob"}"#),
        (r#"{"password": "a\"b,c", "n": 1}"#, r#"{"password": "‹password›", "n": 1}"#),
        (
            r#"{\"password\":\"hunter2\",\"user\":\"bob\"}"#,
            r#"{\"password\":\"‹password›\",\"user\":\"bob\"}"#,
        ),
        (r#"{\\\"token\\\": \\\"a\\\"}"#, r#"{\\\"token\\\": \\\"‹token›\\\"}"#),
        (
            r#""env":[{"name":"DB_PASSWORD","value":"x1"},{"name":"A","value":"b"}]"#,
            r#""env":[{"name":"DB_PASSWORD","value":"‹DB_PASSWORD›"},{"name":"A","value":"b"}]"#,
        ),
        (
            r#"{\"name\":\"DB_PASSWORD\",\"value\":\"x1\"}"#,
            r#"{\"name\":\"DB_PASSWORD\",\"value\":\"‹DB_PASSWORD›\"}"#,
        ),
        (r#"{"auths":{"r.io":{"auth":"dXNlcjpwYXNz"}}}"#, r#"{"auths":{"r.io":{"auth":"‹auth›"}}}"#),
        (r#"{"pin": 1, "client_secret": 12345}"#, r#"{"pin": 1, "client_secret": ‹client_secret›}"#),
        (
            r#"{Name:DB_PASSWORD Value:x1 ValueFrom:nil}"#,
            r#"{Name:DB_PASSWORD Value:‹DB_PASSWORD› ValueFrom:nil}"#,
        ),
    ]);
}

#[test]
fn addresses() {
    check(&[
        ("postgres://app:hunter2@db:5432/x", "postgres://app:‹password›@db:5432/x"),
        ("amqp://u:p@ss@mq/ and http://ok:80/@x", "amqp://u:‹password›@mq/ and http://ok:80/@x"),
        ("redis://:hunter2@cache:6379", "redis://:‹password›@cache:6379"),
        ("\"mongodb+srv://u:pa/ss@h/db?x=1\"", "\"mongodb+srv://u:‹password›@h/db?x=1\""),
        ("app:hunter2@tcp(db:3306)/x", "app:‹password›@tcp(db:3306)/x"),
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
    for (kind, token) in [
        ("jwt", jwt),
        ("aws-key", "AKIAIOSFODNN7EXAMPLE"),
        ("google-key", "AIzaSyA1234567890abcdefghijklmnopqrstuv"),
        ("github-token", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("github-token", "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuv"),
        ("gitlab-token", "glpat-abcdefghij0123456789"),
        ("slack-token", "xoxb-1234567890-abcdefghij"),
        ("stripe-key", concat!("sk_", "live_abcdefghijklmnop")),
        ("openai-key", "sk-proj-abcdefghijklmnopqrst"),
        ("anthropic-key", "sk-ant-api03-abcdefghijklmnop"),
        ("openai-key", "sk-test-CANARY-7f3a91c2d4"),
        ("openai-key", "sk-abcdefghijklmnopqrstuvwx"),
        ("npm-token", "npm_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("pypi-token", "pypi-AgEIcHlwaS5vcmcabcdef"),
        ("sendgrid-key", "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz"),
        ("vault-token", "hvs.CAESIabcdefghijklmnopqrstuv"),
        ("telegram-token", "123456789:AAabcdefghijklmnopqrstuvwxyz0123456"),
        ("discord-token", "MTE5ODc2NTQzMjEwOTg3NjU0.GabcdE.abcdefghijklmnopqrstuvwxyz0123"),
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
            let text = short(&masked(&format!("{before}{token}{after}")));
            let name = text.strip_prefix(before).and_then(|text| text.strip_suffix(after));
            assert_eq!(name, Some(format!("‹{kind}›").as_str()), "{before}{token}{after}");
        }
        assert!(!masked(&format!("{}{token}{}", "x ".repeat(100), " y".repeat(100))).contains(token));
    }
    check(&[
        (
            "id AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMP1KEY",
            "id ‹aws-key› and ‹aws-secret›",
        ),
        (
            "https://hooks.slack.com/services/T0001/B0001/XXXXabcd1234",
            "https://hooks.slack.com/services/T0001/B0001/‹slack-webhook›",
        ),
        ("the token is Zx81kQ9vT3mN7pL2wR5y, keep it", "the token is ‹token›, keep it"),
    ]);
}

#[test]
fn private_keys() {
    let body = "MIIEowIBAAKCAQEA\nabc+/def==";
    check(&[
        (
            &format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\nafter"),
            "-----BEGIN RSA PRIVATE KEY-----\n‹private-key›\n-----END RSA PRIVATE KEY-----\nafter",
        ),
        (
            "x -----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n y",
            "x -----BEGIN PRIVATE KEY-----‹private-key›-----END PRIVATE KEY-----\\n y",
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----\nMIIE\nabcd\nnot of the key.",
            "-----BEGIN EC PRIVATE KEY-----\n‹private-key›\nnot of the key.",
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
            "apiVersion: v1\ndata:\n  user: ‹user›\n  x: |\n    ‹data›\nkind: Secret\nmetadata:\n  name: a\n---\nkind: ConfigMap\ndata:\n  a: b\n",
        ),
        (
            "items:\n- apiVersion: v1\n  data:\n    a: Yg==\n  kind: Secret\n- apiVersion: v1\n  data:\n    a: b\n  kind: ConfigMap\n",
            "items:\n- apiVersion: v1\n  data:\n    a: ‹a›\n  kind: Secret\n- apiVersion: v1\n  data:\n    a: b\n  kind: ConfigMap\n",
        ),
        ("kind: Secret\nstringData: {a: b}\ntype: Opaque", "kind: Secret\nstringData: ‹data›\ntype: Opaque"),
        (
            r#"[{"kind":"Secret","data":{"a":"Yg=="},"metadata":{"name":"n"}},{"kind":"ConfigMap","data":{"a":"b"}}]"#,
            r#"[{"kind":"Secret","data":{"a":"‹a›"},"metadata":{"name":"n"}},{"kind":"ConfigMap","data":{"a":"b"}}]"#,
        ),
        (
            r#"{"x": "{\"data\":{\"a\":\"Yg==\"},\"kind\":\"Secret\"}", "data": {"a": "b"}}"#,
            r#"{"x": "{\"data\":{\"a\":\"‹a›\"},\"kind\":\"Secret\"}", "data": {"a": "b"}}"#,
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
        "- --use-service-account-credentials\n# the flags\n- --v=2",
        "    Args:\n      --use-service-account-credentials\n    State: Running",
        "kubeadm-k8s-io-v1beta2-DNSAddOnType https://docs.example.com/document/d/x/edit",
        "node-csr-c69HXe7aYcqkS1bKmH4faEnHAWxn6i2bHZ2mD04jZyQ approved",
        "ownerReferences:\n- kind: Secret\n  name: x\n",
    ]);
}

#[test]
fn objects_of_kubernetes() {
    let shown = |value: Value| -> Value {
        serde_json::from_str(&short(&RedactedJson::new(value).to_string())).unwrap()
    };
    let last = "kubectl.kubernetes.io/last-applied-configuration";
    let secret = json!({ "kind": "Secret", "data": { "user": "Ym9i", "empty": "" }, "stringData": { "a": "b" },
        "metadata": { "name": "db", "annotations": { last: "{\"stringData\":{\"a\":\"b\"}}", "team": "x" } } });
    assert_eq!(
        shown(secret),
        json!({ "kind": "Secret", "data": { "user": "‹user›", "empty": "" }, "stringData": { "a": "‹a›" },
        "metadata": { "name": "db", "annotations": { "team": "x" } } })
    );
    let item = json!({ "metadata": { "name": "a" }, "data": { "a": "Yg==" }, "type": "Opaque" });
    assert_eq!(shown(json!({ "items": [item] }))["items"][0]["data"]["a"], "‹a›");
    let item = json!({ "metadata": { "name": "a" }, "data": { "a": "Yg==" } });
    assert_eq!(shown(json!({ "kind": "SecretList", "items": [item] }))["items"][0]["data"]["a"], "‹a›");
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
        { "name": "DB_PASSWORD", "value": "‹DB_PASSWORD›" },
        { "name": "DB_PASSWORD", "value": "$(OTHER)" },
        { "name": "DB_PASSWORD", "valueFrom": { "secretKeyRef": { "name": "stripe-credentials", "key": "api-key" } } },
        { "name": "DB_HOST", "value": "db" } ],
        "args": ["--password", "‹password›", "--token=‹token›", "--user", "bob"],
        "volumes": [{ "secret": { "secretName": "x" } }], "imagePullSecrets": [{ "name": "regcred" }], "token": 7 })
    );

    let applied =
        json!({ "kind": "Deployment", "env": [{ "name": "DB_PASSWORD", "value": "hunter2" }], "n": 1 });
    let deployment = json!({ "metadata": { "annotations": { last: applied.to_string() } } });
    let shown_applied = shown(deployment)["metadata"]["annotations"][last].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&shown_applied).unwrap()["env"][0]["value"], "‹DB_PASSWORD›");
    let headers = shown(
        json!({ "Authorization": "Bearer abc123", "cookie": "a=b", "auth": "dXNlcjpwYXNz", "secretKey": "password" }),
    );
    assert_eq!(
        headers,
        json!({ "Authorization": "Bearer ‹Authorization›", "cookie": "‹cookie›", "auth": "‹auth›", "secretKey": "password" })
    );
}

#[test]
fn reading_back_masks_again() {
    let read: Redacted = serde_json::from_str("\"password=hunter2\"").unwrap();
    assert_eq!(short(&read), "password=‹password›");
    let read: RedactedJson = serde_json::from_str(r#"{"password":"hunter2"}"#).unwrap();
    assert_eq!(short(&read.to_string()), r#"{"password":"‹password›"}"#);
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
            "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[redacted]", "[redacted", "redacted]",
            "‹secret:DB_PASSWORD#1›", "‹secret:a#abcd›", "‹secret:", "‹secret:a#ab", "#1›", "›", "MIIEabc", "hunter2", "é", "🦀",
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
    fn numbers_change_nothing_in_what_is_masked(text in soup()) {
        let once = masked(&text);
        let known = unnumbered(&once).into_iter().zip(1..).map(|(one, n)| (one.tag, (n, one.name))).collect();
        let with_numbers = numbered(&once, &known).into_owned();
        prop_assert_eq!(masked(&with_numbers), with_numbers);
    }

    #[test]
    fn any_text_can_be_masked(text in "\\PC*") {
        let once = masked(&text);
        prop_assert_eq!(masked(&once), once);
    }

    #[test]
    fn no_round_is_the_last_resort(text in soup()) {
        prop_assert!(!short(&masked(&text)).starts_with("‹text›") || text.len() < 200);
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
    assert_eq!(short(&pieces.push("Next line\nand ")), "password=‹password› is wrong\nNext line\nand ");
    let (rest, whole) = pieces.finish();
    assert_eq!(rest.as_str(), "");
    assert_eq!(short(&whole), "The pod cannot start: its password=‹password› is wrong\nNext line\nand ");
}

#[test]
fn configured_patterns_are_masked_and_allowed_values_are_not() {
    // Settings are set once per process; here they are asked directly.
    let config = Config {
        patterns: vec![r"ACME-\d{4}".into(), r"pin (\d+)".into(), r"badge (?P<badge>\d+)".into()],
        allow: vec!["hunter2|changeme".into()],
    };
    let rules = Rules::new(&config).unwrap();
    let settings: &'static settings::Settings = Box::leak(Box::new(settings::Settings::of([7; 32], rules)));
    let shown = |text: &str| short(&masking::Masking::of(text, settings).finish().0);
    for (text, expected) in [
        ("id ACME-1234, pin 99 and badge 7\nACME-", "id ‹pattern›, pin ‹pattern› and badge ‹badge›\nACME-"),
        ("password=hunter2", "password=hunter2"),
        ("password=hunter22", "password=‹password›"),
        ("postgres://app:changeme@db/x", "postgres://app:changeme@db/x"),
    ] {
        assert_eq!(shown(text), expected);
        assert_eq!(short(&masking::Masking::of(&shown(text), settings).finish().0), expected);
    }
}

/// What is seen of a secret wherever it stands.
fn placeholders(text: &str) -> Vec<String> {
    let placeholder = Regex::new("‹secret:[0-9A-Za-z_.-]+#([a-z2-7]{4})›").unwrap();
    placeholder.captures_iter(&masked(text)).map(|found| found[1].to_owned()).collect()
}

#[test]
fn the_same_secret_is_the_same_placeholder_and_another_is_another() {
    let seen = [
        "DB_PASSWORD=hunter2-hunter2",
        "- name: PGPASSWORD\n  value: hunter2-hunter2\n",
        "postgres://app:hunter2-hunter2@db/x",
        "kind: Secret\ndata:\n  password: aHVudGVyMi1odW50ZXIy\n",
        r#"{"password": "hunter2-hunter2"}"#,
    ];
    let tags: Vec<Vec<String>> = seen.iter().map(|text| placeholders(text)).collect();
    assert!(tags.iter().all(|tag| tag.len() == 1 && *tag == tags[0]), "{tags:?}");
    let other = placeholders("DB_PASSWORD=hunter2-hunter3");
    assert!(other.len() == 1 && other != tags[0], "{other:?}");
    let json = RedactedJson::new(json!({ "kind": "Secret", "data": { "a": "aHVudGVyMi1odW50ZXIy" } }));
    assert!(json.to_string().contains(&tags[0][0]), "{json:?} {tags:?}");
}

#[test]
fn a_name_never_shows_what_is_masked() {
    let token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    for text in [
        format!("{token}_token=hunter2"),
        format!("{token}-password: hunter2"),
        format!("password={token}_token=hunter2"),
        format!("{{\"{token}_password\": \"hunter2\"}}"),
    ] {
        let masked = masked(&text);
        assert!(!masked.contains("ghp_") && !masked.contains("hunter2"), "{masked}");
    }
    let json =
        RedactedJson::new(json!({ "env": [{ "name": format!("{token}_PASSWORD"), "value": "hunter2" }] }));
    assert!(!json.to_string().contains("ghp_"), "{json:?}");
}

#[test]
fn what_a_capture_hid_is_no_secret() {
    let hidden = "W3JlZGFjdGVkXQ=="; // [redacted]
    let secret = RedactedJson::new(json!({ "kind": "Secret", "data": { "a": hidden, "b": "[redacted]" } }));
    assert_eq!(secret.0, json!({ "kind": "Secret", "data": { "a": "[redacted]", "b": "[redacted]" } }));
    assert_eq!(
        masked(&format!("kind: Secret\ndata:\n  a: {hidden}\n")),
        "kind: Secret\ndata:\n  a: [redacted]\n"
    );
    untouched(&[
        "password: [redacted]",
        "postgres://app:[redacted]@db/x",
        "DB_PASSWORD=‹secret:DB_PASSWORD#1›",
    ]);
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
