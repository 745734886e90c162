//! `explain`: what the fields of a kind mean, from the OpenAPI v3 document that the server has of its group and
//! version. Asks for that one document and forgets it.

mod document;
mod page;
mod wrap;

use self::{document::Document, page::Page};
use super::{
    Session,
    command::Explain,
    output::Draft,
    print::{json::sprint, jsonpath},
    wire::{
        JSON,
        failure::Failure,
        kinds::{Kind, Kinds},
    },
};

/// Where the server says which documents it has.
const ROOT: &str = "/openapi/v3";

/// A kind in one version, by its plural.
struct Subject {
    group: String,
    version: String,
    plural: String,
}

pub(super) async fn run(session: &Session<'_>, asked: &Explain) -> Draft {
    let mut draft = Draft::default();
    if let Err(failure) = explain(session, asked, &mut draft).await {
        draft.fail(&failure);
    }
    draft
}

async fn explain(session: &Session<'_>, asked: &Explain, draft: &mut Draft) -> Result<(), Failure> {
    let (subject, path) = session.wire.among_kinds(|kinds| subject(kinds, asked)).await?;
    let bytes = session.wire.get_bytes(&document_path(session, &subject).await?, JSON).await;
    let bytes = bytes.map_err(|failure| unread(failure, &subject))?;
    write(&bytes, &subject, &path, asked.recursive, session.wire.limits.output, draft)
}

/// What is explained, and the field of it.
fn subject(kinds: &Kinds, asked: &Explain) -> Result<(Subject, Vec<String>), Failure> {
    let (word, path) = steps(&asked.word, "first node")?;
    let candidates = kinds.candidates(&word);
    let Some(first) = candidates.first().copied() else { return Err(unknown(&word)) };
    if let Some(api_version) = &asked.api_version {
        let path = path.ok_or_else(|| not_a_field("all nodes"))?;
        let (group, version) = group_version(api_version)?;
        return Ok((Subject { group, version, plural: first.plural.clone() }, path));
    }
    // The group may stand after the plural. kubectl looks no further than that the letters are the same, and leaves
    // out the first step of what comes after them.
    let spelled = candidates.into_iter().find_map(|kind| {
        let rest = asked.word.strip_prefix(&kind.group_resource())?;
        Some((kind, rest))
    });
    let (kind, path) = match spelled {
        Some((kind, "")) => (kind, Some(Vec::new())),
        Some((kind, rest)) => (kind, steps(rest, "")?.1),
        None => (first, path),
    };
    Ok((Subject::of(kind), path.ok_or_else(|| not_a_field("first node"))?))
}

impl Subject {
    fn of(kind: &Kind) -> Self {
        Self { group: kind.group.clone(), version: kind.version.clone(), plural: kind.plural.clone() }
    }

    /// `apps/v1, Resource=deployments`.
    fn name(&self) -> String {
        format!("{}/{}, Resource={}", self.group, self.version, self.plural)
    }

    /// `apis/apps/v1`.
    fn root(&self) -> String {
        match self.group.as_str() {
            "" => format!("api/{}", self.version),
            group => format!("apis/{group}/{}", self.version),
        }
    }
}

/// The first name of a path and those after it, `None` where one of them is no name. As kubectl has it, one dot at
/// the end means nothing. `first` is what kubectl calls the first one where it must be a name.
fn steps(path: &str, first: &str) -> Result<(String, Option<Vec<String>>), Failure> {
    let path = path.strip_suffix('.').unwrap_or(path);
    let mut steps = jsonpath::steps(path).map_err(Failure::error)?.into_iter();
    match steps.next().flatten() {
        None if !first.is_empty() => Err(not_a_field(first)),
        name => Ok((name.unwrap_or_default(), steps.collect())),
    }
}

fn not_a_field(which: &str) -> Failure {
    let be = if which == "all nodes" { "nodes" } else { "node" };
    Failure::error(format!("invalid jsonpath syntax, {which} must be field {be}"))
}

fn group_version(text: &str) -> Result<(String, String), Failure> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [version] => Ok((String::new(), (*version).into())),
        ["", ""] => Ok((String::new(), String::new())),
        [group, version] => Ok(((*group).into(), (*version).into())),
        _ => Err(Failure::error(format!("unexpected GroupVersion string: {text}"))),
    }
}

/// That no kind is called so, which kubectl says without `error:` here.
fn unknown(word: &str) -> Failure {
    let failure = Failure::unknown_kind(word);
    Failure { message: failure.message.trim_start_matches("error: ").into(), ..failure }
}

/// That the document of the group and version could not be read.
fn unread(failure: Failure, subject: &Subject) -> Failure {
    let reason = match failure.status {
        Some(404) => "the server could not find the requested resource",
        Some(_) => failure.message.split_once("): ").map_or(failure.message.as_str(), |(_, reason)| reason),
        None => return failure,
    };
    Failure {
        message: format!("error: failed to fetch openapi schema for {}: {reason}", subject.root()),
        ..failure
    }
}

/// Where the document of the group and version is.
async fn document_path(session: &Session<'_>, subject: &Subject) -> Result<String, Failure> {
    let documents = match session.wire.get(ROOT, JSON).await {
        Err(failure) if failure.is_not_found() => {
            return Err(Failure::error(
                "this cluster gives no OpenAPI v3 document, so its kinds cannot be explained; use api-resources, or \
                 get -o yaml on an object",
            ));
        }
        documents => documents?,
    };
    let root = subject.root();
    let Some(found) = documents["paths"].get(&root) else {
        return Err(Failure::error(format!("couldn't find resource for {:?}", subject.name())));
    };
    // The address carries a hash of the content. One that leads elsewhere is not followed.
    let address = found["serverRelativeURL"].as_str();
    let address = address.filter(|url| url.starts_with("/openapi/v3/") && !url.contains(".."));
    Ok(address.map_or_else(|| format!("{ROOT}/{root}"), Into::into))
}

fn write(
    bytes: &[u8],
    subject: &Subject,
    path: &[String],
    recursive: bool,
    most: usize,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let root = subject.root();
    let document = Document::read(bytes)
        .map_err(|error| Failure::error(format!("failed to parse openapi schema for {root}: {error}")))?;
    let Some(of) = document.kind_at(&root, &subject.plural) else {
        return Err(Failure::error(format!("GVR ({}) not found in OpenAPI schema", subject.name())));
    };
    let word = |key: &str| of[key].as_str().unwrap_or_default();
    if !word("group").is_empty() {
        draft.out.push_str(&format!("GROUP:      {}\n", word("group")));
    }
    draft.out.push_str(&format!("KIND:       {}\nVERSION:    {}\n\n", word("kind"), word("version")));
    let Some(schema) = document.schema_of(&of) else {
        return Err(Failure::error(format!("GVK {} not found in OpenAPI schema", sprint(&of))));
    };
    let mut page = Page::new(&document, recursive, most);
    if !page.explain(&schema, path) {
        let field = path.last().map(String::as_str).unwrap_or_default();
        return Err(Failure::error(format!("field \"{field}\" does not exist")));
    }
    let (text, whole) = page.finish();
    draft.out.push_str(&text);
    draft.out.push('\n');
    if !whole {
        draft.notes.push("the fields go on; name one of them to see what is below it".into());
    }
    Ok(())
}
