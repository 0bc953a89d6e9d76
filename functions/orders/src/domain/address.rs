pub use rialto_kernel::address::{Address, DropOff};
pub use rialto_kernel::phone::Phone;
