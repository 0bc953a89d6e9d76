use crate::{
    domain::{
        order::Order,
        quote::{PricingTerms, Quote, QuoteError},
        request::{OrderRequest, ShippingAddress, order_id},
    },
    ports::{AddressBook, IdempotencyRecord, OrderPlacer, PlacementContext},
};
use rialto_contracts::EventContext;
use rialto_kernel::{OrderId, ProductId, StoreError, Timestamp, UserId, Write};

/// Who orders what, under which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceOrder<'a> {
    pub user_id: UserId,
    pub idempotency_key: &'a str,
    pub request: OrderRequest<ShippingAddress>,
}

/// The answer: made now, or the one that was given the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    pub order_id: OrderId,
    pub answer: String,
    pub replayed: bool,
}

/// Why no order is placed. Nothing is stored, and the key is free.
#[derive(Debug, thiserror::Error)]
pub enum PlaceOrderError {
    #[error("the key belongs to another request")]
    KeyReused,
    #[error("some products can't be ordered")]
    NotOrderable(Vec<ProductId>),
    #[error("the total is too large")]
    TooLarge,
    #[error("the buyer keeps no such address")]
    NoAddress,
    #[error("the order costs something else now")]
    PriceChanged(Quote),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<QuoteError> for PlaceOrderError {
    fn from(error: QuoteError) -> Self {
        match error {
            QuoteError::NotOrderable(products) => Self::NotOrderable(products),
            QuoteError::TooLarge => Self::TooLarge,
        }
    }
}

/// Places an order, once for each key: one read, one write. `answer` writes the order as the client will see it.
///
/// A key that was used before gets its first answer again, before anything is checked, whatever became of the order.
///
/// # Errors
/// [`PlaceOrderError`]; nothing is stored then.
pub async fn place_order(
    store: &impl OrderPlacer,
    addresses: &impl AddressBook,
    command: &PlaceOrder<'_>,
    terms: &PricingTerms,
    answer: impl Fn(&Order) -> String,
    now: Timestamp,
    cause: &EventContext,
) -> Result<PlacedOrder, PlaceOrderError> {
    let order_id = order_id(command.user_id, command.idempotency_key);
    let body_hash = command.request.body_hash();
    let mut products: Vec<ProductId> =
        command.request.lines.iter().map(|line| line.product_id).collect();
    products.sort_unstable();
    products.dedup();

    let PlacementContext { placed, buyer_gone, products } =
        store.load_placement_context(order_id, command.user_id, &products).await?;
    if let Some(placed) = placed {
        return replay(order_id, placed, &body_hash);
    }
    let quote = Quote::new(&command.request.lines, &products, terms)?;
    if command.request.expected_total.is_some_and(|expected| expected != quote.total) {
        return Err(PlaceOrderError::PriceChanged(quote));
    }
    let address = match &command.request.address {
        ShippingAddress::Inline(address) => address.clone(),
        ShippingAddress::Saved(id) => {
            addresses.address(command.user_id, *id).await?.ok_or(PlaceOrderError::NoAddress)?
        }
    };
    let request = command.request.with_address(address);
    let cause = EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    let mut change = Order::place(order_id, command.user_id, &request, quote, terms, now, &cause);
    change.order.buyer_unregistered = buyer_gone;
    let placing = IdempotencyRecord { body_hash, response_body: answer(&change.order) };
    match store.insert(&change, &placing).await? {
        Write::Done => Ok(PlacedOrder { order_id, answer: placing.response_body, replayed: false }),
        // Another request with the same key was quicker.
        Write::Conflict(()) => {
            let winner = store.load_placement_context(order_id, command.user_id, &[]).await?.placed;
            let vanished =
                || StoreError::Corrupt("an order vanished while it was placed".to_owned());
            replay(order_id, winner.ok_or_else(vanished)?, &placing.body_hash)
        }
    }
}

fn replay(
    order_id: OrderId,
    placed: IdempotencyRecord,
    body_hash: &str,
) -> Result<PlacedOrder, PlaceOrderError> {
    if placed.body_hash != body_hash {
        return Err(PlaceOrderError::KeyReused);
    }
    Ok(PlacedOrder { order_id, answer: placed.response_body, replayed: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryAddresses, MemoryOrders},
        application::on_user_unregistered::on_user_unregistered,
        domain::{order::Transition, product::Product},
        ports::{OrderReader, OrderWriter, ProductReplica},
        testing,
    };
    use rialto_contracts::{Event, orders::CancelReason, payments::PaymentFailed};
    use rialto_kernel::{Address, AddressId, Amount};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn requested(quantity: i64) -> OrderRequest<ShippingAddress> {
        let OrderRequest { lines, address, payment_method, expected_total } =
            testing::request(quantity);
        OrderRequest {
            lines,
            address: ShippingAddress::Inline(address),
            payment_method,
            expected_total,
        }
    }

    fn kept() -> AddressId {
        AddressId::derive(&[b"home"])
    }

    fn addresses() -> MemoryAddresses {
        MemoryAddresses([((UserId::derive(&[b"u"]), kept()), testing::request(1).address)].into())
    }

    async fn shop() -> MemoryOrders {
        let store = MemoryOrders::default();
        assert_eq!(store.upsert_if_newer(&testing::product()).await.unwrap(), Write::Done);
        store
    }

    async fn place(
        store: &MemoryOrders,
        request: OrderRequest<ShippingAddress>,
    ) -> Result<PlacedOrder, PlaceOrderError> {
        let command =
            PlaceOrder { user_id: UserId::derive(&[b"u"]), idempotency_key: "k", request };
        let answer =
            |order: &Order| format!("{} {:?} {}", order.order_id, order.state, order.total);
        place_order(
            store,
            &addresses(),
            &command,
            &testing::terms(),
            answer,
            NOW,
            &EventContext::default(),
        )
        .await
    }

    #[tokio::test]
    async fn the_same_key_gets_the_first_answer_after_the_price_changed_and_the_order_ended() {
        let store = shop().await;
        let first = place(&store, requested(2)).await.unwrap();
        assert!(!first.replayed);

        let dearer =
            Product { price: Amount::new(9_999).unwrap(), version: 2, ..testing::product() };
        assert_eq!(store.upsert_if_newer(&dearer).await.unwrap(), Write::Done);
        let order = store.order(first.order_id).await.unwrap().unwrap();
        let failed = PaymentFailed { order_id: first.order_id, reason: "card_declined".to_owned() };
        let failed = Event::new(&failed, 1, 0, NOW, &EventContext::default());
        let effect = Transition::Cancel(CancelReason::PaymentFailed);
        let cancelled = order.apply(&failed, effect, NOW, &EventContext::default()).unwrap();
        assert_eq!(store.save(&cancelled).await.unwrap(), Write::Done);

        let second = place(&store, requested(2)).await.unwrap();
        assert_eq!((second.answer, second.replayed), (first.answer, true));
        assert_eq!(
            store.published_events().iter().filter(|event| event.kind == "OrderPlaced").count(),
            1
        );
    }

    #[tokio::test]
    async fn another_body_under_the_same_key_is_refused() {
        let store = shop().await;
        place(&store, requested(2)).await.unwrap();
        assert!(matches!(place(&store, requested(3)).await, Err(PlaceOrderError::KeyReused)));
    }

    #[tokio::test]
    async fn a_refusal_stores_nothing_and_leaves_the_key_free() {
        let store = shop().await;
        let expects_less =
            OrderRequest { expected_total: Some(Amount::new(1).unwrap()), ..requested(2) };
        let Err(PlaceOrderError::PriceChanged(quote)) = place(&store, expects_less).await else {
            panic!("the price has changed");
        };
        assert_eq!(quote.total.minor_units(), 2_300);
        assert!(store.published_events().is_empty());
        let expects = OrderRequest { expected_total: Some(quote.total), ..requested(2) };
        assert!(!place(&store, expects).await.unwrap().replayed);
    }

    #[tokio::test]
    async fn a_product_that_is_not_known_cannot_be_ordered() {
        let store = MemoryOrders::default();
        let refused = place(&store, requested(1)).await;
        assert!(
            matches!(refused, Err(PlaceOrderError::NotOrderable(products)) if products.len() == 1)
        );
    }

    #[tokio::test]
    async fn an_order_for_an_unregistered_buyer_forgets_the_address_when_it_ends() {
        let store = shop().await;
        let gone = on_user_unregistered(&store, UserId::derive(&[b"u"])).await.unwrap();
        assert_eq!(gone, Write::Done);
        let placed = place(&store, requested(2)).await.unwrap();
        let order = store.order(placed.order_id).await.unwrap().unwrap();
        assert!(order.address.is_some(), "it goes there");
        let ended = order.cancel(CancelReason::Timeout, NOW, &EventContext::default()).unwrap();
        assert_eq!(store.save(&ended).await.unwrap(), Write::Done);
        assert_eq!(store.order(placed.order_id).await.unwrap().unwrap().address, None);
    }

    #[tokio::test]
    async fn an_order_goes_to_an_address_that_its_buyer_keeps() {
        let store = shop().await;
        let request = OrderRequest { address: ShippingAddress::Saved(kept()), ..requested(2) };
        let placed = place(&store, request).await.unwrap();
        let order = store.order(placed.order_id).await.unwrap().unwrap();
        assert_eq!(order.address, Some(testing::request(1).address));
    }

    #[tokio::test]
    async fn an_address_that_is_not_the_buyers_is_refused() {
        let store = shop().await;
        let another = AddressId::derive(&[b"another"]);
        let request = OrderRequest { address: ShippingAddress::Saved(another), ..requested(2) };
        assert!(matches!(place(&store, request).await, Err(PlaceOrderError::NoAddress)));
        assert!(store.published_events().is_empty());
    }

    struct Silent;

    impl AddressBook for Silent {
        async fn address(&self, _: UserId, _: AddressId) -> Result<Option<Address>, StoreError> {
            Err(StoreError::Unavailable("accounts is silent".to_owned()))
        }
    }

    #[tokio::test]
    async fn while_accounts_is_silent_only_a_written_address_or_a_replay_goes_through() {
        let store = shop().await;
        let place = async |request: OrderRequest<ShippingAddress>, key: &str| {
            let command =
                PlaceOrder { user_id: UserId::derive(&[b"u"]), idempotency_key: key, request };
            let (terms, cause) = (testing::terms(), EventContext::default());
            place_order(&store, &Silent, &command, &terms, |_| String::new(), NOW, &cause).await
        };
        let kept_address = OrderRequest { address: ShippingAddress::Saved(kept()), ..requested(2) };
        let refused = place(kept_address.clone(), "k").await;
        assert!(matches!(refused, Err(PlaceOrderError::Store(StoreError::Unavailable(_)))));
        assert!(store.published_events().is_empty());

        assert!(!place(requested(2), "k").await.unwrap().replayed);
        let addresses = addresses();
        let command = PlaceOrder {
            user_id: UserId::derive(&[b"u"]),
            idempotency_key: "k2",
            request: kept_address.clone(),
        };
        let (terms, cause) = (testing::terms(), EventContext::default());
        place_order(&store, &addresses, &command, &terms, |_| String::new(), NOW, &cause)
            .await
            .unwrap();
        assert!(place(kept_address, "k2").await.unwrap().replayed);
    }
}
