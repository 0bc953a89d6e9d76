use crate::{
    context::Context,
    failure::Failure,
    output::progress,
    parameters::{Parameters, setting},
    password,
};
use clap::Args;

/// Change a setting; functions apply it within 60 seconds
///
/// A value out of range is refused. Secrets are stored in Secrets Manager.
#[derive(Debug, Args)]
pub(crate) struct ConfigSet {
    /// The setting, such as orders/shipping-fee
    name: String,
    /// The new value
    #[arg(required_unless_present = "stdin", allow_negative_numbers = true)]
    value: Option<String>,
    /// Read the value from standard input, so that a secret doesn't get into the shell's history
    #[arg(long, conflicts_with = "value")]
    stdin: bool,
}

impl ConfigSet {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let setting = setting(&self.name)?;
        let value = match self.value {
            Some(value) => value,
            None => password::from_stdin()?,
        };
        let aws = context.aws().await?;
        Parameters::open(&aws, &context.stage).write(setting, &value).await?;
        progress(format!("{} is set on the stage {}.", setting.name, context.stage));
        Ok(())
    }
}
