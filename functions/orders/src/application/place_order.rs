use crate::{
    domain::{
        order::Order,
        placement_limit::{ClientDigest, LimitReached, PlacementLimits},
        quote::{PricingTerms, Quote, QuoteError},
        request::{OrderRequest, ShippingAddress, order_id},
    },
    ports::{AddressBook, IdempotencyRecord, OrderPlacer, PlacementCondition},
};
use rialto_contracts::EventContext;
use rialto_kernel::{
    OrderId, PlantedBug, ProductId, StoreError, Timestamp, UserId,
    store::{self, Attempt},
};

/// A request to place an order, under an Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceOrder<'a> {
    pub user_id: UserId,
    /// Placed by a supervisor for the buyer.
    pub by_supervisor: bool,
    pub idempotency_key: &'a str,
    pub request: OrderRequest<ShippingAddress>,
    /// Where the request comes from, if known.
    pub client: Option<ClientDigest>,
}

/// The settings that an order is placed under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementTerms {
    pub pricing: PricingTerms,
    pub limits: PlacementLimits,
}

/// The response body: new, or the one stored by the first request with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    pub order_id: OrderId,
    pub response_body: String,
    pub replayed: bool,
}

/// An error of [`place_order`]. Nothing was stored, and the key can be used again.
#[derive(Debug, thiserror::Error)]
pub enum PlaceOrderError {
    #[error("Idempotency-Key already used for another request")]
    KeyReused,
    #[error("some products can't be ordered")]
    NotOrderable(Vec<ProductId>),
    #[error("total too large")]
    TooLarge,
    #[error("saved address not found")]
    NoAddress,
    #[error("the total differs from `expected_total`")]
    PriceChanged(Quote),
    #[error("too many orders or failed payments")]
    LimitReached { until: Timestamp },
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

impl From<LimitReached> for PlaceOrderError {
    fn from(LimitReached { until }: LimitReached) -> Self {
        Self::LimitReached { until }
    }
}

/// Places an order once for each key, by one read and one write. `render` serialises the response
/// body, which is stored so that a repeated request gets the same bytes.
///
/// A repeated request is recognised before anything else is checked, whatever happened to the order
/// since. Then come the limits, so that a client who has reached one learns no prices. Conflicts
/// with a concurrent request of the same key, with the end of a counter's window, or with the
/// unregistration of the buyer, are repeated.
///
/// # Errors
/// [`PlaceOrderError`]; nothing was stored then.
pub async fn place_order(
    store: &impl OrderPlacer,
    addresses: &impl AddressBook,
    command: &PlaceOrder<'_>,
    terms: &PlacementTerms,
    render: impl Fn(&Order) -> String,
    now: Timestamp,
    cause: &EventContext,
) -> Result<PlacedOrder, PlaceOrderError> {
    let order_id = order_id(command.user_id, command.idempotency_key);
    let body_hash = command.request.body_hash();
    let mut products: Vec<ProductId> =
        command.request.lines.iter().map(|line| line.product_id).collect();
    products.sort_unstable();
    products.dedup();
    let counters = terms.limits.counters(command.user_id, command.client.as_ref());
    let cause = EventContext { correlationid: Some(order_id.to_string()), ..cause.clone() };
    let (products, counters, body_hash, cause, render) =
        (&products, &counters, &body_hash, &cause, &render);

    store::update(|| async move {
        let context =
            store.load_placement_context(order_id, command.user_id, products, counters).await?;
        if let Some(existing) = context.existing
            && !PlantedBug::PlacedAgain.is_planted()
        {
            return replay(order_id, existing, body_hash).map(Attempt::Done);
        }
        let increments = terms.limits.count_placement(counters.clone(), &context.counters, now)?;
        let quote = Quote::new(&command.request.lines, &context.products, &terms.pricing)?;
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
        let (buyer, pricing) = (command.user_id, &terms.pricing);
        let mut change = Order::place(order_id, buyer, &request, quote, pricing, now, cause);
        change.order.buyer_unregistered = context.buyer_unregistered;
        change.order.client.clone_from(&command.client);
        let response_body = render(&change.order);
        let record = IdempotencyRecord { body_hash: body_hash.clone(), response_body };
        let mut conditions: Vec<_> =
            increments.into_iter().map(PlacementCondition::Count).collect();
        // A buyer's own request has ended before the buyer is stored as unregistered: their session
        // ends first, and the event is consumed with a delay.
        if command.by_supervisor && !context.buyer_unregistered {
            conditions.push(PlacementCondition::RegisteredBuyer);
        }
        let write = store.insert(&change, &record, &conditions).await?;
        let response_body = record.response_body;
        Ok(write.into_attempt(PlacedOrder { order_id, response_body, replayed: false }))
    })
    .await
}

fn replay(
    order_id: OrderId,
    existing: IdempotencyRecord,
    body_hash: &str,
) -> Result<PlacedOrder, PlaceOrderError> {
    if existing.body_hash != body_hash && !PlantedBug::BodyHashNotCompared.is_planted() {
        return Err(PlaceOrderError::KeyReused);
    }
    Ok(PlacedOrder { order_id, response_body: existing.response_body, replayed: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::{MemoryAddresses, MemoryOrders},
        application::{apply_event::apply_event, on_user_unregistered::on_user_unregistered},
        domain::{
            order::{OrderUpdate, Transition},
            placement_limit::CounterKey,
            product::Product,
        },
        fixtures::{
            self, buyer, client, payment_captured, payment_failed, payment_failure,
            placement_limits, pricing_terms, product,
        },
        ports::{OrderReader, OrderWriter, PlacementContext, ProductReplica, UnregisteredBuyers},
    };
    use rialto_contracts::{Event, orders::CancelReason};
    use rialto_kernel::{Address, AddressId, Amount, Write};
    use std::time::Duration;

    const NOW: Timestamp = fixtures::PLACED_AT;

    fn order_request(quantity: i64) -> OrderRequest<ShippingAddress> {
        let OrderRequest { lines, address, payment_method, expected_total } =
            fixtures::order_request(quantity);
        OrderRequest {
            lines,
            address: ShippingAddress::Inline(address),
            payment_method,
            expected_total,
        }
    }

    fn saved_address() -> AddressId {
        AddressId::derive(&[b"home"])
    }

    fn addresses() -> MemoryAddresses {
        MemoryAddresses([((buyer(), saved_address()), fixtures::address())].into())
    }

    async fn store_with_product() -> MemoryOrders {
        let store = MemoryOrders::default();
        assert_eq!(store.upsert_if_newer(&product()).await.unwrap(), Write::Done);
        store
    }

    async fn place_with(
        store: &MemoryOrders,
        addresses: &impl AddressBook,
        request: OrderRequest<ShippingAddress>,
        idempotency_key: &str,
    ) -> Result<PlacedOrder, PlaceOrderError> {
        let client = Some(client());
        let command = PlaceOrder { request, client, ..command(buyer(), idempotency_key) };
        place_at(store, addresses, &command, placement_limits(), NOW).await
    }

    async fn place_at(
        store: &impl OrderPlacer,
        addresses: &impl AddressBook,
        command: &PlaceOrder<'_>,
        limits: PlacementLimits,
        now: Timestamp,
    ) -> Result<PlacedOrder, PlaceOrderError> {
        let render =
            |order: &Order| format!("{} {:?} {}", order.order_id, order.state, order.total);
        let terms = PlacementTerms { pricing: pricing_terms(), limits };
        place_order(store, addresses, command, &terms, render, now, &EventContext::default()).await
    }

    fn command(user_id: UserId, idempotency_key: &str) -> PlaceOrder<'_> {
        PlaceOrder {
            user_id,
            by_supervisor: false,
            idempotency_key,
            request: order_request(1),
            client: Some(client()),
        }
    }

    async fn place_limited(
        store: &MemoryOrders,
        command: &PlaceOrder<'_>,
        limits: PlacementLimits,
        now: Timestamp,
    ) -> Result<PlacedOrder, PlaceOrderError> {
        place_at(store, &addresses(), command, limits, now).await
    }

    async fn place(
        store: &MemoryOrders,
        request: OrderRequest<ShippingAddress>,
    ) -> Result<PlacedOrder, PlaceOrderError> {
        place_with(store, &addresses(), request, "k").await
    }

    #[tokio::test]
    async fn a_repeated_key_returns_the_first_response() {
        let store = store_with_product().await;
        let first = place(&store, order_request(2)).await.unwrap();
        assert!(!first.replayed);

        let dearer = Product { price: Amount::new(9_999).unwrap(), version: 2, ..product() };
        assert_eq!(store.upsert_if_newer(&dearer).await.unwrap(), Write::Done);
        let order = store.order(first.order_id).await.unwrap().unwrap();
        assert_eq!(store.save(&payment_failure(&order, NOW)).await.unwrap(), Write::Done);

        let second = place(&store, order_request(2)).await.unwrap();
        assert_eq!((second.response_body, second.replayed), (first.response_body, true));
        assert_eq!(
            store.published_events().iter().filter(|event| event.kind == "OrderPlaced").count(),
            1
        );
    }

    #[tokio::test]
    async fn a_key_is_rejected_for_another_body() {
        let store = store_with_product().await;
        place(&store, order_request(2)).await.unwrap();
        assert!(matches!(place(&store, order_request(3)).await, Err(PlaceOrderError::KeyReused)));
    }

    #[tokio::test]
    async fn a_rejected_request_does_not_use_up_its_key() {
        let store = store_with_product().await;
        let request =
            OrderRequest { expected_total: Some(Amount::new(1).unwrap()), ..order_request(2) };
        let Err(PlaceOrderError::PriceChanged(quote)) = place(&store, request).await else {
            panic!("the price has changed");
        };
        assert_eq!(quote.total.minor_units(), 2_300);
        assert!(store.published_events().is_empty());
        let request = OrderRequest { expected_total: Some(quote.total), ..order_request(2) };
        assert!(!place(&store, request).await.unwrap().replayed);
    }

    #[tokio::test]
    async fn an_unknown_product_cannot_be_ordered() {
        let store = MemoryOrders::default();
        let refused = place(&store, order_request(1)).await;
        assert!(
            matches!(refused, Err(PlaceOrderError::NotOrderable(products)) if products.len() == 1)
        );
    }

    #[tokio::test]
    async fn an_unregistered_buyers_address_is_erased_at_closing() {
        let store = store_with_product().await;
        assert_eq!(on_user_unregistered(&store, buyer()).await.unwrap(), Write::Done);
        let placed = place(&store, order_request(2)).await.unwrap();
        let order = store.order(placed.order_id).await.unwrap().unwrap();
        assert!(order.address.is_some(), "an open order needs its address");
        let closed = order.cancel(CancelReason::Timeout, NOW, &EventContext::default()).unwrap();
        assert_eq!(store.save(&closed).await.unwrap(), Write::Done);
        assert_eq!(store.order(placed.order_id).await.unwrap().unwrap().address, None);
    }

    /// A store in which the buyer is stored as unregistered before the first insertion.
    struct UnregisteredMeanwhile(MemoryOrders);

    impl OrderPlacer for UnregisteredMeanwhile {
        async fn load_placement_context(
            &self,
            order: OrderId,
            buyer: UserId,
            products: &[ProductId],
            counters: &[CounterKey],
        ) -> Result<PlacementContext, StoreError> {
            self.0.load_placement_context(order, buyer, products, counters).await
        }

        async fn insert(
            &self,
            change: &OrderUpdate,
            record: &IdempotencyRecord,
            conditions: &[PlacementCondition],
        ) -> Result<Write, StoreError> {
            match self.0.mark_unregistered(buyer()).await? {
                Write::Done | Write::Conflict(()) => {}
            }
            self.0.insert(change, record, conditions).await
        }
    }

    #[tokio::test]
    async fn a_buyer_can_be_unregistered_during_a_placement() {
        for placements in [0, 1_000] {
            let store = UnregisteredMeanwhile(store_with_product().await);
            let limits = PlacementLimits { placements, ..placement_limits() };
            let command = PlaceOrder { by_supervisor: true, ..command(buyer(), "k") };
            let placed = place_at(&store, &addresses(), &command, limits, NOW).await.unwrap();
            let order = store.0.order(placed.order_id).await.unwrap().unwrap();
            assert!(order.buyer_unregistered);
            let closed =
                order.cancel(CancelReason::Timeout, NOW, &EventContext::default()).unwrap();
            assert_eq!(closed.order.address, None);
        }
    }

    #[tokio::test]
    async fn an_order_can_use_a_saved_address() {
        let store = store_with_product().await;
        let address = ShippingAddress::Saved(saved_address());
        let placed = place(&store, OrderRequest { address, ..order_request(2) }).await.unwrap();
        let order = store.order(placed.order_id).await.unwrap().unwrap();
        assert_eq!(order.address, Some(fixtures::address()));
    }

    #[tokio::test]
    async fn an_unknown_saved_address_is_rejected() {
        let store = store_with_product().await;
        let address = ShippingAddress::Saved(AddressId::derive(&[b"other"]));
        let refused = place(&store, OrderRequest { address, ..order_request(2) }).await;
        assert!(matches!(refused, Err(PlaceOrderError::NoAddress)));
        assert!(store.published_events().is_empty());
    }

    /// An address book that can't be reached.
    struct UnavailableAddresses;

    impl AddressBook for UnavailableAddresses {
        async fn address(&self, _: UserId, _: AddressId) -> Result<Option<Address>, StoreError> {
            Err(StoreError::Unavailable("accounts can't be reached".to_owned()))
        }
    }

    fn request_with_saved_address() -> OrderRequest<ShippingAddress> {
        OrderRequest { address: ShippingAddress::Saved(saved_address()), ..order_request(2) }
    }

    #[tokio::test]
    async fn saved_addresses_fail_while_accounts_is_unavailable() {
        let store = store_with_product().await;
        let refused =
            place_with(&store, &UnavailableAddresses, request_with_saved_address(), "k").await;
        assert!(matches!(refused, Err(PlaceOrderError::Store(StoreError::Unavailable(_)))));
        assert!(store.published_events().is_empty());
    }

    #[tokio::test]
    async fn inline_addresses_work_while_accounts_is_unavailable() {
        let store = store_with_product().await;
        let placed = place_with(&store, &UnavailableAddresses, order_request(2), "k").await;
        assert!(!placed.unwrap().replayed);
    }

    #[tokio::test]
    async fn replays_work_while_accounts_is_unavailable() {
        let store = store_with_product().await;
        let request = request_with_saved_address();
        place_with(&store, &addresses(), request.clone(), "k").await.unwrap();
        let replayed = place_with(&store, &UnavailableAddresses, request, "k").await.unwrap();
        assert!(replayed.replayed);
    }

    #[tokio::test]
    async fn orders_beyond_the_limit_wait_for_the_next_window() {
        let store = store_with_product().await;
        let limits = PlacementLimits { placements: 2, ..placement_limits() };
        let until = NOW.plus(limits.window);
        for key in ["1", "2"] {
            place_limited(&store, &command(buyer(), key), limits, NOW).await.unwrap();
        }
        let events = store.published_events().len();
        let refused = place_limited(&store, &command(buyer(), "3"), limits, NOW).await;
        assert!(matches!(refused, Err(PlaceOrderError::LimitReached { until: at }) if at == until));
        assert_eq!(store.published_events().len(), events, "a refused order was stored");
        let replayed = place_limited(&store, &command(buyer(), "1"), limits, NOW).await.unwrap();
        assert!(replayed.replayed);
        let placed = place_limited(&store, &command(buyer(), "3"), limits, until).await.unwrap();
        assert!(!placed.replayed, "the key of a refused order was used up");
    }

    #[tokio::test]
    async fn an_address_limits_the_orders_of_all_its_buyers() {
        let store = store_with_product().await;
        let limits = PlacementLimits { placements: 1, ..placement_limits() };
        let buyers: Vec<UserId> = (0..11_u8).map(|number| UserId::derive(&[&[number]])).collect();
        let (last, first_ten) = buyers.split_last().unwrap();
        for user in first_ten {
            place_limited(&store, &command(*user, "k"), limits, NOW).await.unwrap();
        }
        let refused = place_limited(&store, &command(*last, "k"), limits, NOW).await;
        assert!(matches!(refused, Err(PlaceOrderError::LimitReached { .. })));
        let elsewhere = Some(ClientDigest::new("192.0.2.2".parse().unwrap()));
        let elsewhere = PlaceOrder { client: elsewhere, ..command(*last, "k") };
        place_limited(&store, &elsewhere, limits, NOW).await.unwrap();
    }

    async fn apply(store: &MemoryOrders, order: &Order, event: &Event, transition: Transition) {
        let (id, cause) = (order.order_id, EventContext::default());
        let applied = apply_event(store, id, event, transition, &cause, NOW).await.unwrap();
        assert_eq!(applied, Write::Done);
    }

    #[tokio::test]
    async fn failed_payments_stop_further_orders_for_an_hour() {
        let store = store_with_product().await;
        let limits = PlacementLimits { failed_payments: 2, ..placement_limits() };
        let failed = Transition::Cancel(CancelReason::PaymentFailed);
        for key in ["1", "2"] {
            let placed = place_limited(&store, &command(buyer(), key), limits, NOW).await.unwrap();
            let order = store.order(placed.order_id).await.unwrap().unwrap();
            apply(&store, &order, &payment_failed(&order, NOW), failed).await;
        }
        let refused = place_limited(&store, &command(buyer(), "3"), limits, NOW).await;
        let hour = NOW.plus(Duration::from_secs(3_600));
        assert!(matches!(refused, Err(PlaceOrderError::LimitReached { until }) if until == hour));
        place_limited(&store, &command(buyer(), "3"), limits, hour).await.unwrap();
    }

    #[tokio::test]
    async fn only_failures_that_cancel_an_order_are_counted() {
        let store = store_with_product().await;
        let limits = PlacementLimits { failed_payments: 1, ..placement_limits() };
        let placed = place_limited(&store, &command(buyer(), "1"), limits, NOW).await.unwrap();
        let order = store.order(placed.order_id).await.unwrap().unwrap();
        apply(&store, &order, &payment_captured(&order, NOW), Transition::Confirm).await;
        let late = payment_failed(&order, NOW);
        apply(&store, &order, &late, Transition::Cancel(CancelReason::PaymentFailed)).await;
        place_limited(&store, &command(buyer(), "2"), limits, NOW).await.unwrap();
    }
}
