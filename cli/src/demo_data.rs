//! The demo shop: its accounts and products, all fictitious. Mail addresses end in `.example`, a
//! domain reserved for documentation.

mod products;

use crate::failure::Failure;
use rialto_catalog::domain::item::{Attributes, Brand, Category, Item};
use rialto_kernel::{BrandId, CategoryId, ItemId, Text};
use serde_json::{Value, json};
use std::fmt::Display;

pub(crate) use products::PRODUCTS;

pub(crate) struct Person {
    pub(crate) email: &'static str,
    pub(crate) name: &'static str,
    pub(crate) phone: &'static str,
}

pub(crate) const SUPERVISOR: Person =
    Person { email: "supervisor@rialto.example", name: "Vera Lindqvist", phone: "+46855500100" };

/// Products refer to classes by their index.
pub(crate) const SELLERS: [Person; 3] = [
    Person {
        email: "harbour@rialto.example",
        name: "Harbour Street Goods",
        phone: "+494055500201",
    },
    Person { email: "meridian@rialto.example", name: "Meridian Supply", phone: "+33155500202" },
    Person { email: "alder@rialto.example", name: "Alder Workshop", phone: "+4555500203" },
];

pub(crate) struct Buyer {
    pub(crate) person: Person,
    line1: &'static str,
    line2: Option<&'static str>,
    zipcode: &'static str,
    drop_off: &'static str,
    note: Option<&'static str>,
}

pub(crate) const BUYERS: [Buyer; 3] = [
    Buyer {
        person: Person {
            email: "nora@rialto.example",
            name: "Nora Castellan",
            phone: "+493055500301",
        },
        line1: "Linienstrasse 12",
        line2: Some("3rd floor"),
        zipcode: "10178",
        drop_off: "DOOR",
        note: Some("The bell says Castellan"),
    },
    Buyer {
        person: Person {
            email: "ivo@rialto.example",
            name: "Ivo Marchetti",
            phone: "+390255500302",
        },
        line1: "Via Savona 44",
        line2: None,
        zipcode: "20144",
        drop_off: "OFFICE",
        note: None,
    },
    Buyer {
        person: Person {
            email: "june@rialto.example",
            name: "June Okafor",
            phone: "+442055500303",
        },
        line1: "7 Ravenscroft Street",
        line2: None,
        zipcode: "E2 7SH",
        drop_off: "POST",
        note: Some("Locker 19"),
    },
];

impl Buyer {
    /// The address of this buyer, as in an order's request body.
    pub(crate) fn address(&self) -> Value {
        let mut address = json!({
            "receiver": self.person.name,
            "line1": self.line1,
            "zipcode": self.zipcode,
            "phone": self.person.phone,
            "drop_off": self.drop_off,
        });
        for (name, text) in [("line2", self.line2), ("note", self.note)] {
            if let Some(text) = text {
                address[name] = text.into();
            }
        }
        address
    }
}

pub(crate) const CATEGORIES: [&str; 6] =
    ["Coffee & Tea", "Kitchen", "Light & Home", "Desk & Paper", "Outdoor", "Audio"];

pub(crate) const BRANDS: [&str; 8] = [
    "Nordhavn",
    "Mirador",
    "Tessel & Sons",
    "Kiln Street",
    "Lumen Works",
    "Papermoon",
    "Alder & Ash",
    "Quietbox",
];

/// A product and its item.
pub(crate) struct Product {
    /// An index of [`SELLERS`].
    pub(crate) seller: usize,
    pub(crate) category: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) item: &'static str,
    pub(crate) attributes: &'static [(&'static str, &'static str)],
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    /// In minor units.
    pub(crate) price: i64,
    pub(crate) stock: i64,
}

/// Ids are derived from names, so that a second run finds the same things.
fn category_id(name: &str) -> CategoryId {
    CategoryId::derive(&[b"rialto seed", name.as_bytes()])
}

fn brand_id(name: &str) -> BrandId {
    BrandId::derive(&[b"rialto seed", name.as_bytes()])
}

/// # Errors
/// [`Failure`] for a name that the catalog rejects.
pub(crate) fn category(name: &str) -> Result<Category, Failure> {
    Ok(Category { category_id: category_id(name), name: text(name)?, version: 1 })
}

/// # Errors
/// [`Failure`] for a name that the catalog rejects.
pub(crate) fn brand(name: &str) -> Result<Brand, Failure> {
    Ok(Brand { brand_id: brand_id(name), name: text(name)?, version: 1 })
}

impl Product {
    pub(crate) fn item_id(&self) -> ItemId {
        ItemId::derive(&[b"rialto seed", self.brand.as_bytes(), self.item.as_bytes()])
    }

    /// # Errors
    /// [`Failure`] for a text that the catalog rejects.
    pub(crate) fn item(&self) -> Result<Item, Failure> {
        let attributes =
            self.attributes.iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
        Ok(Item {
            item_id: self.item_id(),
            name: text(self.item)?,
            category_id: category_id(self.category),
            brand_id: brand_id(self.brand),
            attributes: Attributes::new(attributes.collect::<Result<_, Failure>>()?)
                .map_err(|error| unfit(self.item, error))?,
            version: 1,
        })
    }

    /// The request body that registers the product.
    pub(crate) fn registration(&self) -> Value {
        json!({
            "item_id": self.item_id(),
            "title": self.title,
            "description": self.description,
            "images": [],
            "price": self.price,
            "initial_stock": self.stock,
        })
    }
}

fn text<const MIN: usize, const MAX: usize>(text: &str) -> Result<Text<MIN, MAX>, Failure> {
    Text::parse(text).map_err(|error| unfit(text, error))
}

/// Unreachable: tests check every entry.
fn unfit(text: &str, error: impl Display) -> Failure {
    Failure::new(
        format!("The demo shop's {text:?} {error}."),
        "Please report this: it is a mistake in rialto.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_accounts::domain::contact::{Email, Name};
    use rialto_catalog::domain::details::{self, Description, Title};
    use rialto_kernel::{DropOff, Phone};
    use std::collections::HashSet;

    #[test]
    fn every_product_meets_the_catalogs_limits() {
        for product in PRODUCTS {
            Title::parse(product.title).unwrap();
            Description::parse(product.description).unwrap();
            details::price(product.price).unwrap();
            details::initial_stock(product.stock).unwrap();
            assert!(product.description.len() > 40, "{}", product.title);
            assert!(product.seller < SELLERS.len(), "{}", product.title);
        }
    }

    #[test]
    fn every_item_has_a_category_and_a_brand_of_the_shop() {
        for product in PRODUCTS {
            let item = product.item().unwrap();
            assert!(
                CATEGORIES
                    .iter()
                    .any(|name| category(name).unwrap().category_id == item.category_id)
            );
            assert!(BRANDS.iter().any(|name| brand(name).unwrap().brand_id == item.brand_id));
        }
    }

    #[test]
    fn every_entry_is_unique_and_used() {
        let distinct = |all: &[String]| all.iter().collect::<HashSet<_>>().len() == all.len();
        let items: Vec<_> = PRODUCTS.iter().map(|product| product.item_id().to_string()).collect();
        let titles: Vec<_> = PRODUCTS.iter().map(|product| product.title.to_owned()).collect();
        assert_eq!(PRODUCTS.len(), 36);
        assert!(distinct(&items) && distinct(&titles));
        for seller in 0..SELLERS.len() {
            assert_eq!(PRODUCTS.iter().filter(|product| product.seller == seller).count(), 12);
        }
        for name in CATEGORIES {
            assert!(PRODUCTS.iter().any(|product| product.category == name), "{name}");
        }
        for name in BRANDS {
            assert!(PRODUCTS.iter().any(|product| product.brand == name), "{name}");
        }
    }

    #[test]
    fn one_product_is_out_of_stock() {
        assert_eq!(PRODUCTS.iter().filter(|product| product.stock == 0).count(), 1);
        assert!(PRODUCTS.iter().filter(|product| product.stock >= 20).count() > 25);
    }

    #[test]
    fn every_account_can_sign_up() {
        let buyers = BUYERS.iter().map(|buyer| &buyer.person);
        for person in buyers.chain(&SELLERS).chain([&SUPERVISOR]) {
            assert!(
                Email::parse(person.email).is_ok() && person.email.ends_with(".example"),
                "{}",
                person.email
            );
            assert!(Name::parse(person.name).is_ok(), "{}", person.name);
            assert!(Phone::parse(person.phone).is_ok(), "{}", person.phone);
        }
    }

    #[test]
    fn every_buyer_has_a_valid_address() {
        for buyer in &BUYERS {
            let address = buyer.address();
            let line = |name: &str| address[name].as_str().unwrap().to_owned();
            Text::<1, 80>::parse(&line("receiver")).unwrap();
            Text::<1, 120>::parse(&line("line1")).unwrap();
            Text::<1, 12>::parse(&line("zipcode")).unwrap();
            Phone::parse(&line("phone")).unwrap();
            line("drop_off").parse::<DropOff>().unwrap();
        }
    }
}
