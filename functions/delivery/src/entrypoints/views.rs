//! Request and response bodies that several routes share.

use crate::{
    application::get_parcel::ParcelView,
    domain::{
        delivery::{DeliveryState, LineDelivery},
        draft::WriteContext,
    },
};
use rialto_kernel::{
    DeliveryId, OrderId, ParcelId, ProductId, Quantity, SellerId, Text, Timestamp, UserId,
};
use rialto_lambda::http::Request;
use serde::Serialize;
use utoipa::ToSchema;

/// The name of a carrier, in a request.
pub(crate) type Carrier = Text<1, 50>;
/// A carrier's number of a shipment, in a request.
pub(crate) type TrackingNumber = Text<1, 100>;

/// The delivery of a line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryBody {
    pub delivery_id: DeliveryId,
    pub order_id: OrderId,
    pub line_no: u32,
    /// The number of the line as it was placed, of which this one is a part.
    pub root: u32,
    pub user_id: UserId,
    pub seller_id: SellerId,
    pub product_id: ProductId,
    /// The product's title when it was ordered.
    pub title: String,
    pub quantity: Quantity,
    pub state: DeliveryState,
    /// Whether the seller has accepted the line, so that its delivery can start.
    pub accepted: bool,
    /// The parcel that the pieces are in, if they were sent in one with others.
    pub parcel_id: Option<ParcelId>,
    /// Null until it is DELIVERING.
    pub carrier: Option<String>,
    /// Null until it is DELIVERING.
    pub tracking_number: Option<String>,
    pub started_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl From<&LineDelivery> for DeliveryBody {
    fn from(delivery: &LineDelivery) -> Self {
        let shipment = delivery.shipment.as_ref();
        Self {
            delivery_id: delivery.delivery_id,
            order_id: delivery.order_id,
            line_no: delivery.line_no,
            root: delivery.root,
            user_id: delivery.user_id,
            seller_id: delivery.seller_id,
            product_id: delivery.product_id,
            title: delivery.title.clone(),
            quantity: delivery.quantity,
            state: delivery.state,
            accepted: delivery.accepted,
            parcel_id: delivery.parcel_id(),
            carrier: shipment.map(|shipment| shipment.carrier.clone()),
            tracking_number: shipment.map(|shipment| shipment.tracking_number.clone()),
            started_at: shipment.map(|shipment| shipment.started_at),
            delivered_at: delivery.delivered_at,
            created_at: delivery.created_at,
        }
    }
}

/// Deliveries of one order that were sent together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Parcel)]
pub struct ParcelBody {
    pub parcel_id: ParcelId,
    pub order_id: OrderId,
    pub user_id: UserId,
    pub seller_id: SellerId,
    pub carrier: String,
    pub tracking_number: String,
    pub created_at: Timestamp,
    /// With those of parts that were split off later.
    pub deliveries: Vec<DeliveryBody>,
}

impl From<&ParcelView> for ParcelBody {
    fn from(ParcelView { parcel, deliveries }: &ParcelView) -> Self {
        Self {
            parcel_id: parcel.parcel_id,
            order_id: parcel.order_id,
            user_id: parcel.user_id,
            seller_id: parcel.seller_id,
            carrier: parcel.carrier.clone(),
            tracking_number: parcel.tracking_number.clone(),
            created_at: parcel.created_at,
            deliveries: deliveries.iter().map(DeliveryBody::from).collect(),
        }
    }
}

/// Time and context of a request's write.
pub(crate) fn write_context(request: &Request) -> WriteContext {
    WriteContext { now: request.now(), cause: request.event_context() }
}
