//! Responses.

use super::{Page, Pagination};
use rialto_kernel::ETag;
use serde::Serialize;

/// The form of every success with a body: `{"data": …}`, and `pagination` beside a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Data<T> {
    pub data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Response {
    /// 200 with the resource.
    #[must_use]
    pub fn ok(data: &impl Serialize) -> Self {
        Self::json(200, JSON, &Data { data, pagination: None })
    }

    /// 200 with a page of a list.
    #[must_use]
    pub fn page<T: Serialize>(page: &Page<T>) -> Self {
        let pagination = Some(page.pagination.clone());
        Self::json(200, JSON, &Data { data: &page.items, pagination })
    }

    /// 201 with the resource and its location relative to the request, which holds under every
    /// stage prefix and domain.
    #[must_use]
    pub fn created(location: String, data: &impl Serialize) -> Self {
        Self::json(201, JSON, &Data { data, pagination: None }).header("Location", location)
    }

    /// A response with a raw body.
    #[must_use]
    pub fn raw(status: u16, content_type: &str, body: String) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body }
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: String::new() }
    }

    /// Adds the resource's `ETag`.
    #[must_use]
    pub fn etag(self, etag: &ETag) -> Self {
        self.header("ETag", etag.as_str())
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn json(status: u16, content_type: &str, body: &impl Serialize) -> Self {
        // Bodies are structs of numbers, strings and lists: always JSON.
        Self::raw(status, content_type, serde_json::to_string(body).unwrap_or_default())
    }
}

const JSON: &str = "application/json";
