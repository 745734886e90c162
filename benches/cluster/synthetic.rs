//! Writes a recorded cluster of any size: the practice cluster's objects many times over, under other names, with the
//! `managedFields` that a live server sends. Of 25 apps one crashes, one runs with a fault, the others are well.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use serde_json::{Map, Value, json};

const PODS_OF_AN_APP: usize = 10;
const APPS_OF_A_NAMESPACE: usize = 10;
/// Of the practice cluster's events of one pod, those that every pod gets.
const EVENTS_OF_A_POD: usize = 4;

/// The namespace of an app.
pub fn namespace(app: usize) -> String {
    format!("team-{:04}", app / APPS_OF_A_NAMESPACE)
}

#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Well,
    Faulty,
    Crashing,
}

fn condition(app: usize) -> Condition {
    match app % 25 {
        7 => Condition::Faulty,
        13 => Condition::Crashing,
        _ => Condition::Well,
    }
}

/// The rows of one file of the practice cluster, and where they came from.
struct Table {
    whole: Value,
    path: String,
}

impl Table {
    fn read(practice: &Path, path: &str) -> Self {
        let path = format!("resources/{path}.json");
        let whole = serde_json::from_slice(&fs::read(practice.join(&path)).unwrap()).unwrap();
        Self { whole, path }
    }

    fn rows(&self) -> &[Value] {
        self.whole["rows"].as_array().unwrap()
    }

    /// The row of the object whose name begins so.
    fn row(&self, begins: &str) -> Value {
        let named = |row: &&Value| row["object"]["metadata"]["name"].as_str().unwrap().starts_with(begins);
        self.rows().iter().find(named).unwrap_or_else(|| panic!("no {begins} in {}", self.path)).clone()
    }

    /// Writes the table with these rows after its own.
    fn write(&self, folder: &Path, rows: impl Iterator<Item = String>) {
        let path = folder.join(&self.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = BufWriter::new(File::create(path).unwrap());
        let mut head = self.whole.clone();
        head.as_object_mut().unwrap().remove("rows");
        let head = head.to_string();
        write!(file, "{},\"rows\":[", head.strip_suffix('}').unwrap()).unwrap();
        let own = self.rows().iter().map(Value::to_string);
        for (n, row) in own.chain(rows).enumerate() {
            write!(file, "{}{row}", if n == 0 { "\n" } else { ",\n" }).unwrap();
        }
        write!(file, "\n]}}").unwrap();
        file.flush().unwrap();
    }
}

/// Turns a row's template into the text of a row.
struct Renaming {
    app: usize,
    pod: usize,
    template: &'static str,
}

impl Renaming {
    fn text(&self, row: &Value) -> String {
        let namespace = namespace(self.app);
        let name = format!("app-{:05}", self.app);
        let text = row.to_string();
        let old_pod = text
            .split(['"', '/', '.', ' '])
            .find(|word| word.starts_with(self.template) && word.split('-').count() == 4)
            .map(str::to_owned);
        let mut text = match old_pod {
            Some(old) => {
                let generated = old.rsplit_once('-').unwrap().0.replace(self.template, &name);
                text.replace(&old, &format!("{generated}-{:05}", self.pod))
            }
            None => text,
        };
        text = text.replace(self.template, &name).replace("\"default\"", &format!("\"{namespace}\""));
        text.replace(" default/", &format!(" {namespace}/")).replace("10.244.0.", &self.network())
    }

    fn network(&self) -> String {
        let number = self.app * PODS_OF_AN_APP + self.pod;
        format!("10.{}.{}.", 64 + number / 250, number % 250)
    }

    /// `text` with the id of a template's object made that of this app's, or this pod's: references still fit.
    fn own(&self, text: &str, id: &str, of_pod: bool) -> String {
        let number = self.app * 100 + if of_pod { self.pod + 1 } else { 0 };
        text.replace(id, &format!("{}{number:012x}", &id[..24]))
    }
}

fn id(row: &Value) -> String {
    row["object"]["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// What a live server keeps for each object, and sends with it.
fn with_managed_fields(row: &mut Value) {
    let fields =
        |value: &Value| json!({ "f:spec": owned(&value["spec"]), "f:status": owned(&value["status"]) });
    let object = &row["object"];
    let entry = |manager: &str, fields: Value| {
        json!({"manager": manager, "operation": "Update", "apiVersion": object["apiVersion"],
            "time": object["metadata"]["creationTimestamp"], "fieldsType": "FieldsV1", "fieldsV1": fields})
    };
    let managed = json!([
        entry("kube-controller-manager", fields(object)),
        entry("kubelet", owned(&object["metadata"]))
    ]);
    row["object"]["metadata"]["managedFields"] = managed;
}

fn owned(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (format!("f:{key}"), owned(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items
            .iter()
            .filter(|item| item.is_object())
            .map(|item| (json!({"name": item["name"]}).to_string(), owned(item)))
            .map(|(key, value)| (format!("k:{key}"), value))
            .collect::<Map<_, _>>()
            .into(),
        _ => json!({}),
    }
}

/// Makes the fault of the practice cluster's app go away.
fn mended(row: &Value) -> Value {
    let text = row.to_string().replace("localhost:9000", "localhost:9090").replace("/catalogue", "/catalog");
    serde_json::from_str(&text).unwrap()
}

/// What the apps are made from.
struct Templates {
    faulty: Value,
    crashing: Value,
    well: Value,
}

impl Templates {
    fn of(table: &Table) -> Self {
        Self::named(table, "faulty-app", "crashloop-app")
    }

    fn named(table: &Table, faulty: &str, crashing: &str) -> Self {
        let [mut faulty, mut crashing] = [table.row(faulty), table.row(crashing)];
        with_managed_fields(&mut faulty);
        with_managed_fields(&mut crashing);
        Self { well: mended(&faulty), faulty, crashing }
    }

    fn get(&self, app: usize) -> (&Value, &'static str) {
        match condition(app) {
            Condition::Well => (&self.well, "faulty-app"),
            Condition::Faulty => (&self.faulty, "faulty-app"),
            Condition::Crashing => (&self.crashing, "crashloop-app"),
        }
    }

    /// One row for each pod of each app.
    fn each_pod(&self, apps: usize) -> impl Iterator<Item = (&Value, Renaming)> {
        (0..apps).flat_map(move |app| {
            let (row, template) = self.get(app);
            (0..PODS_OF_AN_APP).map(move |pod| (row, Renaming { app, pod, template }))
        })
    }

    fn each_app(&self, apps: usize) -> impl Iterator<Item = (&Value, Renaming)> {
        (0..apps).map(move |app| {
            let (row, template) = self.get(app);
            (row, Renaming { app, pod: 0, template })
        })
    }
}

/// Writes a snapshot with so many pods, a tenth as many Deployments and Services, and four times as many events.
pub fn write(folder: &Path, pods: usize) {
    let practice = Path::new(env!("CARGO_MANIFEST_DIR")).join("k3d-cluster/snapshot");
    copy(&practice, folder);
    let apps = pods / PODS_OF_AN_APP;
    let table = |path: &str| Table::read(&practice, path);
    let [deployments, replica_sets] =
        ["deployments", "replicasets"].map(|kind| table(&format!("apps/v1/{kind}")));
    let pod_table = table("core/v1/pods");
    let ids: Vec<String> = ["faulty-app", "crashloop-app"]
        .iter()
        .flat_map(|name| [&deployments, &replica_sets].map(|table| id(&table.row(name))))
        .collect();
    let pod_ids: Vec<String> = ["faulty-app", "crashloop-app"].map(|name| id(&pod_table.row(name))).to_vec();
    let finish = |row: &Value, renaming: &Renaming| {
        let text = ids.iter().fold(renaming.text(row), |text, id| renaming.own(&text, id, false));
        pod_ids.iter().fold(text, |text, id| renaming.own(&text, id, true))
    };

    let pods_of = Templates::of(&pod_table);
    pod_table.write(folder, pods_of.each_pod(apps).map(|(row, renaming)| finish(row, &renaming)));
    for table in [&deployments, &replica_sets] {
        let mut of = Templates::of(table);
        for row in [&mut of.faulty, &mut of.well, &mut of.crashing] {
            scale(&mut row["object"]);
        }
        table.write(folder, of.each_app(apps).map(|(row, renaming)| finish(row, &renaming)));
    }
    let config_maps = table("core/v1/configmaps");
    let of = Templates::named(&config_maps, "faulty-app-catalog", "crashloop-app-config");
    config_maps.write(folder, of.each_app(apps).map(|(row, renaming)| finish(row, &renaming)));
    write_services(folder, &practice, apps, &finish);
    write_events(folder, &practice, apps, &finish);
    write_namespaces(folder, &practice, apps);
    write_logs(folder, &practice, apps);
}

fn scale(object: &mut Value) {
    object["spec"]["replicas"] = PODS_OF_AN_APP.into();
    let names = [
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "fullyLabeledReplicas",
        "unavailableReplicas",
    ];
    for name in names {
        if object["status"][name].is_number() {
            object["status"][name] = PODS_OF_AN_APP.into();
        }
    }
}

fn write_services(folder: &Path, practice: &Path, apps: usize, finish: &dyn Fn(&Value, &Renaming) -> String) {
    let with_service = || (0..apps).filter(|app| condition(*app) != Condition::Crashing);
    let renaming = |app| Renaming { app, pod: 0, template: "faulty-app" };
    let services = Table::read(practice, "core/v1/services");
    let mut service = services.row("faulty-app");
    with_managed_fields(&mut service);
    services.write(folder, with_service().map(|app| finish(&service, &renaming(app))));
    let slices = Table::read(practice, "discovery.k8s.io/v1/endpointslices");
    let mut slice = slices.row("faulty-app");
    with_managed_fields(&mut slice);
    let endpoint = slice["object"]["endpoints"][0].clone();
    let rows = with_service().map(|app| {
        let endpoints = (0..PODS_OF_AN_APP)
            .map(|pod| finish(&endpoint, &Renaming { app, pod, template: "faulty-app" }))
            .map(|text| serde_json::from_str(&text).unwrap());
        let mut slice = slice.clone();
        slice["object"]["endpoints"] = Value::Array(endpoints.collect());
        finish(&slice, &renaming(app))
    });
    slices.write(folder, rows);
}

fn write_events(folder: &Path, practice: &Path, apps: usize, finish: &dyn Fn(&Value, &Renaming) -> String) {
    let events = Table::read(practice, "core/v1/events");
    let of = |pod: &str| {
        let mut rows: Vec<Value> = events
            .rows()
            .iter()
            .filter(|row| row["object"]["involvedObject"]["name"].as_str().unwrap().starts_with(pod))
            .filter(|row| row["object"]["involvedObject"]["kind"] == "Pod")
            .cloned()
            .collect();
        // The ones that say what is wrong are among them.
        rows.sort_by_key(|row| row["object"]["type"] == "Normal");
        rows.truncate(EVENTS_OF_A_POD);
        rows.iter_mut().for_each(with_managed_fields);
        rows
    };
    let (plain, crashing) = (of("faulty-app"), of("crashloop-app"));
    let rows = (0..apps).flat_map(|app| {
        let (rows, template) = match condition(app) {
            Condition::Crashing => (&crashing, "crashloop-app"),
            _ => (&plain, "faulty-app"),
        };
        let each = (0..PODS_OF_AN_APP).flat_map(move |pod| rows.iter().map(move |row| (row, pod)));
        each.map(move |(row, pod)| finish(row, &Renaming { app, pod, template }))
    });
    events.write(folder, rows);
}

fn write_namespaces(folder: &Path, practice: &Path, apps: usize) {
    let namespaces = Table::read(practice, "core/v1/namespaces");
    let default = namespaces.row("default").to_string();
    let rows = (0..apps).step_by(APPS_OF_A_NAMESPACE).map(namespace);
    namespaces.write(folder, rows.map(|name| default.replace("\"default\"", &format!("\"{name}\""))));
}

/// Logs of every pod that crashes, and of one pod of every other app.
fn write_logs(folder: &Path, practice: &Path, apps: usize) {
    let log = |template: &str, name: &str| {
        let mut pods = fs::read_dir(practice.join("logs/default")).unwrap().map(|pod| pod.unwrap().path());
        let pod = pods.find(|pod| pod.file_name().unwrap().to_string_lossy().starts_with(template)).unwrap();
        fs::read_to_string(pod.join(name)).unwrap()
    };
    let hash = |template: &str| {
        let pods = Table::read(practice, "core/v1/pods").row(template);
        pods["object"]["metadata"]["labels"]["pod-template-hash"].as_str().unwrap().to_owned()
    };
    let crashing = [
        ("worker.log", log("crashloop", "worker.log")),
        ("worker.previous.log", log("crashloop", "worker.previous.log")),
    ];
    let faulty = [("web.log", log("faulty", "web.log")), ("api.log", log("faulty", "api.log"))];
    let well = [("web.log", String::new()), ("api.log", String::new())];
    let hashes = [hash("faulty"), hash("crashloop")];
    for app in 0..apps {
        let (pods, files, hash) = match condition(app) {
            Condition::Crashing => (PODS_OF_AN_APP, &crashing, &hashes[1]),
            Condition::Faulty => (1, &faulty, &hashes[0]),
            Condition::Well => (1, &well, &hashes[0]),
        };
        for pod in 0..pods {
            let place = folder.join(format!("logs/{}/app-{app:05}-{hash}-{pod:05}", namespace(app)));
            fs::create_dir_all(&place).unwrap();
            for (name, text) in files {
                fs::write(place.join(name), text).unwrap();
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
