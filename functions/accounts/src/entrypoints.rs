//! One file a function: request or event in, use case, response out, and its `main`.

pub mod authorizer;
pub mod log_in;
pub mod register_seller;
pub mod register_user;
pub mod relay;

/// This service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(register_user::handle, register_seller::handle, log_in::handle))]
pub struct ApiDocument;
