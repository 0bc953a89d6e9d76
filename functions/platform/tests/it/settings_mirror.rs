//! The copy of the settings, on a real engine.

use rialto_aws::{
    MirrorUpdate, MirroredSettings, ParameterStore, SettingsMirror, Stage, emulator_config,
};
use rialto_dynamo::{Key, Precondition, Table, write_item};
use rialto_kernel::{Write, settings::ALL};
use rialto_testkit::http::{StubResponse, serve};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, mpsc};
use tokio::sync::oneshot;

const FEE: &str = "orders/shipping-fee";

/// The copy of a new stage.
async fn new_mirror(stage: &str) -> SettingsMirror {
    new_copy(stage).await.1
}

/// The table and the copy of a new stage.
async fn new_copy(stage: &str) -> (Table, SettingsMirror) {
    let stage = Stage::parse(&format!("{stage}{}", std::process::id())).unwrap();
    let aws = rialto_testkit::dynamodb();
    let table = Table::open(&aws, &stage, "settings");
    let table = rialto_testkit::create_table(table, "settings").await;
    (table, SettingsMirror::new(&aws, &stage))
}

/// Delays a response: says that the value was read, and waits.
type Delay = (oneshot::Sender<()>, mpsc::Receiver<()>);

/// A parameter store in which nothing is set but perhaps [`FEE`]. The first response is delayed.
fn parameter_store(fee: &Arc<Mutex<Option<&'static str>>>, delay: Option<Delay>) -> ParameterStore {
    let (fee, delay) = (Arc::clone(fee), Mutex::new(delay));
    let url = serve(move |request| {
        let fee = *fee.lock().unwrap();
        let delay = delay.lock().unwrap().take();
        if let Some((was_read, release)) = delay {
            was_read.send(()).unwrap();
            release.recv().unwrap();
        }
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let names = body["Names"].as_array().unwrap().iter();
        let set = names.filter(|name| name.as_str().unwrap().ends_with(FEE)).zip(fee);
        let parameters: Vec<_> =
            set.map(|(name, fee)| json!({"Name": name, "Value": fee})).collect();
        Some(StubResponse::new(200, json!({"Parameters": parameters}).to_string()))
    });
    ParameterStore::new(&emulator_config(&url))
}

fn fee(settings: Option<MirroredSettings>) -> Option<String> {
    settings.unwrap()[FEE].clone()
}

#[tokio::test]
async fn every_setting_but_secrets_is_copied() {
    let (mirror, set) = (new_mirror("all").await, Arc::new(Mutex::new(Some("250"))));
    let store = parameter_store(&set, None);
    assert_eq!(mirror.read().await.unwrap(), None);
    assert_eq!(mirror.update(&store).await.unwrap(), MirrorUpdate::Written);
    let settings = mirror.read().await.unwrap().unwrap();
    for setting in ALL {
        assert_eq!(settings.contains_key(setting.name), !setting.secret, "{}", setting.name);
    }
    assert_eq!(fee(Some(settings)), Some("250".to_owned()));
    assert_eq!(mirror.update(&store).await.unwrap(), MirrorUpdate::Unchanged);
    *set.lock().unwrap() = None;
    assert_eq!(mirror.update(&store).await.unwrap(), MirrorUpdate::Written);
    assert_eq!(fee(mirror.read().await.unwrap()), None);
}

#[tokio::test]
async fn an_update_never_restores_an_older_value() {
    let (mirror, set) = (new_mirror("race").await, Arc::new(Mutex::new(Some("250"))));
    mirror.update(&parameter_store(&set, None)).await.unwrap();
    *set.lock().unwrap() = Some("260");
    let (was_read, read) = oneshot::channel();
    let (release, released) = mpsc::channel();
    let slow = parameter_store(&set, Some((was_read, released)));
    let change = async {
        read.await.unwrap();
        *set.lock().unwrap() = Some("280");
        let updated = mirror.update(&parameter_store(&set, None)).await;
        release.send(()).unwrap();
        updated
    };
    let (slow, updated) = tokio::join!(mirror.update(&slow), change);
    assert_eq!(updated.unwrap(), MirrorUpdate::Written);
    assert_eq!(slow.unwrap(), MirrorUpdate::Unchanged);
    assert_eq!(fee(mirror.read().await.unwrap()), Some("280".to_owned()));
}

#[tokio::test]
async fn an_update_keeps_settings_of_a_newer_release() {
    let (table, mirror) = new_copy("newer").await;
    let settings = json!({ FEE: "250", "orders/newer-setting": "on" });
    let copy = json!({ "version": 1, "settings": settings });
    let item = write_item(&Key::new("SETTINGS", "SETTINGS"), &copy, &[]).unwrap();
    let written = table.put(item, Precondition::Absent).await.unwrap();
    assert_eq!(written, Write::Done);
    let set = Arc::new(Mutex::new(Some("280")));
    assert_eq!(mirror.update(&parameter_store(&set, None)).await.unwrap(), MirrorUpdate::Written);
    let settings = mirror.read().await.unwrap().unwrap();
    assert_eq!(settings["orders/newer-setting"], Some("on".to_owned()));
    assert_eq!(fee(Some(settings)), Some("280".to_owned()));
    let again = mirror.update(&parameter_store(&set, None)).await.unwrap();
    assert_eq!(again, MirrorUpdate::Unchanged);
}

#[tokio::test]
async fn a_stage_without_the_table_has_no_copy() {
    let stage = Stage::parse("undeployed").unwrap();
    let mirror = SettingsMirror::new(&rialto_testkit::dynamodb(), &stage);
    let store = parameter_store(&Arc::default(), None);
    assert_eq!(mirror.update(&store).await.unwrap(), MirrorUpdate::NoTable);
    assert!(mirror.read().await.is_err());
}
