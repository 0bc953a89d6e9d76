//! The demo shop's accounts: read from the stage's file, or registered.

use crate::{
    api::{Api, ApiError, Session},
    demo_data::Person,
    failure::Failure,
    local::{Account, Accounts, LocalFile},
    password,
};

/// A position in the file's accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountSlot {
    Supervisor,
    Seller(usize),
    Buyer(usize),
}

/// The outcome of registering an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    Done,
    EmailTaken,
}

/// How many addresses are tried for an account.
const ADDRESSES: u32 = 20;

impl AccountSlot {
    fn of(self, accounts: &Accounts) -> Option<&Account> {
        match self {
            Self::Supervisor => accounts.supervisor.as_ref(),
            Self::Seller(at) => accounts.sellers.get(at),
            Self::Buyer(at) => accounts.buyers.get(at),
        }
    }

    /// Slots of one kind are filled in order.
    fn complete(self, accounts: &mut Accounts, account: Account) {
        let (list, at) = match self {
            Self::Supervisor => {
                accounts.supervisor = Some(account);
                return;
            }
            Self::Seller(at) => (&mut accounts.sellers, at),
            Self::Buyer(at) => (&mut accounts.buyers, at),
        };
        match list.get_mut(at) {
            Some(old) => *old = account,
            None => list.push(account),
        }
    }

    /// The account, with the id from the login response.
    fn identified(self, mut account: Account, session: &Session) -> Account {
        let id = Some(session.account_id.clone());
        match self {
            Self::Supervisor => {}
            Self::Seller(_) => account.seller_id = id,
            Self::Buyer(_) => account.user_id = id,
        }
        account
    }
}

/// Logs in with the stored credentials, and registers the account first if that fails. Also returns
/// whether the account is new.
///
/// If the address belongs to an account whose password isn't in the file, a number is added to the
/// address.
///
/// # Errors
/// [`Failure`] of the API, of the file or of `register`.
pub(crate) async fn get_or_create(
    file: &mut LocalFile,
    api: &Api,
    slot: AccountSlot,
    person: &Person,
    register: impl AsyncFn(&Account) -> Result<Registered, Failure>,
) -> Result<(Session, bool), Failure> {
    let noted = slot.of(&file.content.accounts).cloned();
    if let Some(account) = &noted
        && let Some(session) = log_in(api, account).await?
    {
        save(file, slot, slot.identified(account.clone(), &session))?;
        return Ok((session, false));
    }
    let mut next = noted;
    for number in 1..=ADDRESSES {
        let account = match next.take() {
            Some(account) => account,
            None => Account::new(numbered(person.email, number), password::generate()?),
        };
        save(file, slot, account.clone())?;
        if register(&account).await? == Registered::Done {
            let session = api.log_in(&account.email, &account.password).await?;
            save(file, slot, slot.identified(account, &session))?;
            return Ok((session, true));
        }
    }
    Err(Failure::new(
        format!("{} and {ADDRESSES} similar addresses are taken.", person.email),
        "Use the stage's file of the earlier runs (--file), or use an empty stage.",
    ))
}

/// `None` if the credentials are rejected.
async fn log_in(api: &Api, account: &Account) -> Result<Option<Session>, ApiError> {
    match api.log_in(&account.email, &account.password).await {
        Ok(session) => Ok(Some(session)),
        Err(error) if error.is("unauthenticated") => Ok(None),
        Err(error) => Err(error),
    }
}

fn save(file: &mut LocalFile, slot: AccountSlot, account: Account) -> Result<(), Failure> {
    if slot.of(&file.content.accounts) == Some(&account) {
        return Ok(());
    }
    slot.complete(&mut file.content.accounts, account);
    file.save()
}

/// `nora@rialto.example`, `nora+2@rialto.example`, …
fn numbered(email: &str, number: u32) -> String {
    match email.split_once('@') {
        Some((local, domain)) if number > 1 => format!("{local}+{number}@{domain}"),
        _ => email.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::serve;

    const PERSON: Person =
        Person { email: "nora@rialto.example", name: "Nora", phone: "+493055500301" };
    const LOGGED_IN: (u16, &str) =
        (200, r#"{"data":{"access_token":"t","account_id":"usr_1","role":"USER"}}"#);
    const WRONG: (u16, &str) = (401, r#"{"code":"unauthenticated"}"#);

    /// A temporary file, removed with the test.
    fn with_file<T>(name: &str, noted: Option<Account>, test: impl FnOnce(LocalFile) -> T) -> T {
        let path =
            std::env::temp_dir().join(format!("rialto-account-{}-{name}.json", std::process::id()));
        let mut file = LocalFile::open(path.clone()).unwrap();
        file.content.accounts.buyers.extend(noted);
        let result = test(file);
        std::fs::remove_file(path).ok();
        result
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn accounts_that_can_log_in_are_left_alone() {
        with_file("found", Some(account("nora@rialto.example")), |mut file| {
            let (url, server) = serve(vec![LOGGED_IN]);
            let api = Api::new(&url).unwrap();
            let register = async |_: &Account| panic!("the account exists");
            let (session, new) =
                run(get_or_create(&mut file, &api, AccountSlot::Buyer(0), &PERSON, register))
                    .unwrap();
            assert_eq!((session.account_id.as_str(), new), ("usr_1", false));
            assert_eq!(file.content.accounts.buyers[0].user_id.as_deref(), Some("usr_1"));
            assert_eq!(server.received().len(), 1);
        });
    }

    #[test]
    fn missing_accounts_are_registered_with_their_password() {
        with_file("gone", Some(account("nora@rialto.example")), |mut file| {
            let (url, server) = serve(vec![WRONG, LOGGED_IN]);
            let api = Api::new(&url).unwrap();
            let register = async |made: &Account| {
                assert_eq!(*made, account("nora@rialto.example"));
                Ok(Registered::Done)
            };
            let (_, new) =
                run(get_or_create(&mut file, &api, AccountSlot::Buyer(0), &PERSON, register))
                    .unwrap();
            assert!(new);
            assert_eq!(server.received().len(), 2);
        });
    }

    #[test]
    fn passwords_are_stored_before_registration() {
        with_file("taken", None, |mut file| {
            let (url, server) = serve(vec![LOGGED_IN]);
            let (api, path) = (Api::new(&url).unwrap(), file.path.clone());
            let register = async |made: &Account| {
                let noted = LocalFile::open(path.clone()).unwrap().content.accounts.buyers;
                assert_eq!(noted, std::slice::from_ref(made));
                let taken = made.email == "nora@rialto.example";
                Ok(if taken { Registered::EmailTaken } else { Registered::Done })
            };
            let (_, new) =
                run(get_or_create(&mut file, &api, AccountSlot::Buyer(0), &PERSON, register))
                    .unwrap();
            assert!(new);
            assert_eq!(file.content.accounts.buyers[0].email, "nora+2@rialto.example");
            assert!(server.received()[0].contains("nora+2@rialto.example"));
        });
    }

    fn account(email: &str) -> Account {
        Account::new(email.to_owned(), "p".to_owned())
    }

    #[test]
    fn taken_addresses_get_a_number() {
        assert_eq!(numbered("nora@rialto.example", 1), "nora@rialto.example");
        assert_eq!(numbered("nora@rialto.example", 2), "nora+2@rialto.example");
    }

    #[test]
    fn each_slot_has_its_own_account() {
        let mut accounts = Accounts::default();
        let slots = [
            AccountSlot::Supervisor,
            AccountSlot::Seller(0),
            AccountSlot::Seller(1),
            AccountSlot::Buyer(0),
        ];
        for (at, slot) in slots.into_iter().enumerate() {
            slot.complete(&mut accounts, account(&at.to_string()));
        }
        AccountSlot::Seller(0).complete(&mut accounts, account("new"));
        let emails = slots.map(|slot| slot.of(&accounts).unwrap().email.clone());
        assert_eq!(emails, ["0", "new", "2", "3"]);
        assert_eq!(AccountSlot::Buyer(1).of(&accounts), None);
    }

    #[test]
    fn accounts_are_identified_by_their_role_id() {
        let session = Session { access_token: "t".to_owned(), account_id: "sel_1".to_owned() };
        let seller = AccountSlot::Seller(0).identified(account("a"), &session);
        assert_eq!((seller.seller_id.as_deref(), seller.user_id), (Some("sel_1"), None));
        let buyer = AccountSlot::Buyer(0).identified(account("a"), &session);
        assert_eq!((buyer.seller_id, buyer.user_id.as_deref()), (None, Some("sel_1")));
        assert_eq!(AccountSlot::Supervisor.identified(account("a"), &session), account("a"));
    }
}
