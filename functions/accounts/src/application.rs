//! One use case a file, named as the route, the function or the command that it serves.

pub mod authorize;
pub mod create_supervisor;
pub mod log_in;
pub mod prepare_keys;
pub mod register_seller;
pub mod register_user;
