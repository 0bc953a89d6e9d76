//! The service's functions, one file each: `main`, the parsing of the request, and the response.
//! Shared by several of them: `auth_context`, `problems`, `registration_state`, `token_response`
//! and `views`.

mod auth_context;
mod problems;
mod registration_state;
mod token_response;
pub mod views;

pub mod add_address;
pub mod answer_services;
pub mod authorizer;
pub mod change_password;
pub mod change_seller;
pub mod change_user;
pub mod end_session;
pub mod get_jwks;
pub mod get_profile;
pub mod get_public_user;
pub mod get_seller;
pub mod get_user;
pub mod list_addresses;
pub mod list_sellers;
pub mod list_sessions;
pub mod list_users;
pub mod log_in;
pub mod log_out;
pub mod mail_code;
pub mod on_accounts;
pub mod refresh;
pub mod register_seller;
pub mod register_user;
pub mod relay;
pub mod remove_address;
pub mod request_reset;
pub mod reset_password;
pub mod set_address;
pub mod set_profile;
pub mod sweep;
pub mod unregister_seller;
pub mod unregister_user;

/// The service's part of the API document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    register_user::handle,
    list_users::handle,
    get_user::handle,
    change_user::handle,
    unregister_user::handle,
    get_public_user::handle,
    get_profile::handle,
    set_profile::handle,
    list_addresses::handle,
    add_address::handle,
    set_address::handle,
    remove_address::handle,
    register_seller::handle,
    list_sellers::handle,
    get_seller::handle,
    change_seller::handle,
    unregister_seller::handle,
    log_in::handle,
    refresh::handle,
    log_out::handle,
    list_sessions::handle,
    end_session::handle,
    change_password::handle,
    request_reset::handle,
    reset_password::handle,
    get_jwks::handle,
))]
pub struct ApiDocument;
