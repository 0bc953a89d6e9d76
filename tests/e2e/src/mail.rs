//! Mail sent by the deployment, read from MiniStack.

use crate::{aws::Aws, wait::eventually};
use serde_json::Value;

/// The texts of all mails to an address, oldest first.
pub async fn to(aws: &Aws, address: &str) -> Vec<String> {
    let shown = aws.emulator("/_ministack/ses/messages").await;
    let mails = shown["messages"].as_object().into_iter().flatten();
    let mails = mails.filter_map(|(_, mails)| mails.as_array()).flatten();
    let to_it =
        |mail: &&Value| mail["To"].as_array().is_some_and(|to| to.iter().any(|to| to == address));
    mails.filter(to_it).filter_map(|mail| mail["BodyText"].as_str().map(str::to_owned)).collect()
}

/// Waits until an address has this many mails, and returns the code in the last one.
pub async fn code(aws: &Aws, address: &str, mails: usize) -> String {
    eventually("a mailed code", async || {
        let texts = to(aws, address).await;
        let code = texts.get(mails - 1).and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("    "))?;
            Some(line.trim().to_owned())
        });
        code.ok_or_else(|| format!("{} mails", texts.len()))
    })
    .await
}
