//! Copies of recorded clusters with invented secrets in every place where clusters have them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// What every planted secret has in it, and nothing else.
const MARK: &str = "kanari7z";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A recorded cluster with secrets in it.
pub struct Planted {
    folder: tempfile::TempDir,
    /// How many secrets.
    pub secrets: usize,
}

impl Planted {
    /// Copies the snapshot at `from`, and plants.
    pub fn of(from: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("snapshot");
        copy_folder(from, &copy);
        if let Some(base) =
            from.parent().and_then(Path::parent).map(|root| root.join("_base")).filter(|b| b.is_dir())
        {
            std::os::unix::fs::symlink(base, folder.path().join("_base")).unwrap();
        }
        let mut planted = Self { folder, secrets: 0 };
        for path in files(&copy) {
            let name = path.to_string_lossy().into_owned();
            if name.ends_with(".log") {
                let log = fs::read_to_string(&path).unwrap() + &planted.log_lines();
                fs::write(&path, log).unwrap();
            } else if name.contains("/resources/") && name.ends_with(".json") {
                let mut table: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                planted.plant(&mut table);
                fs::write(&path, table.to_string()).unwrap();
            }
        }
        planted
    }

    /// The folder to open.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("snapshot")
    }

    /// A new secret.
    pub fn secret(&mut self) -> String {
        self.secrets += 1;
        format!("Zq8-{MARK}-{:04}", self.secrets)
    }

    fn plant(&mut self, table: &mut Value) {
        let own = |row: &Value| row["object"]["metadata"]["namespace"] != "kube-system";
        for row in table["rows"].as_array_mut().into_iter().flatten().filter(|row| own(row)) {
            let object = &mut row["object"];
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            match kind.as_str() {
                "Pod" => self.pod(&mut object["spec"]),
                "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => {
                    self.pod(&mut object["spec"]["template"]["spec"]);
                    self.applied(object);
                }
                "ConfigMap" => self.config_map(object),
                "Secret" => {
                    object["data"]["planted"] = base64(&self.secret()).into();
                    self.applied(object);
                }
                "Event" => {
                    let message = object["message"].as_str().unwrap_or_default();
                    let said = format!("{message} (postgres://app:{}@db/x)", self.secret());
                    object["message"] = said.clone().into();
                    if let Some(cell) = row["cells"].as_array_mut().and_then(|cells| cells.get_mut(4)) {
                        *cell = said.into();
                    }
                }
                "Service" | "Ingress" => self.applied(object),
                _ => {}
            }
        }
        if table["rows"].as_array().is_some_and(Vec::is_empty)
            && table["columnDefinitions"][2]["name"] == "Data"
        {
            let (password, token) = (self.secret(), self.secret());
            let object = json!({ "kind": "Secret", "apiVersion": "v1", "type": "Opaque",
                "metadata": { "name": "db-creds", "namespace": "default", "uid": "u-1", "resourceVersion": "1",
                    "creationTimestamp": "2026-11-23T02:00:00Z" },
                "data": { "password": base64(&password), "anything": base64(&token) } });
            table["rows"] = json!([{ "cells": ["db-creds", "Opaque", 2, "1h"], "object": object }]);
        }
    }

    fn pod(&mut self, spec: &mut Value) {
        for container in spec["containers"].as_array_mut().into_iter().flatten() {
            let shared = format!("Zq8-{MARK}-shared");
            let env = json!([
                { "name": "DB_PASSWORD", "value": shared },
                { "name": "STRIPE_API_KEY", "value": self.secret() },
                { "name": "DATABASE_URL", "value": format!("postgresql://app:{}@db:5432/x", self.secret()) },
                { "name": "ADO", "value": format!("Server=db;User Id=sa;Password={};", self.secret()) },
                { "name": "CI", "value": format!("ghp_{MARK}{}", "a1B2c3D4e5F6g7H8i9J0") },
            ]);
            append(&mut container["env"], env);
            append(
                &mut container["args"],
                json!([format!("--api-key={}", self.secret()), "--auth-token", self.secret()]),
            );
        }
    }

    /// The manifest as `kubectl apply` keeps it.
    fn applied(&mut self, object: &mut Value) {
        let env = json!([{ "name": "SMTP_PASSWORD", "value": self.secret() }]);
        let data = if object["kind"] == "Secret" { json!({ "a": self.secret() }) } else { json!({}) };
        let manifest = json!({ "kind": object["kind"], "stringData": data,
            "spec": { "containers": [{ "env": env }] }, "password": self.secret() });
        object["metadata"]["annotations"][LAST_APPLIED] = manifest.to_string().into();
        object["metadata"]["annotations"]["example.com/api-token"] = self.secret().into();
    }

    fn config_map(&mut self, object: &mut Value) {
        if object["data"].as_object().is_some_and(|data| data.contains_key("ca.crt")) {
            return;
        }
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: {}\n    password: {}\n    client-key-data: {}\n",
            self.secret(),
            self.secret(),
            base64(&self.secret())
        );
        let registry = json!({ "auths": { "r.io": { "username": "bot", "password": self.secret(),
            "auth": base64(&format!("bot:{}", self.secret())) } } });
        let google = json!({ "type": "service_account", "private_key":
            format!("-----BEGIN PRIVATE KEY-----\nMIIE{}\n-----END PRIVATE KEY-----\n", MARK.repeat(8)) });
        let properties = format!("db.password={}\nurl=amqp://app:{}@mq/x\n", self.secret(), self.secret());
        let encoded = base64(&registry.to_string());
        for (name, text) in [
            ("kubeconfig", kubeconfig),
            ("registry.json", registry.to_string()),
            ("google.json", google.to_string()),
            ("app.properties", properties),
            ("registry", encoded),
            ("redis.conf", format!("requirepass {}\n", self.secret())),
        ] {
            object["data"][name] = text.into();
        }
    }

    fn log_lines(&mut self) -> String {
        let lines = [
            format!("> Authorization: Bearer {}", self.secret()),
            format!("Cookie: theme=dark; session={}", self.secret()),
            format!("Set-Cookie: sid={}; HttpOnly", self.secret()),
            format!("X-Api-Key: {}", self.secret()),
            format!("{{\"level\":\"error\",\"password\":\"{}\"}}", self.secret()),
            format!("ERROR cannot connect to mongodb://app:{}@mongo:27017/x", self.secret()),
            format!("ERROR dsn app:{}@tcp(db:3306)/x refused", self.secret()),
            format!("GET /cb?access_token={}&state=1 500", self.secret()),
            format!("FATAL: password authentication failed, DB_PASSWORD=Zq8-{MARK}-shared"),
            format!("aws AKIA{}AAAAAAAA", MARK.to_uppercase()),
            format!(
                "jwt eyJhbGciOiJub25lIn0.{}.{MARK}sig",
                base64(&format!("{{\"sub\":\"{MARK}\"}}")).trim_end_matches('=')
            ),
        ];
        lines.iter().map(|line| format!("2026-11-23T03:29:59.000000001Z {line}\n")).collect()
    }
}

/// How often something planted can be read in `text`, in plain or in Base64.
pub fn seen(text: &str) -> usize {
    let in_base64 = (0..3).map(|lead| {
        let all = base64(&format!("{}{MARK}", "x".repeat(lead)));
        // Without the letters that what stands before and behind has a share in.
        let end = (lead + MARK.len()) * 8 / 6;
        all[(lead * 8).div_ceil(6)..end].to_owned()
    });
    let lower = text.to_lowercase();
    lower.matches(MARK).count() + in_base64.map(|form| text.matches(&form).count()).sum::<usize>()
}

fn append(list: &mut Value, more: Value) {
    let mut all = list.as_array().cloned().unwrap_or_default();
    if let Value::Array(more) = more {
        all.extend(more);
    }
    *list = Value::Array(all);
}

fn base64(text: &str) -> String {
    serde_json::to_value(k8s_openapi::ByteString(text.into())).unwrap().as_str().unwrap().to_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    super::files(folder, &mut found);
    found.sort();
    found
}
