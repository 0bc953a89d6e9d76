use super::{DynamoAccounts, credential_key, partition, session_key};
use crate::{
    domain::{credential::Credential, session::Session},
    ports::{SessionEnder, SessionLister, SessionReader, SessionStarter, SessionWriter},
};
use futures_util::future::try_join_all;
use rialto_contracts::Event;
use rialto_dynamo::{
    Delete, Item, Key, PartitionQuery, Precondition, TransactWriteItem, item_key, number,
    read_item, write_item,
};
use rialto_kernel::{AccountId, SessionId, StoreError, Write};

const PREFIX: &str = "SESSION#";
/// The number of sessions that are read, and deleted, at a time.
const CONCURRENCY: u32 = 25;

/// The session's item. DynamoDB deletes it some time after the session has expired.
fn item(session: &Session, events: &[Event]) -> Result<Item, StoreError> {
    let mut item =
        write_item(&session_key(session.account_id, session.session_id), session, events)?;
    item.insert("ttl".to_owned(), number(session.expires_at.seconds()));
    Ok(item)
}

impl DynamoAccounts {
    /// Sessions of an account whose sort keys are below `before`, newest first, up to `limit`; and
    /// whether there are more. A consistent read.
    async fn session_items(
        &self,
        account: AccountId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let query = PartitionQuery::prefix(partition(account), PREFIX).after(before);
        let (items, next) = self.table.query(&query.consistent().descending(), limit).await?;
        Ok((items, next.is_some()))
    }

    /// Deletes the sessions of an account whose sort keys are below `before`, but `excluded`, and
    /// returns their number.
    async fn end_before(
        &self,
        account: AccountId,
        mut before: Option<String>,
        excluded: Option<Key>,
    ) -> Result<usize, StoreError> {
        let mut ended = 0;
        loop {
            let (items, more) = self.session_items(account, before.as_deref(), CONCURRENCY).await?;
            let keys: Vec<Key> = items.iter().map(item_key).collect::<Result<_, _>>()?;
            let ending = keys.iter().filter(|key| Some(*key) != excluded.as_ref());
            let writes = try_join_all(ending.map(|key| self.table.delete(key, None))).await?;
            ended += writes.into_iter().filter(|write| *write == Write::Done).count();
            match keys.last() {
                Some(last) if more => before = Some(last.sk.clone()),
                _ => return Ok(ended),
            }
        }
    }
}

impl SessionStarter for DynamoAccounts {
    async fn start(
        &self,
        session: &Session,
        credential: &Credential,
        events: &[Event],
    ) -> Result<Write, StoreError> {
        let writes = vec![
            self.table.transact_check(
                &credential_key(&credential.email),
                Precondition::Version(credential.version),
            )?,
            self.table.transact_put(item(session, events)?, Precondition::Absent)?,
        ];
        self.transact(writes).await
    }
}

impl SessionReader for DynamoAccounts {
    async fn session(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        self.table.get(&session_key(account, session)).await?.map(read_item).transpose()
    }
}

impl SessionWriter for DynamoAccounts {
    async fn save(&self, session: &Session) -> Result<Write, StoreError> {
        let item = item(session, &[])?;
        self.table.put(item, Precondition::Version(session.version - 1)).await.map(Write::unit)
    }
}

impl SessionEnder for DynamoAccounts {
    async fn end(&self, account: AccountId, session: SessionId) -> Result<Write, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(session_key(account, session).item()))
            .condition_expression("attribute_exists(pk)");
        let delete = delete.build().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        // A transaction of one write, because it has a client token: sent again after a lost
        // response, it doesn't conflict with itself.
        self.transact(vec![TransactWriteItem::builder().delete(delete).build()]).await
    }

    async fn end_oldest(&self, account: AccountId, keep: u32) -> Result<usize, StoreError> {
        let (kept, more) = self.session_items(account, None, keep).await?;
        match kept.last() {
            Some(last) if more => self.end_before(account, Some(item_key(last)?.sk), None).await,
            Some(_) | None => Ok(0),
        }
    }

    async fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
    ) -> Result<usize, StoreError> {
        self.end_before(account, None, except.map(|session| session_key(account, session))).await
    }
}

impl SessionLister for DynamoAccounts {
    async fn sessions(
        &self,
        account: AccountId,
        limit: u32,
        position: Option<&str>,
    ) -> Result<(Vec<Session>, Option<String>), StoreError> {
        let (items, more) = self.session_items(account, position, limit).await?;
        let next = items.last().filter(|_| more).map(item_key).transpose()?.map(|key| key.sk);
        let sessions = items.into_iter().map(read_item).collect::<Result<_, _>>()?;
        Ok((sessions, next))
    }
}
