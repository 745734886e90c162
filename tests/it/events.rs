//! Old events load: one golden file per variant in `golden/`, only ever added to. A file is what some version wrote;
//! it must still load, and load as its variant.

use std::{collections::BTreeSet, fs, path::Path};

use kubertnetes::event::Event;

const VARIANTS: [&str; 9] = [
    "user_said",
    "turn_started",
    "cluster_scanned",
    "model_replied",
    "tool_returned",
    "diagnosed",
    "doubted",
    "condensed",
    "turn_ended",
];

#[test]
fn old_events_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let mut seen = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let event: Event = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let kind = name.split('.').next().unwrap_or_default().to_owned();
        assert_eq!(event.kind(), kind, "{name}");
        // What was in it is still in it: nothing that an old version wrote is dropped.
        let old: serde_json::Value = serde_json::from_str(&text).unwrap();
        let new = serde_json::to_value(&event).unwrap();
        assert_contains(&new, &old, &name);
        seen.insert(kind);
    }
    assert_eq!(seen, VARIANTS.iter().map(|v| (*v).to_owned()).collect(), "every variant has a golden file");
}

fn assert_contains(new: &serde_json::Value, old: &serde_json::Value, place: &str) {
    match (new, old) {
        (serde_json::Value::Object(new), serde_json::Value::Object(old)) => {
            for (key, value) in old {
                let place = format!("{place}.{key}");
                assert_contains(new.get(key).unwrap_or_else(|| panic!("{place} was dropped")), value, &place);
            }
        }
        (new, old) => assert_eq!(new, old, "{place}"),
    }
}
