//! Deleting items.

use crate::{
    item::Key,
    table::{Precondition, Table, unavailable},
};
use aws_sdk_dynamodb::{
    error::SdkError,
    types::{Delete, TransactWriteItem},
};
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
        let request = self.client.delete_item().table_name(&self.name).set_key(Some(key.item()));
        let mut request = request.condition_expression(condition(expect));
        for (name, value) in expect.into_iter().flat_map(Precondition::values) {
            request = request.expression_attribute_values(name, value);
        }
        match request.send().await {
            Ok(_) => Ok(Write::Done),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                Ok(Write::Conflict(()))
            }
            Err(error) => Err(unavailable(&error)),
        }
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
        let mut delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .condition_expression(expect.condition());
        for (name, value) in expect.values() {
            delete = delete.expression_attribute_values(name, value);
        }
        let delete = delete.build().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

fn condition(expect: Option<Precondition>) -> &'static str {
    expect.map_or("attribute_exists(pk)", Precondition::condition)
}
