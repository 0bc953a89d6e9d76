//! Domain types and rules; free of I/O.

pub mod adjustment;
pub mod movement;
pub mod reservation;
pub mod reserved_line;
pub mod stock;
