use super::views::DeliveryBody;
use crate::{
    adapters::{dynamodb::DynamoDelivery, orders::OrderAddressesClient},
    application::get_delivery::{DeliveryAddress, GetDeliveryError, get_delivery},
};
use rialto_kernel::{Address, DeliveryId, DropOff};
use rialto_lambda::http::{self, Data, Problem, Request, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub fn main() {
    http::serve("delivery-get-delivery", |app| {
        http::handler((DynamoDelivery::open(app), OrderAddressesClient::new(app)), handle)
    });
}

/// A delivery with its address.
#[derive(Serialize, ToSchema)]
pub struct DeliveryWithAddress {
    #[serde(flatten)]
    delivery: DeliveryBody,
    /// Omitted once it was erased, and while it is unavailable.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<DeliveryAddressBody>,
    /// The services whose part is currently unavailable: `orders`, for the address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    degraded: Vec<&'static str>,
}

/// Where the pieces are sent, and who receives them.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryAddress)]
pub struct DeliveryAddressBody {
    receiver: String,
    line1: String,
    line2: Option<String>,
    zipcode: String,
    phone: String,
    drop_off: DropOff,
    note: Option<String>,
}

impl From<&Address> for DeliveryAddressBody {
    fn from(address: &Address) -> Self {
        Self {
            receiver: address.receiver.to_string(),
            line1: address.line1.to_string(),
            line2: address.line2.as_ref().map(ToString::to_string),
            zipcode: address.zipcode.to_string(),
            phone: address.phone.as_str().to_owned(),
            drop_off: address.drop_off,
            note: address.note.as_ref().map(ToString::to_string),
        }
    }
}

/// Get a delivery
///
/// With receiver and address, unless they are erased. If orders is unavailable, the delivery is
/// returned without them and `degraded` says so. For its buyer, its seller and supervisors.
#[utoipa::path(
    get, path = "/deliveries/{delivery_id}",
    params(("delivery_id" = DeliveryId, Path)),
    responses(
        (status = 200, body = Data<DeliveryWithAddress>, headers(
            ("ETag" = String, description = "Changes with what the seller can change."),
        )),
    ),
)]
pub(crate) async fn handle(
    (store, orders): (DynamoDelivery, OrderAddressesClient),
    request: Request,
) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let may_see = |user, seller| caller.acts_for_user(user) || caller.acts_for_seller(seller);
    let id = request.path("delivery_id")?;
    let (delivery, address) = get_delivery(&store, &orders, id, may_see).await?;
    let (address, degraded) = match &address {
        DeliveryAddress::Loaded(address) => (address.as_ref(), Vec::new()),
        DeliveryAddress::Unavailable => (None, vec!["orders"]),
    };
    let address = address.map(DeliveryAddressBody::from);
    let etag = delivery.etag();
    let delivery = DeliveryBody::from(&delivery);
    Ok(Response::ok(&DeliveryWithAddress { delivery, address, degraded }).etag(&etag))
}

impl From<GetDeliveryError> for Problem {
    fn from(error: GetDeliveryError) -> Self {
        match error {
            GetDeliveryError::NotFound => Self::not_found(),
            GetDeliveryError::Store(error) => error.into(),
        }
    }
}
