//! Copies the settings from Parameter Store to the table that functions read, after each change and
//! every five minutes.

use rialto_aws::{MirrorUpdate, ParameterStore, SettingsMirror};
use rialto_lambda::boot::{self, Failure};
use serde_json::{Value, json};

pub fn main() {
    boot::run("platform-mirror-settings", |app| {
        let stores = (SettingsMirror::new(&app.aws, &app.stage), ParameterStore::new(&app.aws));
        boot::handler(stores, async |(mirror, store), _, _| copy_settings(&mirror, &store).await)
    });
}

/// Copies every setting, whatever the event is: an event names a parameter, but has no value.
async fn copy_settings(mirror: &SettingsMirror, store: &ParameterStore) -> Result<Value, Failure> {
    let written = match mirror.update(store).await? {
        MirrorUpdate::Written => true,
        MirrorUpdate::Unchanged => false,
        MirrorUpdate::NoTable => return Err("the table of the settings doesn't exist".into()),
    };
    tracing::info!(written, "settings copied");
    Ok(json!({ "written": written }))
}
