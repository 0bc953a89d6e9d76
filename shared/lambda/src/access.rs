//! The access table: every route of the API and who may call it.
//!
//! A route is declared here and nowhere else. The template's gateway, the defaults of the API
//! document, the router of `cargo lambda watch` and the READMEs' route tables are generated from
//! this table; functions look themselves up in it, and a test walks it against a running system. A
//! supervisor may call every route but the provider's.

use rialto_kernel::Role;

/// The callers of a route, besides supervisors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a token.
    Anonymous,
    /// Every account of these roles; the use case checks the ownership of the resource.
    SignedIn(&'static [Role]),
    /// The account of this role that the path names (`{user_id}`, `{seller_id}`).
    Owner(Role),
    /// The payment provider. No token is accepted; the handler checks the signature of the request.
    Provider,
}

impl Access {
    /// Whether callers need an access token.
    #[must_use]
    pub const fn requires_token(self) -> bool {
        match self {
            Self::SignedIn(_) | Self::Owner(_) => true,
            Self::Anonymous | Self::Provider => false,
        }
    }
}

/// A route, which one function serves.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub function: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub who: Access,
}

const fn route(
    function: &'static str,
    method: &'static str,
    path: &'static str,
    who: Access,
) -> Route {
    Route { function, method, path, who }
}

const SUPERVISOR: Access = Access::SignedIn(&[]);
const SELLER: Access = Access::SignedIn(&[Role::Seller]);
const BUYER: Access = Access::SignedIn(&[Role::User]);
const BUYER_OR_SELLER: Access = Access::SignedIn(&[Role::User, Role::Seller]);
const OWN_USER: Access = Access::Owner(Role::User);
const OWN_SELLER: Access = Access::Owner(Role::Seller);

pub const ROUTES: &[Route] = &[
    route("accounts-register-user", "POST", "/users", Access::Anonymous),
    route("accounts-register-seller", "POST", "/sellers", SUPERVISOR),
    route("accounts-log-in", "POST", "/auth/login", Access::Anonymous),
    route("accounts-refresh", "POST", "/auth/refresh", Access::Anonymous),
    route("accounts-log-out", "POST", "/auth/logout", BUYER_OR_SELLER),
    route("accounts-list-sessions", "GET", "/auth/sessions", BUYER_OR_SELLER),
    route("accounts-end-session", "DELETE", "/auth/sessions/{session_id}", BUYER_OR_SELLER),
    route("accounts-change-password", "PUT", "/auth/password", BUYER_OR_SELLER),
    route("accounts-get-jwks", "GET", "/.well-known/jwks.json", Access::Anonymous),
    route("accounts-list-users", "GET", "/users", SUPERVISOR),
    route("accounts-get-user", "GET", "/users/{user_id}", OWN_USER),
    route("accounts-change-user", "PATCH", "/users/{user_id}", OWN_USER),
    route("accounts-unregister-user", "DELETE", "/users/{user_id}", OWN_USER),
    route("accounts-get-public-user", "GET", "/users/{user_id}/public", Access::Anonymous),
    route("accounts-get-profile", "GET", "/users/{user_id}/profile", OWN_USER),
    route("accounts-set-profile", "PUT", "/users/{user_id}/profile", OWN_USER),
    route("accounts-list-addresses", "GET", "/users/{user_id}/addresses", OWN_USER),
    route("accounts-add-address", "POST", "/users/{user_id}/addresses", OWN_USER),
    route("accounts-set-address", "PUT", "/users/{user_id}/addresses/{address_id}", OWN_USER),
    route("accounts-remove-address", "DELETE", "/users/{user_id}/addresses/{address_id}", OWN_USER),
    route("accounts-list-sellers", "GET", "/sellers", SUPERVISOR),
    route("accounts-get-seller", "GET", "/sellers/{seller_id}", OWN_SELLER),
    route("accounts-change-seller", "PATCH", "/sellers/{seller_id}", OWN_SELLER),
    route("accounts-unregister-seller", "DELETE", "/sellers/{seller_id}", SUPERVISOR),
    route("accounts-request-reset", "POST", "/auth/password-reset", Access::Anonymous),
    route("accounts-reset-password", "PUT", "/auth/password-reset", Access::Anonymous),
    route("catalog-register-product", "POST", "/products", SELLER),
    route("catalog-list-products", "GET", "/products", Access::Anonymous),
    route("catalog-get-product", "GET", "/products/{product_id}", Access::Anonymous),
    route("catalog-change-product", "PATCH", "/products/{product_id}", SELLER),
    route("catalog-set-product-status", "PUT", "/products/{product_id}/status", SELLER),
    route("catalog-list-seller-products", "GET", "/sellers/{seller_id}/products", OWN_SELLER),
    route("inventory-get-stock", "GET", "/products/{product_id}/stock", SELLER),
    route("inventory-adjust-stock", "POST", "/products/{product_id}/stock/adjustments", SELLER),
    route("inventory-list-movements", "GET", "/products/{product_id}/stock/movements", SELLER),
    route("orders-place-order", "POST", "/users/{user_id}/orders", OWN_USER),
    route("orders-list-user-orders", "GET", "/users/{user_id}/orders", OWN_USER),
    route("orders-list-seller-orders", "GET", "/sellers/{seller_id}/orders", OWN_SELLER),
    route("orders-list-orders", "GET", "/orders", SUPERVISOR),
    route("orders-get-order", "GET", "/orders/{order_id}", BUYER_OR_SELLER),
    route("orders-cancel-order", "POST", "/orders/{order_id}/cancel", BUYER),
    route("orders-get-timeline", "GET", "/orders/{order_id}/timeline", BUYER),
    route("orders-accept-line", "POST", "/orders/{order_id}/lines/{line_no}/accept", SELLER),
    route("orders-reject-line", "POST", "/orders/{order_id}/lines/{line_no}/reject", SELLER),
    route("orders-split-line", "POST", "/orders/{order_id}/lines/{line_no}/split", SELLER),
    route("orders-cancel-line", "POST", "/orders/{order_id}/lines/{line_no}/cancel", BUYER),
    route(
        "orders-confirm-cancel",
        "POST",
        "/orders/{order_id}/lines/{line_no}/confirm-cancel",
        SELLER,
    ),
    route("orders-return-line", "POST", "/orders/{order_id}/lines/{line_no}/return", BUYER),
    route(
        "orders-confirm-return",
        "POST",
        "/orders/{order_id}/lines/{line_no}/confirm-return",
        SELLER,
    ),
    route(
        "orders-decline-return",
        "POST",
        "/orders/{order_id}/lines/{line_no}/decline-return",
        SELLER,
    ),
    route("payments-get-payment", "GET", "/orders/{order_id}/payment", BUYER),
    route("payments-pay-again", "POST", "/orders/{order_id}/payment", BUYER),
    route("payments-list-payments", "GET", "/payments", SUPERVISOR),
    route("payments-refund-order", "POST", "/orders/{order_id}/refunds", SUPERVISOR),
    route("payments-receive-webhook", "POST", "/webhooks/payments", Access::Provider),
    route("delivery-list-user-deliveries", "GET", "/users/{user_id}/deliveries", OWN_USER),
    route("delivery-get-delivery", "GET", "/deliveries/{delivery_id}", BUYER_OR_SELLER),
    route("delivery-list-seller-deliveries", "GET", "/sellers/{seller_id}/deliveries", OWN_SELLER),
    route("delivery-set-status", "PUT", "/deliveries/{delivery_id}/status", SELLER),
    route("delivery-add-parcel", "POST", "/sellers/{seller_id}/parcels", OWN_SELLER),
    route("delivery-get-parcel", "GET", "/parcels/{parcel_id}", BUYER_OR_SELLER),
    route("delivery-set-parcel-status", "PUT", "/parcels/{parcel_id}/status", SELLER),
    route("delivery-confirm-receipt", "POST", "/deliveries/{delivery_id}/receipt", BUYER),
    route("platform-get-health", "GET", "/health", Access::Anonymous),
    route("platform-get-openapi", "GET", "/openapi.json", Access::Anonymous),
    route("platform-get-docs", "GET", "/docs", Access::Anonymous),
    route("platform-get-event-docs", "GET", "/docs/events", Access::Anonymous),
];

/// The route that a function serves.
#[must_use]
pub fn of(function: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.function == function)
}

/// The methods that routes have on a path, in the table's order. `path` is a route's own, such as
/// `/users/{user_id}`.
pub fn methods(path: &str) -> impl Iterator<Item = &'static str> {
    ROUTES.iter().filter(move |route| route.path == path).map(|route| route.method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_owner_routes_name_the_owner() {
        for route in ROUTES {
            match route.who {
                Access::Owner(Role::User) => {
                    assert!(route.path.contains("{user_id}"), "{}", route.function)
                }
                Access::Owner(Role::Seller) => {
                    assert!(route.path.contains("{seller_id}"), "{}", route.function)
                }
                Access::Owner(Role::Supervisor) => {
                    panic!("{}: no path names a supervisor", route.function)
                }
                Access::Anonymous | Access::SignedIn(_) | Access::Provider => {}
            }
        }
    }

    #[test]
    fn a_function_serves_one_route() {
        for (at, route) in ROUTES.iter().enumerate() {
            assert!(ROUTES[..at].iter().all(|other| other.function != route.function
                && (other.method, other.path) != (route.method, route.path)));
        }
    }
}
