//! Events that delivery publishes.

use rialto_kernel::{
    DeliveryId, OrderId, ParcelId, ProductId, Quantity, SellerId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Declares the events about a delivery, which all carry the same fields.
macro_rules! delivery_events {
    ($($(#[$doc:meta])* $event:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? };)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub struct $event {
            pub delivery_id: DeliveryId,
            pub order_id: OrderId,
            /// The number of the order's line that is delivered.
            pub line_no: u32,
            /// The number of the line as it was placed, of which this one is a part.
            pub root: u32,
            pub user_id: UserId,
            pub seller_id: SellerId,
            pub product_id: ProductId,
            pub quantity: Quantity,
            $($(#[$field_doc])* pub $field: $type,)*
        }
    )*};
}

delivery_events! {
    /// A confirmed order's line can be delivered once its seller accepts it.
    DeliveryPrepared {};
    /// The delivery is held for a requested cancellation, which the seller can confirm now.
    DeliveryHeld {};
    /// The delivery had started before the cancellation was requested: it can't be held.
    DeliveryNotHeld {};
    /// The seller has handed the pieces to a carrier.
    DeliveryStarted {
        /// The parcel that the pieces are in, if the seller sent several lines in one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parcel_id: Option<ParcelId>,
        carrier: String,
        tracking_number: String,
    };
    /// The pieces have arrived.
    DeliveryCompleted { delivered_at: Timestamp };
    /// The buyer has confirmed the receipt, or the time to do so is over.
    ReceiptConfirmed { delivered_at: Timestamp };
}

crate::source! {
    Delivery = "rialto.delivery" {
        DeliveryPrepared v 1 subject delivery_id,
        DeliveryHeld v 1 subject delivery_id,
        DeliveryNotHeld v 1 subject delivery_id,
        DeliveryStarted v 1 subject delivery_id,
        DeliveryCompleted v 1 subject delivery_id,
        ReceiptConfirmed v 1 subject delivery_id,
    }
}
