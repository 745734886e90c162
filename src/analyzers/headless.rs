//! Headless Services and the ports that they do not translate. Asked by `wiring` for a connection that fails.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{
    complaints::Endpoint,
    draft::Draft,
    index::{ContainerView, Index},
    settings::{mentions, settings},
    wiring::{listening, port_fault},
};

/// The name of a headless Service (`clusterIP: None`) leads to its pods, so a client has to use their port: `port` is not
/// turned into `targetPort`, as the address of an ordinary Service does (concept "Service", "Headless Services").
pub(super) fn untranslated(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    space: &str,
    called: &str,
    to: &Endpoint,
) -> Option<Draft> {
    let service = index.service(space, called)?;
    let spec = service.spec.as_ref().filter(|spec| spec.cluster_ip.as_deref() == Some("None"))?;
    let wanted = to.port?;
    let port = spec.ports.iter().flatten().find(|port| u16::try_from(port.port) == Ok(wanted))?;
    let pods = index.selected_pods(service);
    let views: Vec<_> = pods.iter().flat_map(|pod| index.containers_of(pod)).collect();
    let known: Vec<u16> = views.iter().flat_map(|view| listening(index, view)).collect();
    let right = match port.target_port.as_ref()? {
        IntOrString::Int(number) => u16::try_from(*number).ok()?,
        IntOrString::String(name) => {
            let ports = views.iter().flat_map(|view| view.spec.ports.iter().flatten());
            u16::try_from(ports.into_iter().find(|port| port.name.as_ref() == Some(name))?.container_port)
                .ok()?
        }
    };
    if known.contains(&wanted) || !known.contains(&right) {
        return None;
    }
    let digits = wanted.to_string();
    let setting = settings(index, view).into_iter().find(|setting| mentions(&setting.value, &digits))?;
    let sentence = format!(
        "`{}` of container `{}` uses port `{wanted}` of the headless Service `{called}`, whose name leads to the pods themselves: they listen on `{right}`.",
        setting.name,
        view.name()
    );
    let draft = port_fault(index, view, &setting, wanted, right, &sentence);
    Some(draft.evidence(format!("Service {space}/{called} spec.clusterIP"), "None"))
}
