use super::{DynamoAccounts, account_key};
use crate::{domain::account::Account, ports::AccountLister};
use futures_util::future::try_join_all;
use rialto_dynamo::{AttributeValue, Item, Key, Precondition, Stretch, read_item};
use rialto_kernel::{AccountId, Role, StoreError, Write, digest};
use std::sync::PoisonError;

/// Over how many partitions of the index a day's accounts are spread.
const SHARDS: u8 = 4;
/// How many days are looked up at a time.
const DAYS: u32 = 31;

fn day_partition(role: Role, day: &str, shard: u8) -> String {
    format!("{role}#{day}#{shard}")
}

/// What of an account's item makes the index list it.
pub(super) fn listing(account: &Account) -> Item {
    let id = account.account_id;
    let shard = digest::sha256(&[id.to_string().as_bytes()])[0] % SHARDS;
    let partition = day_partition(id.role(), &account.created_at.day(), shard);
    [("by_day_pk", partition), ("by_day_sk", account.list_sort_key())]
        .map(|(name, text)| (name.to_owned(), AttributeValue::S(text)))
        .into()
}

impl DynamoAccounts {
    /// Notes that accounts were made on this day, before the first one is.
    pub(super) async fn record_signup_day(&self, account: &Account) -> Result<(), StoreError> {
        let day = Key::new(format!("DAYS#{}", account.account_id.role()), account.created_at.day());
        if *self.known_day.lock().unwrap_or_else(PoisonError::into_inner) == Some(day.clone()) {
            return Ok(());
        }
        match self.table.put(day.item(), Precondition::Absent).await? {
            Write::Done | Write::Conflict(_) => {}
        }
        *self.known_day.lock().unwrap_or_else(PoisonError::into_inner) = Some(day);
        Ok(())
    }

    /// Places of a day's accounts, newest first, up to `limit`.
    async fn index_keys(
        &self,
        role: Role,
        day: &str,
        limit: u32,
        position: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let shards = (0..SHARDS).map(|shard| async move {
            let stretch = Stretch {
                index: Some("by_day"),
                partition: ("by_day_pk", day_partition(role, day, shard)),
                sort: "by_day_sk",
                after: position.map(str::to_owned),
                descending: true,
            };
            self.table.stretch(&stretch, limit).await
        });
        let found = try_join_all(shards).await?.into_iter().flat_map(|(items, _)| items);
        let mut places: Vec<String> = found.filter_map(|item| text(&item, "by_day_sk")).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.truncate(limit as usize);
        Ok(places)
    }

    async fn days(
        &self,
        role: Role,
        before: Option<String>,
    ) -> Result<(Vec<String>, bool), StoreError> {
        let stretch = Stretch {
            index: None,
            partition: ("pk", format!("DAYS#{role}")),
            sort: "sk",
            after: before,
            descending: true,
        };
        let (items, more) = self.table.stretch(&stretch, DAYS).await?;
        Ok((items.iter().filter_map(|item| text(item, "sk")).collect(), more))
    }
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

/// The account behind a place.
fn account_at(place: &str) -> Result<AccountId, StoreError> {
    let id = place.split_once('#').and_then(|(_, id)| id.parse().ok());
    id.ok_or_else(|| StoreError::Corrupt(format!("{place} is no account's place")))
}

impl AccountLister for DynamoAccounts {
    async fn accounts(
        &self,
        role: Role,
        limit: u32,
        position: Option<&str>,
    ) -> Result<(Vec<Account>, bool), StoreError> {
        let wanted = limit + 1;
        // Behind every place of the position's own day.
        let mut before = position.and_then(|place| place.get(..10)).map(|day| format!("{day}~"));
        let mut places = Vec::new();
        'days: loop {
            let (days, more) = self.days(role, before).await?;
            for day in &days {
                places.extend(self.index_keys(role, day, wanted, position).await?);
                if places.len() >= wanted as usize {
                    break 'days;
                }
            }
            before = days.last().cloned();
            if !more || before.is_none() {
                break;
            }
        }
        let more = places.len() > limit as usize;
        places.truncate(limit as usize);
        let ids: Vec<AccountId> =
            places.iter().map(|place| account_at(place)).collect::<Result<_, _>>()?;
        let keys: Vec<Key> = ids.into_iter().map(account_key).collect();
        let mut items = self.table.batch_get(&keys).await?;
        let accounts = keys.iter().filter_map(|key| items.remove(key)).map(read_item);
        Ok((accounts.collect::<Result<_, _>>()?, more))
    }
}
