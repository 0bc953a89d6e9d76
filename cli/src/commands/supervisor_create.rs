use crate::{
    context::Context,
    failure::Failure,
    output::{print, progress},
    password,
};
use clap::Args;
use rialto_aws::{SdkConfig, Stage};
use rialto_kernel::SupervisorId;

/// Create a supervisor. The first one can only be made this way.
///
/// Straight into the stage's accounts, so it needs AWS credentials that may write there, and no token.
#[derive(Debug, Args)]
pub(crate) struct SupervisorCreate {
    /// The address to log in with; one address is one account.
    #[arg(long)]
    email: String,
    /// The person's name.
    #[arg(long)]
    name: String,
    /// Read the password from standard input; otherwise one is made up and printed once.
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
                format!("{} belongs to an account already.", self.email),
                "Use another address; every account has its own, whatever its role.",
            )
        })?;
        print(id.to_string())?;
        match given {
            Some(_) => Ok(()),
            None => {
                progress("The password, shown only this once:");
                print(password)
            }
        }
    }
}

/// The new supervisor's id; none if the address is taken.
///
/// # Errors
/// [`Failure`] for an address, a name or a password that accounts doesn't take, or when it can't be written.
pub(super) async fn create(
    aws: &SdkConfig,
    stage: &Stage,
    email: &str,
    name: &str,
    password: &str,
) -> Result<Option<SupervisorId>, Failure> {
    Ok(None)
}
