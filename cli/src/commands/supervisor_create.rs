use crate::{
    aws,
    context::Context,
    failure::Failure,
    output::{print, progress},
    password,
};
use clap::Args;
use rialto_accounts::{
    adapters::{dynamodb::DynamoAccounts, passwords::Argon2Hasher},
    application::register_account::{RegisterError, register_account},
    domain::{
        account::ContactDetails,
        contact::{Email, Name},
        credential::Password,
    },
};
use rialto_aws::{SdkConfig, Stage};
use rialto_contracts::EventContext;
use rialto_dynamo::Table;
use rialto_kernel::{AccountId, Clock, SupervisorId, SystemClock};
use std::fmt::Display;

/// Create a supervisor; the only way to create the first one
///
/// Writes to the accounts table directly, so it needs AWS credentials with write access, and no
/// token.
#[derive(Debug, Args)]
pub(crate) struct SupervisorCreate {
    /// The email address to log in with; an address belongs to one account
    #[arg(long)]
    email: String,
    /// The person's name
    #[arg(long)]
    name: String,
    /// Read the password from standard input; by default one is generated and printed once
    #[arg(long)]
    password_stdin: bool,
}

impl SupervisorCreate {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let given = self.password_stdin.then(password::from_stdin).transpose()?;
        let password = match &given {
            Some(password) => password.clone(),
            None => password::generate()?,
        };
        let aws = context.aws().await?;
        let made = create(&aws, &context.stage, &self.email, &self.name, &password).await?;
        let id = made.ok_or_else(|| {
            Failure::new(
                format!("{} already belongs to an account.", self.email),
                "Use another address; accounts of all roles need different ones.",
            )
        })?;
        print(id.to_string())?;
        match given {
            Some(_) => Ok(()),
            None => {
                progress("The password, shown only once:");
                print(password)
            }
        }
    }
}

/// Creates the supervisor. Returns its id, or `None` if the address is taken.
///
/// # Errors
/// [`Failure`] for an invalid address, name or password, or if the table can't be written.
pub(super) async fn create(
    aws: &SdkConfig,
    stage: &Stage,
    email: &str,
    name: &str,
    password: &str,
) -> Result<Option<SupervisorId>, Failure> {
    let email = Email::parse(email).map_err(|error| unfit("The email", error))?;
    let name = Name::parse(name).map_err(|error| unfit("The name", error))?;
    let password = Password::new(password).map_err(|error| unfit("The password", error))?;
    let store = DynamoAccounts::on(Table::open(aws, stage, rialto_accounts::SERVICE));
    let now = SystemClock.now();
    let id = SupervisorId::generate(now);
    let account_id = AccountId::Supervisor(id);
    let details = ContactDetails { email, name, phone: None };
    let context = EventContext::default();
    let registered =
        register_account(&store, &Argon2Hasher, account_id, details, &password, &context, now);
    match registered.await {
        Ok(_) => Ok(Some(id)),
        Err(RegisterError::Duplicate) => Ok(None),
        Err(RegisterError::Store(error)) => {
            Err(aws::store_failure("Creating the supervisor", &error))
        }
        Err(RegisterError::Hash(error)) => Err(Failure::new(
            format!("Creating the supervisor failed: {error}."),
            "Free some memory and try again.",
        )),
    }
}

fn unfit(what: &str, error: impl Display) -> Failure {
    Failure::new(format!("{what} {error}."), "Give another one.")
}
