use crate::{
    context::Context,
    failure::Failure,
    output::{print, table},
    parameters::Parameters,
};
use clap::Args;
use rialto_kernel::settings::{ALL, Description};
use std::collections::HashMap;

/// List every setting with its value, range and meaning
///
/// Values of secrets are never shown.
#[derive(Debug, Args)]
pub(crate) struct ConfigList {}

impl ConfigList {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let aws = context.aws().await?;
        let set = Parameters::open(&aws, &context.stage).read(ALL, false).await?;
        lines(ALL, &set).iter().try_for_each(print)
    }
}

/// A setting's name, value and origin, followed by its meaning and range.
fn lines(settings: &[Description], set: &HashMap<&'static str, String>) -> Vec<String> {
    let row = |setting: &Description| {
        let (value, origin) = match set.get(setting.name) {
            Some(_) if setting.secret => ("********".to_owned(), "set"),
            Some(value) => (short(value), "set"),
            None => (short(setting.default), "default"),
        };
        [setting.name.to_owned(), value, origin.to_owned()]
    };
    let rows: Vec<_> = settings.iter().map(row).collect();
    let explained =
        settings.iter().map(|setting| format!("    {} ({})", setting.doc, setting.range));
    table(&rows).into_iter().zip(explained).flat_map(|(row, doc)| [row, doc]).collect()
}

/// A value, shortened to fit the line.
fn short(value: &str) -> String {
    match value.char_indices().nth(48) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None if value.is_empty() => "(empty)".to_owned(),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_listed_with_its_value() {
        let set = HashMap::from([("orders/shipping-fee", "250".to_owned())]);
        let lines = lines(ALL, &set);
        assert_eq!(lines.len(), 2 * ALL.len());
        let line = |name: &str| lines.iter().find(|line| line.starts_with(name)).unwrap();
        assert!(
            line("orders/shipping-fee").contains(" 250 ")
                && line("orders/shipping-fee").ends_with("set")
        );
        assert!(
            line("shop/currency").contains(" EUR ") && line("shop/currency").ends_with("default")
        );
    }

    #[test]
    fn secrets_are_never_listed() {
        let set = HashMap::from([("payments/provider-key", "sk_test_1234".to_owned())]);
        let text = lines(ALL, &set).join("\n");
        assert!(!text.contains("sk_test_1234"), "{text}");
        assert!(text.contains("********"), "{text}");
    }

    #[test]
    fn long_values_are_shortened() {
        assert_eq!(short(&"ä".repeat(49)), format!("{}…", "ä".repeat(48)));
        assert_eq!(short(&"ä".repeat(48)), "ä".repeat(48));
    }
}
