use crate::{
    context::Context,
    failure::Failure,
    output::{print, progress},
    parameters::{Parameters, setting},
};
use clap::Args;

/// Print a setting's value
///
/// Only the value, on standard output: the one that is set, or the default.
#[derive(Debug, Args)]
pub(crate) struct ConfigGet {
    /// The setting, such as orders/shipping-fee
    name: String,
    /// Print the value of a secret, too
    #[arg(long)]
    reveal: bool,
}

impl ConfigGet {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let setting = setting(&self.name)?;
        let aws = context.aws().await?;
        let set = Parameters::open(&aws, &context.stage).read(&[*setting], self.reveal).await?;
        match set.get(setting.name) {
            Some(_) if setting.secret && !self.reveal => Err(Failure::new(
                format!("{} is set, but is a secret.", setting.name),
                "--reveal prints it.",
            )),
            Some(value) => print(value),
            None => {
                progress(format!("{} isn't set; this is its default:", setting.name));
                print(setting.default)
            }
        }
    }
}
