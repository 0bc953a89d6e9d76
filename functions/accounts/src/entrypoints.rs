//! One file a function: request or event in, use case, response out, and its `main`.

pub mod authorizer;
pub mod change_password;
pub mod end_session;
pub mod get_jwks;
pub mod list_sessions;
pub mod log_in;
pub mod log_out;
pub mod on_accounts;
pub mod refresh;
pub mod register_seller;
pub mod register_user;
pub mod relay;
pub mod tokens;

/// This service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    register_user::handle,
    register_seller::handle,
    log_in::handle,
    refresh::handle,
    log_out::handle,
    list_sessions::handle,
    end_session::handle,
    change_password::handle,
    get_jwks::handle,
))]
pub struct ApiDocument;
