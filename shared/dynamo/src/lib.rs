//! DynamoDB as every service uses it: one table per service with the keys `pk` and `sk`,
//! conditional writes, and the events of an item's last change in its `outbox` attribute.

mod contention;
mod counter;
mod delete;
mod due;
mod item;
mod lists;
mod memory_due_list;
mod query;
mod table;
mod transaction;

pub use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure as ReturnOnFailure,
    TransactWriteItem, Update,
};
pub use counter::{CountOutcome, read_counter};
pub use due::DueIndex;
pub use item::{Item, Key, OUTBOX, item_key, number, outbox, read_item, write_item};
pub use lists::{DayIndex, DayList, EntryList, ListedRecords, RecordedDay};
pub use memory_due_list::MemoryDueList;
pub use query::PartitionQuery;
pub use table::{Precondition, Table};
