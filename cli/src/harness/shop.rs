//! The deployment that scenarios run against: its accounts, products and orders over HTTPS.

use crate::{
    api::{Api, ApiError, Session},
    demo_data::{BUYERS, SELLERS},
    failure::Failure,
    local::{Account, Accounts},
    password,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long a token is used: less than its lifetime.
const TOKEN_REUSE: Duration = Duration::from_secs(10 * 60);
const POLL: Duration = Duration::from_millis(100);
/// How many requests of a crowd's preparation run at once.
const AT_A_TIME: usize = 8;

/// A client of the deployment.
pub(crate) struct Shop {
    pub(crate) api: Api,
    supervisor: Login,
    seller: Login,
    buyers: Vec<Login>,
    /// Buyers signed up for this run.
    crowd: Mutex<Vec<Login>>,
    next_buyer: AtomicUsize,
    /// Products of this run that are on sale.
    on_sale: Mutex<BTreeSet<String>>,
    /// The item that products are registered of.
    item: String,
    run: String,
}

/// An account and its current session.
#[derive(Debug)]
pub(crate) struct Login {
    email: String,
    password: String,
    session: Mutex<Option<(Instant, Session)>>,
}

/// A buyer of the demo shop or of the crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buyer {
    Demo(usize),
    Crowd(usize),
}

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Supervisor,
    Seller,
    Buyer(Buyer),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OrderView {
    pub(crate) order_id: String,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) total: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PaymentView {
    pub(crate) state: String,
    pub(crate) captured: u64,
    pub(crate) refunded: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct StockView {
    pub(crate) available: u32,
    pub(crate) reserved: u32,
    pub(crate) sold: u32,
}

#[derive(Deserialize)]
struct ProductView {
    item_id: String,
}

#[derive(Deserialize)]
struct NewProduct {
    product_id: String,
}

impl fmt::Display for StockView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { available, reserved, sold } = self;
        write!(f, "{available} available, {reserved} reserved, {sold} sold")
    }
}

impl Login {
    fn of(account: &Account) -> Self {
        Self {
            email: account.email.clone(),
            password: account.password.clone(),
            session: Mutex::new(None),
        }
    }

    async fn session(&self, api: &Api) -> Result<Session, ApiError> {
        let mut known = self.session.lock().await;
        if let Some((since, session)) = &*known
            && since.elapsed() < TOKEN_REUSE
        {
            return Ok(session.clone());
        }
        let session = api.log_in(&self.email, &self.password).await?;
        *known = Some((Instant::now(), session.clone()));
        Ok(session)
    }
}

/// An error in words.
pub(crate) fn in_words(error: ApiError) -> String {
    Failure::from(error).to_string()
}

/// Tries until it succeeds, or until the time is over: then the last error, in words.
pub(crate) async fn eventually<T>(
    within: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let started = Instant::now();
    loop {
        match attempt().await {
            Ok(result) => return Ok(result),
            Err(error) if started.elapsed() >= within => {
                return Err(format!("within {within:?}: {error}"));
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

impl Shop {
    /// Logs in with the demo shop's accounts, and finds an item.
    ///
    /// # Errors
    /// [`Failure`] without these accounts, or if the API doesn't respond.
    pub(crate) async fn open(api: Api, accounts: &Accounts, run: &str) -> Result<Self, Failure> {
        let missing = || {
            Failure::new(
                "The stage's file has no demo shop: a supervisor, a seller and a buyer.",
                "Run rialto seed first, or name the stage's file with --file.",
            )
        };
        let supervisor = accounts.supervisor.as_ref().ok_or_else(missing)?;
        let seller = accounts.sellers.first().ok_or_else(missing)?;
        let buyers: Vec<Login> = accounts.buyers.iter().take(BUYERS.len()).map(Login::of).collect();
        if buyers.is_empty() {
            return Err(missing());
        }
        let products: Vec<ProductView> = api.get("/products?limit=1").read().await?;
        let product = products.into_iter().next().ok_or_else(|| {
            Failure::new("Nothing is for sale, so no item is known.", "Run rialto seed first.")
        })?;
        let shop = Self {
            api,
            supervisor: Login::of(supervisor),
            seller: Login::of(seller),
            buyers,
            crowd: Mutex::default(),
            next_buyer: AtomicUsize::new(0),
            on_sale: Mutex::default(),
            item: product.item_id,
            run: run.to_owned(),
        };
        for role in [Role::Supervisor, Role::Seller, Role::Buyer(Buyer::Demo(0))] {
            shop.session(role).await?;
        }
        Ok(shop)
    }

    /// # Errors
    /// [`ApiError`] of the login.
    pub(crate) async fn session(&self, role: Role) -> Result<Session, ApiError> {
        match role {
            Role::Supervisor => self.supervisor.session(&self.api).await,
            Role::Seller => self.seller.session(&self.api).await,
            Role::Buyer(Buyer::Demo(at)) => self.buyers[at].session(&self.api).await,
            Role::Buyer(Buyer::Crowd(at)) => self.crowd.lock().await[at].session(&self.api).await,
        }
    }

    /// So many buyers: of the demo shop if it has enough, or else signed up for this run.
    ///
    /// # Errors
    /// A failed sign-up, in words.
    pub(crate) async fn buyers(&self, count: usize) -> Result<Vec<Buyer>, String> {
        if count <= self.buyers.len() {
            let first = self.next_buyer.fetch_add(count, Ordering::Relaxed);
            let demo = |at| Buyer::Demo((first + at) % self.buyers.len());
            return Ok((0..count).map(demo).collect());
        }
        let mut crowd = self.crowd.lock().await;
        let known = crowd.len();
        let new: Vec<Login> = stream::iter(known..count)
            .map(|at| self.sign_up(at))
            .buffered(AT_A_TIME)
            .try_collect()
            .await
            .map_err(|failure| failure.to_string())?;
        crowd.extend(new);
        Ok((0..count).map(Buyer::Crowd).collect())
    }

    async fn sign_up(&self, at: usize) -> Result<Login, Failure> {
        let account = Account::new(
            format!("harness-{}-{at}@rialto.example", self.run),
            password::generate()?,
        );
        let body = json!({
            "email": account.email,
            "password": account.password,
            "name": "Harness",
            "phone": SELLERS[0].phone,
        });
        self.api.post("/users", body).read::<Value>().await?;
        let login = Login::of(&account);
        login.session(&self.api).await?;
        Ok(login)
    }

    /// Takes products off sale that scenarios left there, and removes the buyers that signed up.
    ///
    /// # Errors
    /// The first that stays, in words.
    pub(crate) async fn clean_up(&self) -> Result<(), String> {
        let mut errors = Vec::new();
        let left = self.on_sale.lock().await.clone();
        for product in left {
            errors.extend(self.withdraw(&product).await.err());
        }
        let crowd = std::mem::take(&mut *self.crowd.lock().await);
        let remove = async |login: Login| {
            let session = login.session(&self.api).await?;
            let path = format!("/users/{}", session.account_id);
            self.api.delete(path).by(&session).done().await
        };
        let mut removed =
            std::pin::pin!(stream::iter(crowd).map(remove).buffer_unordered(AT_A_TIME));
        while let Some(removed) = removed.next().await {
            errors.extend(removed.map_err(in_words).err());
        }
        match errors.is_empty() {
            true => Ok(()),
            false => Err(errors.join("; ")),
        }
    }

    /// Registers a product, puts it on sale and waits until it can be ordered.
    ///
    /// # Errors
    /// A refusal or a timeout, in words.
    pub(crate) async fn product(
        &self,
        title: &str,
        price: u32,
        stock: u32,
        within: Duration,
    ) -> Result<String, String> {
        let seller = self.session(Role::Seller).await.map_err(in_words)?;
        let body = json!({
            "item_id": self.item,
            "title": title,
            "price": price,
            "initial_stock": stock,
        });
        let product: NewProduct =
            self.api.post("/products", body).by(&seller).read().await.map_err(in_words)?;
        let product = product.product_id;
        self.on_sale.lock().await.insert(product.clone());
        self.set_status(&product, "SELL").await?;
        eventually(within, async || self.stock(&product).await.map(drop)).await?;
        // An impossible `expected_total` is refused with a quote and places nothing.
        let supervisor = self.session(Role::Supervisor).await.map_err(in_words)?;
        let buyer = self.session(Role::Buyer(Buyer::Demo(0))).await.map_err(in_words)?;
        let path = format!("/users/{}/orders", buyer.account_id);
        let mut body = order_body(&[(1, product.clone())], "pm_card_visa");
        body["expected_total"] = json!(0);
        eventually(within, async || {
            let call = self.api.post(&path, body.clone()).by(&supervisor).key("quote");
            match call.read::<Value>().await {
                Err(error) if error.is("price_changed") => Ok(()),
                Err(error) => Err(in_words(error)),
                Ok(_) => Err("an order with an impossible total was placed".to_owned()),
            }
        })
        .await?;
        Ok(product)
    }

    /// Takes a product off sale for good.
    ///
    /// # Errors
    /// A refusal, in words.
    pub(crate) async fn withdraw(&self, product: &str) -> Result<(), String> {
        self.set_status(product, "UNREGISTERED").await?;
        self.on_sale.lock().await.remove(product);
        Ok(())
    }

    async fn set_status(&self, product: &str, status: &str) -> Result<(), String> {
        let seller = self.session(Role::Seller).await.map_err(in_words)?;
        let call = self.api.put(format!("/products/{product}/status"), json!({"status": status}));
        call.by(&seller).read::<Value>().await.map(drop).map_err(in_words)
    }

    /// The status that the catalog shows.
    ///
    /// # Errors
    /// A refusal, in words.
    pub(crate) async fn status(&self, product: &str) -> Result<String, String> {
        let shown: Value =
            self.api.get(format!("/products/{product}")).read().await.map_err(in_words)?;
        Ok(shown["status"].as_str().unwrap_or_default().to_owned())
    }

    /// # Errors
    /// A refusal, in words.
    pub(crate) async fn stock(&self, product: &str) -> Result<StockView, String> {
        let seller = self.session(Role::Seller).await.map_err(in_words)?;
        let call = self.api.get(format!("/products/{product}/stock"));
        call.by(&seller).read().await.map_err(in_words)
    }

    /// Adds pieces to a product's stock.
    ///
    /// # Errors
    /// A refusal, in words.
    pub(crate) async fn add_stock(&self, product: &str, pieces: u32) -> Result<(), String> {
        let seller = self.session(Role::Seller).await.map_err(in_words)?;
        let key = password::generate().map_err(|failure| failure.to_string())?;
        let body = json!({ "quantity": pieces, "reason": "returned by rialto harness" });
        let call = self.api.post(format!("/products/{product}/stock/adjustments"), body);
        call.by(&seller).key(&key).read::<Value>().await.map(drop).map_err(in_words)
    }

    /// # Errors
    /// [`ApiError`] of the API.
    pub(crate) async fn place(
        &self,
        buyer: &Session,
        body: &Value,
        key: &str,
    ) -> Result<OrderView, ApiError> {
        let path = format!("/users/{}/orders", buyer.account_id);
        self.api.post(path, body.clone()).by(buyer).key(key).read().await
    }

    /// # Errors
    /// [`ApiError`] of the API.
    pub(crate) async fn cancel(&self, by: Role, order: &str) -> Result<OrderView, ApiError> {
        let session = self.session(by).await?;
        self.api.post(format!("/orders/{order}/cancel"), json!({})).by(&session).read().await
    }

    /// # Errors
    /// A refusal, in words.
    pub(crate) async fn order(&self, order: &str) -> Result<OrderView, String> {
        let supervisor = self.session(Role::Supervisor).await.map_err(in_words)?;
        let call = self.api.get(format!("/orders/{order}"));
        call.by(&supervisor).read().await.map_err(in_words)
    }

    /// # Errors
    /// A refusal, in words.
    pub(crate) async fn timeline<T: serde::de::DeserializeOwned>(
        &self,
        order: &str,
    ) -> Result<Vec<T>, String> {
        let supervisor = self.session(Role::Supervisor).await.map_err(in_words)?;
        let call = self.api.get(format!("/orders/{order}/timeline"));
        call.by(&supervisor).read().await.map_err(in_words)
    }

    /// The order's payment; `None` before it exists.
    ///
    /// # Errors
    /// A refusal, in words.
    pub(crate) async fn payment(&self, order: &str) -> Result<Option<PaymentView>, String> {
        let supervisor = self.session(Role::Supervisor).await.map_err(in_words)?;
        let call = self.api.get(format!("/orders/{order}/payment"));
        match call.by(&supervisor).read().await {
            Ok(payment) => Ok(Some(payment)),
            Err(error) if error.is("not_found") => Ok(None),
            Err(error) => Err(in_words(error)),
        }
    }
}

/// The request body of an order.
pub(crate) fn order_body(lines: &[(u32, String)], method: &str) -> Value {
    let line =
        |(quantity, product): &(u32, String)| json!({"product_id": product, "quantity": quantity});
    json!({
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
        "address": BUYERS[0].address(),
        "payment_method": method,
    })
}
