//! One use case a file, named as the route, the function or the command that it serves.

pub mod answer_services;
pub mod authorize;
pub mod change_addresses;
pub mod change_password;
pub mod change_seller;
pub mod change_user;
pub mod create_supervisor;
pub mod end_session;
pub mod get_user;
pub mod issue_tokens;
pub mod limit_attempts;
pub mod list_sellers;
pub mod list_sessions;
pub mod list_users;
pub mod log_in;
pub mod log_out;
pub mod on_user_logged_in;
pub mod prepare_keys;
pub mod refresh;
pub mod register_seller;
pub mod register_user;
pub mod set_profile;
pub mod sweep;
pub mod unregister_seller;
pub mod unregister_user;
