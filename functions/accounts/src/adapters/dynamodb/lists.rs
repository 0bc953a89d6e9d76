use super::{DynamoAccounts, account_key};
use crate::{adapters::LISTED_DAYS, domain::account::Account, ports::AccountLister};
use futures_util::future::try_join_all;
use rialto_dynamo::{AttributeValue, Item, Key, PartitionQuery, Precondition, read_item};
use rialto_kernel::{AccountId, Role, StoreError, Write, digest};
use std::sync::PoisonError;

/// The number of index partitions over which a day's accounts are spread.
const SHARDS: u8 = 4;

fn day_partition(role: Role, day: &str, shard: u8) -> String {
    format!("{role}#{day}#{shard}")
}

/// The attributes by which `by_day` lists an account.
pub(super) fn day_index_keys(account: &Account) -> Item {
    let id = account.account_id;
    let shard = digest::sha256(&[id.to_string().as_bytes()])[0] % SHARDS;
    let partition = day_partition(id.role(), &account.created_at.day(), shard);
    [("by_day_pk", partition), ("by_day_sk", account.list_sort_key())]
        .map(|(name, text)| (name.to_owned(), AttributeValue::S(text)))
        .into()
}

impl DynamoAccounts {
    /// Records the day before its first account is registered, so that no account is unlisted.
    pub(super) async fn record_signup_day(&self, account: &Account) -> Result<(), StoreError> {
        let day = Key::new(format!("DAYS#{}", account.account_id.role()), account.created_at.day());
        if *self.recorded_day.lock().unwrap_or_else(PoisonError::into_inner) == Some(day.clone()) {
            return Ok(());
        }
        match self.table.put(day.item(), Precondition::Absent).await? {
            Write::Done | Write::Conflict(_) => {}
        }
        *self.recorded_day.lock().unwrap_or_else(PoisonError::into_inner) = Some(day);
        Ok(())
    }

    /// Sort keys of a day's accounts in `by_day`, newest first, up to `limit`.
    async fn index_keys(
        &self,
        role: Role,
        day: &str,
        limit: u32,
        position: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let shards = (0..SHARDS).map(|shard| async move {
            let query = PartitionQuery::index("by_day", day_partition(role, day, shard))
                .after(position)
                .descending();
            self.table.query(&query, limit).await
        });
        let found = try_join_all(shards).await?.into_iter().flat_map(|(items, _)| items);
        let mut keys: Vec<String> = found.filter_map(|item| text(&item, "by_day_sk")).collect();
        keys.sort_unstable_by(|a, b| b.cmp(a));
        keys.truncate(limit as usize);
        Ok(keys)
    }

    async fn days(
        &self,
        role: Role,
        before: Option<&str>,
    ) -> Result<(Vec<String>, bool), StoreError> {
        let query =
            PartitionQuery::table(format!("DAYS#{role}")).consistent().after(before).descending();
        let (items, next) = self.table.query(&query, LISTED_DAYS).await?;
        Ok((items.iter().filter_map(|item| text(item, "sk")).collect(), next.is_some()))
    }
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

/// The account id in a sort key of `by_day`.
fn parse_day_index_key(sort_key: &str) -> Result<AccountId, StoreError> {
    let id = sort_key.split_once('#').and_then(|(_, id)| id.parse().ok());
    id.ok_or_else(|| StoreError::Corrupt(format!("{sort_key} isn't a sort key of by_day")))
}

impl AccountLister for DynamoAccounts {
    async fn accounts(
        &self,
        role: Role,
        limit: u32,
        position: Option<&str>,
    ) -> Result<(Vec<Account>, Option<String>), StoreError> {
        let page_and_one = limit + 1;
        // An account's day is read again. It sorts before the day followed by `~`.
        let before = position.map(|position| match position.split_once('T') {
            Some((day, _)) => format!("{day}~"),
            None => position.to_owned(),
        });
        let (days, more_days) = self.days(role, before.as_deref()).await?;
        let mut sort_keys = Vec::new();
        for day in &days {
            sort_keys.extend(self.index_keys(role, day, page_and_one, position).await?);
            if sort_keys.len() >= page_and_one as usize {
                break;
            }
        }
        let next = if sort_keys.len() > limit as usize {
            sort_keys.truncate(limit as usize);
            sort_keys.last().cloned()
        } else {
            days.last().filter(|_| more_days).cloned()
        };
        let ids: Vec<AccountId> =
            sort_keys.iter().map(|key| parse_day_index_key(key)).collect::<Result<_, _>>()?;
        let keys: Vec<Key> = ids.into_iter().map(account_key).collect();
        let mut items = self.table.batch_get(&keys).await?;
        let accounts = keys.iter().filter_map(|key| items.remove(key)).map(read_item);
        Ok((accounts.collect::<Result<_, _>>()?, next))
    }
}
