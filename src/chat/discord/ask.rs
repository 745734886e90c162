//! A request to Discord's REST API, before it is sent. Knows nothing of limits or answers.

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;
use serenity::http::Route;

use super::rest::Error;
use crate::chat::File;

/// A request.
pub(super) struct Ask<'a> {
    method: Method,
    route: Route<'a>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    files: &'a [File],
}

impl<'a> Ask<'a> {
    fn new(method: Method, route: Route<'a>, body: Option<Value>) -> Self {
        Self { method, route, query: Vec::new(), body, files: &[] }
    }

    pub fn get(route: Route<'a>) -> Self {
        Self::new(Method::GET, route, None)
    }

    pub fn post(route: Route<'a>, body: Value) -> Self {
        Self::new(Method::POST, route, Some(body))
    }

    pub fn patch(route: Route<'a>, body: Value) -> Self {
        Self::new(Method::PATCH, route, Some(body))
    }

    pub fn put(route: Route<'a>, body: Value) -> Self {
        Self::new(Method::PUT, route, Some(body))
    }

    /// A POST without a body.
    pub fn poke(route: Route<'a>) -> Self {
        Self::new(Method::POST, route, None)
    }

    pub fn query(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub fn files(mut self, files: &'a [File]) -> Self {
        self.files = files;
        self
    }

    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its path, from `/api/v10` on.
    pub fn path(&self) -> String {
        self.route.path().replacen("https://discord.com", "", 1)
    }

    /// It as a request to `base`.
    pub fn on(
        &self,
        http: &reqwest::Client,
        base: &str,
        path: &str,
    ) -> Result<reqwest::RequestBuilder, Error> {
        let mut url = reqwest::Url::parse(&format!("{base}{path}"))
            .map_err(|_| Error::Network("its address is not one".into()))?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let request = http.request(self.method.clone(), url);
        Ok(match &self.body {
            Some(body) if self.files.is_empty() => request.json(body),
            Some(body) => request.multipart(form(body, self.files)),
            // Discord wants a length even where there is nothing.
            None if self.method == Method::POST => request.header(header::CONTENT_LENGTH, 0),
            None => request,
        })
    }
}

fn form(body: &Value, files: &[File]) -> reqwest::multipart::Form {
    let mut form = reqwest::multipart::Form::new().text("payload_json", body.to_string());
    for (at, file) in files.iter().enumerate() {
        let mut part =
            reqwest::multipart::Part::text(file.text.as_str().to_owned()).file_name(file.name.clone());
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        part = part.headers(HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]));
        form = form.part(format!("files[{at}]"), part);
    }
    form
}
