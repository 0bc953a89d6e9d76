//! Use cases, one a file, named as the route, the function or the command that they serve.
//! `register_account` and `change_account` serve the routes of users and sellers alike. Routes that
//! only read one item call its port directly.

pub mod addresses;
pub mod authorize;
pub mod change_account;
pub mod change_password;
pub mod end_session;
pub mod get_user;
pub mod init_keys;
pub mod internal_api;
pub mod issue_tokens;
pub mod list_sellers;
pub mod list_sessions;
pub mod list_users;
pub mod log_in;
pub mod log_out;
pub mod mail_code;
pub mod on_user_logged_in;
pub mod publish_keys;
pub mod rate_limit;
pub mod refresh;
pub mod register_account;
mod replace_credential;
pub mod request_reset;
pub mod reset_password;
pub mod rotate_keys;
pub mod rotate_refresh_key;
pub mod set_profile;
pub mod sweep;
pub mod unregister_seller;
pub mod unregister_user;
