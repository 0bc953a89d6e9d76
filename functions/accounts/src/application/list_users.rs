use crate::{
    domain::{account::Account, contact::Email},
    ports::{AccountLister, AccountReader, CredentialReader},
};
use rialto_kernel::{AccountId, Role, StoreError};

/// The search criteria of a list of users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    pub email: Option<Email>,
    /// A part of the name, compared without case.
    pub name: Option<String>,
}

/// The maximum number of accounts read for one page of a search by name.
const READ_BUDGET: usize = 1_000;

/// The number of accounts read at a time.
const READ_BATCH: u32 = 100;

/// Lists buyers' accounts, newest first, and returns the position of the next page if there may be
/// one. A page of a search by name can have fewer than `limit` accounts although there are more.
///
/// # Errors
/// [`StoreError`].
pub async fn list_users(
    store: &(impl AccountLister + AccountReader + CredentialReader),
    filter: &UserFilter,
    limit: u32,
    position: Option<&str>,
) -> Result<(Vec<Account>, Option<String>), StoreError> {
    let name = filter.name.as_ref().map(|name| name.to_lowercase());
    match (&filter.email, name) {
        (Some(email), name) => {
            let mut found: Vec<Account> = by_email(store, email).await?.into_iter().collect();
            found.retain(|account| name.as_ref().is_none_or(|name| name_contains(account, name)));
            Ok((found, None))
        }
        (None, None) => list_accounts(store, Role::User, limit, position).await,
        (None, Some(name)) => by_name(store, &name, limit, position).await,
    }
}

pub(super) async fn list_accounts(
    store: &impl AccountLister,
    role: Role,
    limit: u32,
    position: Option<&str>,
) -> Result<(Vec<Account>, Option<String>), StoreError> {
    let (accounts, more) = store.accounts(role, limit, position).await?;
    let next = accounts.last().filter(|_| more).map(Account::list_sort_key);
    Ok((accounts, next))
}

async fn by_email(
    store: &(impl AccountReader + CredentialReader),
    email: &Email,
) -> Result<Option<Account>, StoreError> {
    match store.credential(email).await?.map(|credential| credential.account_id) {
        Some(id @ AccountId::User(_)) => store.account(id).await,
        Some(AccountId::Seller(_) | AccountId::Supervisor(_)) | None => Ok(None),
    }
}

async fn by_name(
    store: &impl AccountLister,
    name: &str,
    limit: u32,
    position: Option<&str>,
) -> Result<(Vec<Account>, Option<String>), StoreError> {
    let (mut found, mut read) = (Vec::new(), 0);
    let mut position = position.map(str::to_owned);
    while read < READ_BUDGET {
        let (accounts, more) = store.accounts(Role::User, READ_BATCH, position.as_deref()).await?;
        let last = accounts.len().saturating_sub(1);
        for (index, account) in accounts.into_iter().enumerate() {
            read += 1;
            position = Some(account.list_sort_key());
            let has_more = more || index < last;
            if name_contains(&account, name) {
                found.push(account);
            }
            if found.len() == limit as usize {
                return Ok((found, position.filter(|_| has_more)));
            }
        }
        if !more {
            return Ok((found, None));
        }
    }
    Ok((found, position))
}

fn name_contains(account: &Account, lower_case: &str) -> bool {
    let details = account.details.as_ref();
    details.is_some_and(|details| details.name.as_str().to_lowercase().contains(lower_case))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        adapters::memory::MemoryAccounts,
        domain::{
            account::ContactDetails, contact::Name, credential::PasswordHash,
            registration::Registration,
        },
        ports::AccountRegistrar,
        testing::details,
    };
    use rialto_contracts::EventContext;
    use rialto_kernel::{Timestamp, UserId, Write};

    /// A store of buyers with these names, oldest first.
    async fn buyers(names: impl IntoIterator<Item = String>) -> MemoryAccounts {
        let store = MemoryAccounts::default();
        for (at, name) in names.into_iter().enumerate() {
            let now = Timestamp::from_millis(i64::try_from(at).unwrap());
            let details = ContactDetails {
                name: Name::parse(&name).unwrap(),
                ..details(&format!("buyer{at}@example.com"))
            };
            let hash = PasswordHash("h".to_owned());
            let buyer = Registration::new(
                AccountId::User(UserId::generate(now)),
                details,
                hash,
                &EventContext::default(),
                now,
            );
            assert_eq!(store.register(&buyer).await, Ok(Write::Done));
        }
        store
    }

    async fn page(
        store: &MemoryAccounts,
        filter: &UserFilter,
        position: Option<&str>,
    ) -> (Vec<String>, Option<String>) {
        let (accounts, next) = list_users(store, filter, 2, position).await.unwrap();
        let name = |account: Account| account.details.unwrap().name.as_str().to_owned();
        (accounts.into_iter().map(name).collect(), next)
    }

    fn named(name: &str) -> UserFilter {
        UserFilter { name: Some(name.to_owned()), ..UserFilter::default() }
    }

    #[tokio::test]
    async fn users_are_listed_newest_first_in_pages() {
        let store = buyers(["Ann", "Bob", "Cem"].map(str::to_owned)).await;
        let (first, next) = page(&store, &UserFilter::default(), None).await;
        assert_eq!(first, ["Cem", "Bob"]);
        let (second, next) = page(&store, &UserFilter::default(), next.as_deref()).await;
        assert_eq!((second, next), (vec!["Ann".to_owned()], None));
    }

    #[tokio::test]
    async fn a_name_is_found_by_a_part_of_it_without_case() {
        let store = buyers(["Ann Lee", "Bob", "LEANNE", "Joann"].map(str::to_owned)).await;
        let (first, next) = page(&store, &named("aNN"), None).await;
        assert_eq!(first, ["Joann", "LEANNE"]);
        let (second, next) = page(&store, &named("aNN"), next.as_deref()).await;
        assert_eq!((second, next), (vec!["Ann Lee".to_owned()], None));
        assert_eq!(page(&store, &named("zoe"), None).await, (Vec::new(), None));
    }

    #[tokio::test]
    async fn a_page_reads_a_limited_number_of_accounts() {
        let names = (0..1_200).map(|at| if at == 0 { "Ann".to_owned() } else { "Bob".to_owned() });
        let store = buyers(names).await;
        let (found, next) = page(&store, &named("ann"), None).await;
        assert_eq!(found, Vec::<String>::new());
        let (found, next) = page(&store, &named("ann"), Some(&next.unwrap())).await;
        assert_eq!((found, next), (vec!["Ann".to_owned()], None));
    }

    #[tokio::test]
    async fn an_email_finds_the_one_user_who_has_it() {
        let store = buyers(["Ann", "Bob"].map(str::to_owned)).await;
        let email = Some(Email::parse("BUYER0@example.com").unwrap());
        let filter = UserFilter { email, ..UserFilter::default() };
        assert_eq!(page(&store, &filter, None).await, (vec!["Ann".to_owned()], None));
        let filter = UserFilter { name: Some("bob".to_owned()), ..filter };
        assert_eq!(page(&store, &filter, None).await, (Vec::new(), None));
    }
}
