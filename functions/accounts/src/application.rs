//! One use case a file, named as the route, the function or the command that it serves.

pub mod authorize;
pub mod change_password;
pub mod create_supervisor;
pub mod end_session;
pub mod issue_tokens;
pub mod limit_attempts;
pub mod list_sessions;
pub mod log_in;
pub mod log_out;
pub mod on_user_logged_in;
pub mod prepare_keys;
pub mod refresh;
pub mod register_seller;
pub mod register_user;
