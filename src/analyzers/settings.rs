//! Where a container gets its settings from: environment, command line and mounted ConfigMaps, and which object one
//! would change to change one. Knows no rule.

use k8s_openapi::api::core::v1::{ConfigMap, EnvVar, PodSpec, Volume, VolumeMount};

use crate::{cluster::state::SecretKeys, finding::Resource};

use super::{
    change::Change,
    index::{ContainerView, Index, Workload, name, shell_word},
};

/// Who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A value in the pod spec's `env`.
    Env,
    /// A key of a ConfigMap that becomes an environment variable.
    MapKey { map: String, key: String },
    /// A key of a Secret that becomes an environment variable; its value is not known.
    SecretKey { secret: String, key: String },
    /// A word of the command line.
    Argument,
    /// A file that a mounted ConfigMap provides.
    File { map: String, key: String },
}

/// One thing that a container is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// The variable, the path of the file, or `command` and `args`.
    pub(super) name: String,
    /// Its value or the whole text of the file; empty where it is secret.
    pub(super) value: String,
    pub(super) origin: Origin,
}

impl Setting {
    /// The object to change.
    pub(super) fn holder(&self, view: &ContainerView<'_>) -> Resource {
        match &self.origin {
            Origin::Env | Origin::Argument => view.owner.clone(),
            Origin::MapKey { map, .. } | Origin::File { map, .. } => {
                Resource::namespaced("ConfigMap", view.namespace(), map)
            }
            Origin::SecretKey { secret, .. } => Resource::namespaced("Secret", view.namespace(), secret),
        }
    }

    pub(super) fn is_in_config_map(&self) -> bool {
        matches!(self.origin, Origin::MapKey { .. } | Origin::File { .. })
    }

    /// Where the value stands, as evidence names it.
    pub(super) fn source(&self, view: &ContainerView<'_>) -> String {
        match &self.origin {
            Origin::Env => view.field(&format!("env[{}]", self.name)),
            Origin::Argument => view.field(&self.name),
            Origin::MapKey { key, .. } | Origin::File { key, .. } | Origin::SecretKey { key, .. } => {
                format!("{} data[{key}]", self.holder(view))
            }
        }
    }

    /// What stands there: `NAME=value`, or the line of the file that has `word` in it.
    pub(super) fn quote(&self, word: &str) -> String {
        match &self.origin {
            Origin::File { .. } | Origin::Argument => {
                let line = self.value.lines().find(|line| mentions(line, word));
                line.map_or_else(|| self.value.lines().next().unwrap_or_default(), str::trim).to_owned()
            }
            Origin::Env => format!("{}={}", self.name, self.value),
            Origin::MapKey { key, .. } | Origin::SecretKey { key, .. } => format!("{key}: {}", self.value),
        }
    }

    /// The shell lines that put `right` in the place of `wrong`.
    pub(super) fn correction(
        &self,
        index: &Index<'_>,
        view: &ContainerView<'_>,
        wrong: &str,
        right: &str,
    ) -> Change {
        let space = view.namespace();
        match &self.origin {
            Origin::Env => Change::set_env(view, &self.name, &replace(&self.value, wrong, right)),
            Origin::MapKey { map, key } => {
                let data = serde_json::json!({"data": {key: replace(&self.value, wrong, right)}});
                Change::merge(&self.holder(view), &data).then(restart(index, space, map))
            }
            Origin::File { map, key } => {
                let line = self.quote(wrong);
                let text = self.value.replacen(&line, &replace(&line, wrong, right), 1);
                let swap = format!("s|{}|{}|", escape(&line), replace(&line, wrong, right));
                let command = format!(
                    "kubectl -n {space} get configmap {map} -o yaml | sed {} | kubectl apply -f -",
                    shell_word(&swap),
                );
                Change::merge(&self.holder(view), &serde_json::json!({"data": {key: text}}))
                    .told_as(command)
                    .then(restart(index, space, map))
            }
            Origin::Argument | Origin::SecretKey { .. } => Change::default(),
        }
    }
}

fn escape(line: &str) -> String {
    line.chars()
        .flat_map(|letter| (r".*[]^$\|".contains(letter)).then_some('\\').into_iter().chain([letter]))
        .collect()
}

/// The second line of a ConfigMap's correction: processes read such values when they start.
fn restart(index: &Index<'_>, space: &str, map: &str) -> Change {
    let users = config_map_users(index, space, map);
    Change::restart(index, &users)
}

/// The workloads whose pods use that ConfigMap.
pub(super) fn config_map_users(index: &Index<'_>, space: &str, map: &str) -> Vec<Resource> {
    let uses = |workload: &&Workload<'_>| {
        workload.namespace() == space && config_maps_of(workload.pod).iter().any(|used| used == map)
    };
    index.workloads().iter().filter(uses).map(|workload| workload.resource.clone()).collect()
}

fn config_maps_of(spec: &PodSpec) -> Vec<String> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let mut maps: Vec<String> = spec.volumes.iter().flatten().filter_map(map_of).map(str::to_owned).collect();
    for container in containers {
        let keys = container
            .env
            .iter()
            .flatten()
            .filter_map(|env| env.value_from.as_ref()?.config_map_key_ref.as_ref());
        maps.extend(keys.map(|key| key.name.clone()));
        let whole = container.env_from.iter().flatten().filter_map(|from| from.config_map_ref.as_ref());
        maps.extend(whole.map(|map| map.name.clone()));
    }
    maps
}

fn map_of(volume: &Volume) -> Option<&str> {
    volume.config_map.as_ref().map(|map| map.name.as_str())
}

/// Everything that the container is told, in the order in which Kubernetes applies it.
pub(super) fn settings(index: &Index<'_>, view: &ContainerView<'_>) -> Vec<Setting> {
    let mut all = Vec::new();
    for from in view.spec.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(map) =
            from.config_map_ref.as_ref().and_then(|map| config_map(index, view.namespace(), &map.name))
        {
            let data = map.data.iter().flatten();
            all.extend(data.map(|(key, value)| Setting {
                name: format!("{prefix}{key}"),
                value: value.clone(),
                origin: Origin::MapKey { map: name(&map.metadata).to_owned(), key: key.clone() },
            }));
        }
        if let Some(secret) =
            from.secret_ref.as_ref().and_then(|secret| secret_keys(index, view.namespace(), &secret.name))
        {
            all.extend(secret.keys.iter().map(|key| Setting {
                name: format!("{prefix}{key}"),
                value: String::new(),
                origin: Origin::SecretKey { secret: secret.name.clone(), key: key.clone() },
            }));
        }
    }
    all.extend(view.spec.env.iter().flatten().filter_map(|env| variable(index, view, env)));
    let words = [("command", &view.spec.command), ("args", &view.spec.args)];
    for (field, words) in words {
        all.extend(words.iter().flatten().map(|word| Setting {
            name: field.to_owned(),
            value: word.clone(),
            origin: Origin::Argument,
        }));
    }
    all.extend(files(index, view));
    all
}

fn variable(index: &Index<'_>, view: &ContainerView<'_>, env: &EnvVar) -> Option<Setting> {
    let name = env.name.clone();
    let Some(from) = &env.value_from else {
        return Some(Setting { name, value: env.value.clone().unwrap_or_default(), origin: Origin::Env });
    };
    if let Some(key) = &from.config_map_key_ref {
        let value = config_map(index, view.namespace(), &key.name)?.data.as_ref()?.get(&key.key)?.clone();
        return Some(Setting {
            name,
            value,
            origin: Origin::MapKey { map: key.name.clone(), key: key.key.clone() },
        });
    }
    let key = from.secret_key_ref.as_ref()?;
    let origin = Origin::SecretKey { secret: key.name.clone(), key: key.key.clone() };
    Some(Setting { name, value: String::new(), origin })
}

fn files(index: &Index<'_>, view: &ContainerView<'_>) -> Vec<Setting> {
    let mut all = Vec::new();
    for (mount, volume) in mounts(view) {
        let map = map_of(volume).and_then(|map| config_map(index, view.namespace(), map));
        for (key, value) in map.and_then(|map| map.data.as_ref()).into_iter().flatten() {
            let map = map_of(volume).unwrap_or_default().to_owned();
            let name = format!("{}/{key}", mount.mount_path.trim_end_matches('/'));
            all.push(Setting { name, value: value.clone(), origin: Origin::File { map, key: key.clone() } });
        }
    }
    all
}

/// The mounts of a container, each with its volume.
pub(super) fn mounts<'a>(view: &ContainerView<'a>) -> Vec<(&'a VolumeMount, &'a Volume)> {
    let volumes = view.pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let mounts = view.spec.volume_mounts.as_deref().unwrap_or_default();
    let paired = mounts
        .iter()
        .filter_map(|mount| Some((mount, volumes.iter().find(|volume| volume.name == mount.name)?)));
    paired.collect()
}

pub(super) fn config_map<'a>(index: &Index<'a>, space: &str, called: &str) -> Option<&'a ConfigMap> {
    index.config_map(space, called)
}

pub(super) fn secret_keys<'a>(index: &Index<'a>, space: &str, called: &str) -> Option<&'a SecretKeys> {
    index.state.secrets.iter().find(|secret| secret.namespace == space && secret.name == called)
}

/// Whether `word` stands in `text` as a word of its own: not as a part of a longer name.
pub(super) fn mentions(text: &str, word: &str) -> bool {
    position(text, word).is_some()
}

fn position(text: &str, word: &str) -> Option<usize> {
    let inside = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    text.match_indices(word).map(|(start, _)| start).find(|&start| {
        let before = text.get(..start).and_then(|head| head.chars().next_back());
        let mut after = text.get(start + word.len()..).unwrap_or_default().chars();
        let next = after.next();
        // A full stop ends a sentence or a name; it is inside one only where the name goes on.
        let goes_on = match next {
            Some('.') => after.next().is_some_and(char::is_alphanumeric),
            Some(letter) => inside(letter),
            None => false,
        };
        !word.is_empty() && !before.is_some_and(inside) && !goes_on
    })
}

/// `text` with the first `wrong` that is a word of its own replaced.
pub(super) fn replace(text: &str, wrong: &str, right: &str) -> String {
    let Some(start) = position(text, wrong) else { return text.replacen(wrong, right, 1) };
    let head = text.get(..start).unwrap_or_default();
    let tail = text.get(start + wrong.len()..).unwrap_or_default();
    format!("{head}{right}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_their_own() {
        for (text, word) in [
            ("http://cart:80/x", "cart"),
            ("redis-cli -h session-redis ping", "session-redis"),
            ("host is db.", "db"),
            ("a,b", "b"),
        ] {
            assert!(mentions(text, word), "{text} {word}");
        }
        for (text, word) in
            [("cart-smoke", "cart"), ("db.shop.svc", "db"), ("mydb", "db"), ("", "db"), ("x", "")]
        {
            assert!(!mentions(text, word), "{text} {word}");
        }
        assert_eq!(replace("http://cart-a:80/cart", "cart", "basket"), "http://cart-a:80/basket");
    }
}
