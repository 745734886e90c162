//! `top`: what pods and nodes use now, where the cluster has a metrics API.

use serde_json::Value;

use super::{
    Session,
    command::{Top, Where},
    output::Draft,
    pods,
    print::{
        quantity,
        tab::{self, TABLE},
    },
    wire::{JSON, failure::Failure, kinds::Kind, lists},
};

/// What stands for an amount that is not measured.
const UNKNOWN: &str = "<unknown>";

/// One line: whose it is, and how much.
struct Usage {
    names: Vec<String>,
    /// Cores.
    cpu: f64,
    /// Bytes.
    memory: f64,
}

impl Usage {
    fn of(names: Vec<String>, usages: &[&Value]) -> Self {
        let sum = |key: &str| {
            let amounts = usages.iter().filter_map(|usage| quantity::parse(usage[key].as_str()?));
            amounts.sum::<f64>()
        };
        Self { names, cpu: sum("cpu"), memory: sum("memory") }
    }
}

pub(super) async fn run(session: &Session<'_>, top: &Top) -> Draft {
    match table(session, top).await {
        Ok(Some(text)) => Draft::of(text),
        Ok(None) => {
            let mut draft = Draft::default();
            match top.place.namespace(session.default_namespace).filter(|_| !top.nodes) {
                Some(namespace) => draft.warn(format!("No resources found in {namespace} namespace.")),
                None => draft.warn("No resources found"),
            }
            draft
        }
        Err(failure) => failure.into(),
    }
}

async fn table(session: &Session<'_>, top: &Top) -> Result<Option<String>, Failure> {
    let plural = if top.nodes { "nodes" } else { "pods" };
    let metrics = session.wire.among_kinds(|kinds| {
        let metrics = kinds.0.iter().find(|kind| kind.group == "metrics.k8s.io" && kind.plural == plural);
        metrics.cloned().ok_or_else(|| Failure::error("Metrics API not available"))
    });
    let metrics = &metrics.await?;
    let namespace = top.place.namespace(session.default_namespace);
    let found = match &top.name {
        Some(name) => vec![session.wire.get(&metrics.object_path(namespace, name), JSON).await?],
        None => lists::objects(&session.wire, metrics, namespace, &top.filter, lists::As::Objects).await?,
    };
    let mut lines: Vec<Usage> = found.iter().flat_map(|object| usages(top, object)).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    match top.by_memory {
        Some(true) => lines.sort_by(|a, b| b.memory.total_cmp(&a.memory)),
        Some(false) => lines.sort_by(|a, b| b.cpu.total_cmp(&a.cpu)),
        None => lines.sort_by(|a, b| a.names.cmp(&b.names)),
    }
    let nodes = if top.nodes { Some(allocatable(session, top).await?) } else { None };
    Ok(Some(print(top, &lines, nodes.as_deref())))
}

fn usages(top: &Top, object: &Value) -> Vec<Usage> {
    let names = || {
        let namespace = (top.place == Where::Everywhere && !top.nodes).then(|| pods::namespace(object));
        namespace.into_iter().chain([pods::name(object)]).collect::<Vec<_>>()
    };
    if top.nodes {
        return vec![Usage::of(names(), &[&object["usage"]])];
    }
    let containers = object["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !top.containers {
        let usages: Vec<&Value> = containers.iter().map(|container| &container["usage"]).collect();
        return vec![Usage::of(names(), &usages)];
    }
    let of_container = |container: &Value| {
        let mut names = names();
        names.push(container["name"].as_str().unwrap_or_default().into());
        Usage::of(names, &[&container["usage"]])
    };
    containers.iter().map(of_container).collect()
}

/// How much each node that is asked about has, by name: cores and bytes.
async fn allocatable(session: &Session<'_>, top: &Top) -> Result<Vec<(String, f64, f64)>, Failure> {
    let nodes = Kind { version: "v1".into(), plural: "nodes".into(), ..Kind::default() };
    let nodes = match &top.name {
        Some(name) => vec![session.wire.get(&nodes.object_path(None, name), JSON).await?],
        None => lists::objects(&session.wire, &nodes, None, &top.filter, lists::As::Objects).await?,
    };
    let amount = |node: &Value, key: &str| {
        node["status"]["allocatable"][key].as_str().and_then(quantity::parse).unwrap_or(0.0)
    };
    Ok(nodes.iter().map(|node| (pods::name(node), amount(node, "cpu"), amount(node, "memory"))).collect())
}

/// Every cell ends at a tab, the last of a line too: kubectl's lines end in blanks.
fn print(top: &Top, lines: &[Usage], nodes: Option<&[(String, f64, f64)]>) -> String {
    let mut text = String::new();
    if top.headers {
        let namespace = if top.place == Where::Everywhere && !top.nodes { "NAMESPACE\t" } else { "" };
        text.push_str(namespace);
        text.push_str(match (top.nodes, top.containers) {
            (true, _) => "NAME\tCPU(cores)\tCPU(%)\tMEMORY(bytes)\tMEMORY(%)\t\n",
            (false, true) => "POD\tNAME\tCPU(cores)\tMEMORY(bytes)\t\n",
            (false, false) => "NAME\tCPU(cores)\tMEMORY(bytes)\t\n",
        });
    }
    for line in lines {
        let (cpu, memory) = ((line.cpu * 1e3).ceil(), (line.memory / f64::from(1 << 20)).floor());
        let names = line.names.join("\t");
        let known = |(name, ..): &&(String, f64, f64)| line.names.first() == Some(name);
        match nodes.and_then(|nodes| nodes.iter().find(known)) {
            None => text.push_str(&format!("{names}\t{cpu:.0}m\t{memory:.0}Mi\t\n")),
            Some((_, cores, bytes)) => {
                let (of_cpu, of_memory) = (percent(line.cpu, *cores), percent(line.memory, *bytes));
                text.push_str(&format!(
                    "{names}\t{cpu:.0}m\t{of_cpu:.0}%\t{memory:.0}Mi\t{of_memory:.0}%\t\n"
                ));
            }
        }
    }
    // Nodes of which nothing is measured, by name; kubectl has them in no order.
    for (name, ..) in nodes.into_iter().flatten() {
        if !lines.iter().any(|line| line.names.first() == Some(name)) {
            text.push_str(&format!("{name}\t{UNKNOWN}\t{UNKNOWN}\t{UNKNOWN}\t{UNKNOWN}\t\n"));
        }
    }
    tab::align(&text, TABLE)
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { (part / whole * 100.0).floor() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kubectl::command::Filter;

    #[test]
    fn nodes_that_are_not_measured_are_unknown_and_lines_end_in_blanks() {
        let mut top = Top {
            nodes: true,
            name: None,
            place: Where::Default,
            filter: Filter::default(),
            containers: false,
            headers: true,
            by_memory: None,
        };
        let usage = |name: &str| Usage { names: vec![name.into()], cpu: 1.5, memory: 3e9 };
        let nodes = [("ml-1".to_owned(), 2.0, 2e9), ("node-1".to_owned(), 2.0, 6e9)];
        assert_eq!(
            print(&top, &[usage("node-1")], Some(&nodes)),
            "NAME     CPU(cores)   CPU(%)      MEMORY(bytes)   MEMORY(%)   \n\
             node-1   1500m        75%         2861Mi          50%         \n\
             ml-1     <unknown>    <unknown>   <unknown>       <unknown>   \n"
        );
        top.nodes = false;
        assert_eq!(
            print(&top, &[usage("a")], None),
            "NAME   CPU(cores)   MEMORY(bytes)   \na      1500m        2861Mi          \n"
        );
    }
}
