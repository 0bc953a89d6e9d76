//! Deleting items.

use crate::{
    item::Key,
    table::{Precondition, Table, write_outcome},
};
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use rialto_kernel::{StoreError, Write};

impl Table {
    /// Deletes an item; [`Write::Conflict`] if it doesn't exist or `expect` isn't met.
    ///
    /// # Errors
    /// [`StoreError`] when it isn't known whether the item was deleted.
    pub async fn delete(
        &self,
        key: &Key,
        expect: Option<Precondition>,
    ) -> Result<Write, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .condition_expression(condition(expect))
            .set_expression_attribute_values(expect.and_then(Precondition::values));
        write_outcome(request.send().await)
    }

    /// A conditional delete as a part of a transaction.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the request can't be built.
    pub fn transact_delete(
        &self,
        key: &Key,
        expect: Precondition,
    ) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .condition_expression(expect.condition())
            .set_expression_attribute_values(expect.values());
        let delete = delete.build().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

fn condition(expect: Option<Precondition>) -> &'static str {
    expect.map_or("attribute_exists(pk)", Precondition::condition)
}
