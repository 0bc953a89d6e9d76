use super::MemoryAccounts;
use crate::{
    adapters::LISTED_DAYS,
    domain::{
        account::{Account, AccountStatus},
        contact::Email,
        credential::Credential,
        registration::Registration,
    },
    ports::{
        AccountLister, AccountReader, AccountRegistrar, AccountWriter, CredentialReader,
        CredentialWriter, LastLoginWriter,
    },
};
use rialto_kernel::{AccountId, Role, StoreError, Timestamp, Write};

impl AccountRegistrar for MemoryAccounts {
    async fn register(&self, registration: &Registration) -> Result<Write, StoreError> {
        let Registration { account, credential, profile, events } = registration.clone();
        let mut state = self.state();
        let email = credential.email.key();
        if state.credentials.get(&email) == Some(&credential) {
            return Ok(Write::Done);
        }
        if state.credentials.contains_key(&email)
            || state.accounts.contains_key(&account.account_id)
        {
            return Ok(Write::Conflict(()));
        }
        state.credentials.insert(email, credential);
        state.accounts.insert(account.account_id, account);
        state.profiles.extend(profile.map(|profile| (profile.user_id, profile)));
        state.published_events.extend(events);
        Ok(Write::Done)
    }
}

impl CredentialReader for MemoryAccounts {
    async fn credential(&self, email: &Email) -> Result<Option<Credential>, StoreError> {
        Ok(self.state().credentials.get(&email.key()).cloned())
    }
}

impl CredentialWriter for MemoryAccounts {
    async fn save_credential(&self, credential: &Credential) -> Result<Write, StoreError> {
        match self.state().credentials.get_mut(&credential.email.key()) {
            Some(stored) if stored.version + 1 == credential.version => {
                *stored = credential.clone();
                Ok(Write::Done)
            }
            Some(_) | None => Ok(Write::Conflict(())),
        }
    }
}

impl AccountReader for MemoryAccounts {
    async fn account(&self, account: AccountId) -> Result<Option<Account>, StoreError> {
        Ok(self.state().accounts.get(&account).cloned())
    }
}

impl LastLoginWriter for MemoryAccounts {
    async fn record_login(&self, account: AccountId, at: Timestamp) -> Result<Write, StoreError> {
        match self.state().accounts.get_mut(&account) {
            Some(account)
                if account.status == AccountStatus::Registered
                    && account.last_login_at.is_none_or(|last| last < at) =>
            {
                account.last_login_at = Some(at);
                Ok(Write::Done)
            }
            Some(_) | None => Ok(Write::Conflict(())),
        }
    }
}

impl AccountWriter for MemoryAccounts {
    async fn save_account(&self, account: &Account) -> Result<Write, StoreError> {
        Ok(if self.state().save_account(account) { Write::Done } else { Write::Conflict(()) })
    }
}

impl AccountLister for MemoryAccounts {
    async fn accounts(
        &self,
        role: Role,
        limit: u32,
        position: Option<&str>,
    ) -> Result<(Vec<Account>, Option<String>), StoreError> {
        let state = self.state();
        let after_position =
            |account: &&Account| position.is_none_or(|at| account.list_sort_key().as_str() < at);
        let of_role = state.accounts.values().filter(|account| account.account_id.role() == role);
        let mut found: Vec<Account> = of_role.filter(after_position).cloned().collect();
        found.sort_unstable_by_key(|account| std::cmp::Reverse(account.list_sort_key()));
        let mut days: Vec<String> = found.iter().map(|account| account.created_at.day()).collect();
        days.dedup();
        let last_day = days.get(LISTED_DAYS as usize - 1).filter(|day| Some(*day) != days.last());
        if let Some(last_day) = last_day {
            found.retain(|account| account.created_at.day() >= *last_day);
        }
        let next = if found.len() > limit as usize {
            found.truncate(limit as usize);
            found.last().map(Account::list_sort_key)
        } else {
            last_day.cloned()
        };
        Ok((found, next))
    }
}
