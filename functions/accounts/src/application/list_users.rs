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

/// The number of accounts read at a time for a search by name.
const READ_BATCH: u32 = 100;

/// The maximum number of reads for one page: 1,000 accounts or 310 days of a search by name.
const MAX_READS: usize = 10;

/// Lists buyers' accounts, newest first, and returns the position of the next page if there may be
/// one. A page can have fewer than `limit` accounts, or none, although there are more.
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
        (None, Some(name)) => {
            let matches = |account: &Account| name_contains(account, &name);
            search(store, Role::User, READ_BATCH, limit, position, matches).await
        }
    }
}

pub(super) async fn list_accounts(
    store: &impl AccountLister,
    role: Role,
    limit: u32,
    position: Option<&str>,
) -> Result<(Vec<Account>, Option<String>), StoreError> {
    search(store, role, limit, limit, position, |_| true).await
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

/// Up to `limit` accounts that match, of those that [`MAX_READS`] reads of `batch` accounts find.
async fn search(
    store: &impl AccountLister,
    role: Role,
    batch: u32,
    limit: u32,
    position: Option<&str>,
    matches: impl Fn(&Account) -> bool + Send,
) -> Result<(Vec<Account>, Option<String>), StoreError> {
    let mut found = Vec::new();
    let mut position = position.map(str::to_owned);
    for _ in 0..MAX_READS {
        let (accounts, next) = store.accounts(role, batch, position.as_deref()).await?;
        let last = accounts.len().saturating_sub(1);
        for (index, account) in accounts.into_iter().enumerate() {
            if !matches(&account) {
                continue;
            }
            let here = account.list_sort_key();
            found.push(account);
            if found.len() == limit as usize {
                return Ok((found, Some(here).filter(|_| next.is_some() || index < last)));
            }
        }
        position = next;
        if position.is_none() {
            break;
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
        buyers_every(1, names).await
    }

    /// A store of buyers with these names, oldest first, so many milliseconds apart.
    async fn buyers_every(millis: i64, names: impl IntoIterator<Item = String>) -> MemoryAccounts {
        let store = MemoryAccounts::default();
        for (at, name) in names.into_iter().enumerate() {
            let now = Timestamp::from_millis(millis * i64::try_from(at).unwrap());
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

    /// Counts the reads of a list.
    struct CountedReads<'a>(&'a MemoryAccounts, std::sync::atomic::AtomicUsize);

    impl AccountLister for CountedReads<'_> {
        async fn accounts(
            &self,
            role: Role,
            limit: u32,
            position: Option<&str>,
        ) -> Result<(Vec<Account>, Option<String>), StoreError> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.0.accounts(role, limit, position).await
        }
    }

    #[tokio::test]
    async fn a_page_reads_a_limited_number_of_days() {
        let names = (0..400).map(|at| if at == 0 { "Ann".to_owned() } else { "Bob".to_owned() });
        let store = buyers_every(24 * 3600 * 1000, names).await;
        let search = async |position: Option<&str>| {
            let counted = CountedReads(&store, 0.into());
            let is_ann = |account: &Account| name_contains(account, "ann");
            let page = search(&counted, Role::User, READ_BATCH, 2, position, is_ann).await.unwrap();
            assert!(counted.1.into_inner() <= MAX_READS);
            page
        };
        let (found, next) = search(None).await;
        assert!(found.is_empty());
        let (found, next) = search(Some(&next.unwrap())).await;
        assert_eq!((found.len(), next), (1, None));
    }

    #[tokio::test]
    async fn a_page_of_many_days_is_filled() {
        let store = buyers_every(24 * 3600 * 1000, (0..90).map(|at| format!("Buyer {at}"))).await;
        let all = UserFilter::default();
        let (first, next) = list_users(&store, &all, 80, None).await.unwrap();
        let (second, end) = list_users(&store, &all, 80, next.as_deref()).await.unwrap();
        assert_eq!((first.len(), second.len(), end), (80, 10, None));
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
