//! One binary: the contract suite of the ports, on memory and on a real engine.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod contract;
mod item_sizes;
mod list_contract;
mod list_costs;
mod list_requests;
mod place_requests;
mod timeline_contract;

use rialto_contracts::EventContext;
use rialto_kernel::{Timestamp, UserId};
use rialto_orders::{
    adapters::memory::MemoryAddresses,
    application::place_order::{
        PlaceOrder, PlaceOrderError, PlacedOrder, PlacementTerms, place_order,
    },
    domain::{
        order::Order,
        placement_limit::PlacementLimits,
        request::{OrderRequest, ShippingAddress},
    },
    fixtures::{client, order_request, placement_limits, pricing_terms},
    ports::OrderPlacer,
};

/// Places an order of one unit, of at most `placements` of this buyer in a window.
async fn place(
    store: &impl OrderPlacer,
    user_id: UserId,
    idempotency_key: &str,
    placements: u32,
    now: Timestamp,
) -> Result<PlacedOrder, PlaceOrderError> {
    let OrderRequest { lines, address, payment_method, expected_total } = order_request(1);
    let address = ShippingAddress::Inline(address);
    let request = OrderRequest { lines, address, payment_method, expected_total };
    let command = PlaceOrder {
        user_id,
        by_supervisor: false,
        idempotency_key,
        request,
        client: Some(client()),
    };
    let limits = PlacementLimits { placements, ..placement_limits() };
    let terms = PlacementTerms { pricing: pricing_terms(), limits };
    let render = |order: &Order| order.order_id.to_string();
    let (addresses, cause) = (MemoryAddresses::default(), EventContext::default());
    place_order(store, &addresses, &command, &terms, render, now, &cause).await
}
