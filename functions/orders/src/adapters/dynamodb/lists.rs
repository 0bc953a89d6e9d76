//! Lists of orders: by buyer, by seller, by number, and of all orders.

use super::{ALL_ORDERS, DynamoOrders};
use crate::{
    adapters::{check_list_position, list_position},
    domain::order::{Order, OrderState},
    ports::{AllOrdersLister, OrderLister, OrderPage, SellerOrderLister},
};
use rialto_contracts::orders::OrderLineState;
use rialto_dynamo::{EntryList, Item, Key, ListedRecords, PartitionQuery, item_key};
use rialto_kernel::{OrderNumber, SellerId, StoreError, UserId};

/// The key of the order that an item of its partition belongs to.
pub(super) fn order_key_of(item: &Item) -> Result<Key, StoreError> {
    Ok(Key::new(item_key(item)?.pk, "ORDER"))
}

impl DynamoOrders {
    /// A page of the orders of a list that match.
    async fn page(
        &self,
        list: &EntryList<'_>,
        matches: impl Fn(&Order) -> bool + Send,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        let orders = ListedRecords { key: order_key_of, matches, position: list_position };
        self.table.list(list, orders, limit, position).await
    }
}

impl OrderLister for DynamoOrders {
    async fn list_by_buyer(
        &self,
        user: UserId,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let list = EntryList::Partition(PartitionQuery::index("by_buyer", format!("BUYER#{user}")));
        self.page(&list, |order| order.is_in(state), limit, position).await
    }
}

impl AllOrdersLister for DynamoOrders {
    async fn list_all(
        &self,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let list = self.table.days(ALL_ORDERS, position).await?;
        self.page(&list, |order| order.is_in(state), limit, position).await
    }

    async fn list_by_number(
        &self,
        number: &OrderNumber,
        state: Option<OrderState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let list =
            EntryList::Partition(PartitionQuery::index("by_number", format!("NUMBER#{number}")));
        self.page(&list, |order| order.is_in(state), limit, position).await
    }
}

impl SellerOrderLister for DynamoOrders {
    async fn list_by_seller(
        &self,
        seller: SellerId,
        state: Option<OrderLineState>,
        limit: u32,
        position: Option<&str>,
    ) -> Result<OrderPage, StoreError> {
        check_list_position(position)?;
        let list =
            EntryList::Partition(PartitionQuery::index("by_seller", format!("SELLER#{seller}")));
        self.page(&list, |order| order.has_line_of(seller, state), limit, position).await
    }
}
