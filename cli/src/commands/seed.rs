use super::supervisor_create;
use crate::{
    account::{AccountSlot, Registered, get_or_create},
    api::{Api, ApiError, Session},
    aws,
    context::Context,
    demo_data::{self, BRANDS, BUYERS, CATEGORIES, PRODUCTS, Person, SELLERS, SUPERVISOR},
    failure::Failure,
    local::{Account, LocalFile},
    output::progress,
};
use clap::Args;
use rialto_aws::{SdkConfig, Stage};
use rialto_catalog::{
    adapters::dynamodb::DynamoCatalog,
    application::{put_brand::put_brand, put_category::put_category, put_item::put_item},
};
use rialto_dynamo::Table;
use rialto_kernel::Write;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Fill a stage with a small demo shop
///
/// A supervisor, sellers and buyers, categories, brands, items and products with stock. What exists
/// is left as it is, so that the command can be repeated. Passwords are generated and stored in the
/// stage's file, which only you can read.
#[derive(Debug, Args)]
pub(crate) struct Seed {}

/// How long inventory may take to process every product's registration.
const STOCK_DEADLINE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
struct OwnProduct {
    product_id: String,
    title: String,
    chosen_status: String,
}

impl Seed {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        if context.stage.as_str() == "prod" {
            return Err(Failure::new(
                "The stage prod can't have a demo shop.",
                "Choose another stage with --stage. For the first supervisor use rialto supervisor create.",
            ));
        }
        let api = context.api()?;
        let aws = context.aws().await?;
        let mut file = context.local.clone();
        file.content.api_url.get_or_insert_with(|| api.url().to_owned());
        let people = seed_accounts(&mut file, &api, &aws, &context.stage).await?;
        seed_catalog(&aws, &context.stage).await?;
        let products = products(&api, &people.sellers).await?;
        wait_for_stock(&api, &people.supervisor, products).await?;
        progress(format!(
            "The demo shop is ready at {}; its accounts are in {}.",
            api.url(),
            file.path.display()
        ));
        Ok(())
    }
}

struct People {
    supervisor: Session,
    sellers: Vec<Session>,
}

async fn seed_accounts(
    file: &mut LocalFile,
    api: &Api,
    aws: &SdkConfig,
    stage: &Stage,
) -> Result<People, Failure> {
    let make = async |account: &Account| {
        let made = supervisor_create::create(
            aws,
            stage,
            &account.email,
            SUPERVISOR.name,
            &account.password,
        )
        .await?;
        Ok(made.map_or(Registered::EmailTaken, |_| Registered::Done))
    };
    let (supervisor, new) =
        get_or_create(file, api, AccountSlot::Supervisor, &SUPERVISOR, make).await?;
    let mut made = usize::from(new);
    let mut sellers = Vec::new();
    for (at, person) in SELLERS.iter().enumerate() {
        let make = async |account: &Account| {
            registered(
                api.post("/sellers", sign_up(person, account))
                    .by(&supervisor)
                    .read::<Value>()
                    .await,
            )
        };
        let (seller, new) = get_or_create(file, api, AccountSlot::Seller(at), person, make).await?;
        made += usize::from(new);
        sellers.push(seller);
    }
    for (at, buyer) in BUYERS.iter().enumerate() {
        let make = async |account: &Account| {
            registered(api.post("/users", sign_up(&buyer.person, account)).read::<Value>().await)
        };
        let (_, new) =
            get_or_create(file, api, AccountSlot::Buyer(at), &buyer.person, make).await?;
        made += usize::from(new);
    }
    progress(format!(
        "accounts: a supervisor, {} sellers, {} buyers ({made} new)",
        SELLERS.len(),
        BUYERS.len()
    ));
    Ok(People { supervisor, sellers })
}

fn sign_up(person: &Person, account: &Account) -> Value {
    json!({
        "email": account.email,
        "password": account.password,
        "name": person.name,
        "phone": person.phone,
    })
}

fn registered(result: Result<Value, ApiError>) -> Result<Registered, Failure> {
    match result {
        Ok(_) => Ok(Registered::Done),
        Err(error) if error.is("duplicate") => Ok(Registered::EmailTaken),
        Err(error) => Err(error.into()),
    }
}

/// Categories, brands and items have no routes yet, so they are written to the catalog's table
/// directly.
async fn seed_catalog(aws: &SdkConfig, stage: &Stage) -> Result<(), Failure> {
    let store = DynamoCatalog::on(Table::open(aws, stage, rialto_catalog::SERVICE));
    let (mut categories, mut brands, mut items) = (0, 0, 0);
    for name in CATEGORIES {
        let put = put_category(&store, &demo_data::category(name)?).await;
        categories += new(put.map_err(|error| aws::store_failure("Writing a category", &error))?);
    }
    for name in BRANDS {
        let put = put_brand(&store, &demo_data::brand(name)?).await;
        brands += new(put.map_err(|error| aws::store_failure("Writing a brand", &error))?);
    }
    for product in PRODUCTS {
        let put = put_item(&store, &product.item()?).await;
        items += new(put.map_err(|error| {
            Failure::new(
                format!("The item {:?} couldn't be written: {error}.", product.item),
                "Run rialto seed again.",
            )
        })?);
    }
    progress(format!(
        "assortment: {} categories ({categories} new), {} brands ({brands} new), {} items ({items} new)",
        CATEGORIES.len(),
        BRANDS.len(),
        PRODUCTS.len()
    ));
    Ok(())
}

fn new(write: Write) -> usize {
    usize::from(write == Write::Done)
}

/// Registers every product, for sale unless its seller chose otherwise. Returns their ids.
async fn products(api: &Api, sellers: &[Session]) -> Result<Vec<String>, Failure> {
    let (mut ids, mut made) = (Vec::new(), 0);
    for (at, seller) in sellers.iter().enumerate() {
        let path = format!("/sellers/{}/products", seller.account_id);
        let known: Vec<OwnProduct> = api.get(path).by(seller).read_all().await?;
        for product in PRODUCTS.iter().filter(|product| product.seller == at) {
            let known = known.iter().find(|known| known.title == product.title);
            let id = match known {
                Some(known) => known.product_id.clone(),
                None => {
                    made += 1;
                    let call = api.post("/products", product.registration()).by(seller);
                    call.read::<OwnProduct>().await?.product_id
                }
            };
            if known.is_none_or(|known| known.chosen_status == "REGISTERED") {
                sell(api, seller, &id).await?;
            }
            ids.push(id);
        }
        progress(format!("products: {} of {} ({made} new)", ids.len(), PRODUCTS.len()));
    }
    Ok(ids)
}

async fn sell(api: &Api, seller: &Session, product: &str) -> Result<(), ApiError> {
    let path = format!("/products/{product}/status");
    match api.put(path, json!({ "status": "SELL" })).by(seller).read::<Value>().await {
        Ok(_) => Ok(()),
        // The response to an earlier attempt was lost.
        Err(error) if error.is("illegal_transition") => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits until inventory has processed every product's registration.
async fn wait_for_stock(
    api: &Api,
    supervisor: &Session,
    mut products: Vec<String>,
) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        let mut unknown = Vec::new();
        for product in products {
            let path = format!("/products/{product}/stock");
            match api.get(path).by(supervisor).read::<Value>().await {
                Ok(_) => {}
                Err(error) if error.is("not_found") => unknown.push(product),
                Err(error) => return Err(error.into()),
            }
        }
        if unknown.is_empty() {
            progress("stock: inventory has every product");
            return Ok(());
        }
        if started.elapsed() > STOCK_DEADLINE {
            return Err(Failure::new(
                format!(
                    "Inventory hasn't processed the registration of {} products, such as {}.",
                    unknown.len(),
                    unknown[0]
                ),
                "Events don't arrive: see the logs of catalog's relay and of inventory-on-catalog, and their \
                 dead-letter queues. Then run rialto seed again.",
            ));
        }
        products = unknown;
        tokio::time::sleep(POLL).await;
    }
}
