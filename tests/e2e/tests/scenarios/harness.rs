//! `rialto harness`: its scenarios pass, a wrong expectation fails, an invalid file isn't run.

use rialto_e2e::{operator::Cli, shop::Shop};
use std::{fs, path::PathBuf};
use tokio::sync::Mutex;

/// Tests run one at a time, so that each can see that the harness left nothing behind.
static EXCLUSIVE: Mutex<()> = Mutex::const_new(());

/// A folder with one scenario, removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, scenario: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rialto-e2e-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("own.yaml"), scenario).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn rialto(shop: &Shop) -> Cli {
    Cli::new(env!("CARGO_BIN_EXE_operator"), shop)
}

/// The harness's queues.
async fn queues(shop: &Shop) -> Vec<String> {
    let prefix = format!("rialto-{}-harness-", shop.aws.stage);
    let listed = shop.aws.queues.list_queues().queue_name_prefix(prefix).send().await.unwrap();
    listed.queue_urls.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_scenarios_pass() {
    let _exclusive = EXCLUSIVE.lock().await;
    let shop = Shop::open();
    let report = std::env::temp_dir().join(format!("rialto-e2e-{}.xml", std::process::id()));
    let command = format!("harness --patience 6 --junit {}", report.display());
    rialto(&shop).run(&command).await.with_status(0).output_containing(&[" passed, 0 failed"]);
    let xml = fs::read_to_string(&report).unwrap();
    fs::remove_file(report).unwrap();
    assert!(
        xml.contains("<testcase name=\"a purchase\"") && xml.contains("failures=\"0\""),
        "{xml}"
    );
    assert_eq!(queues(&shop).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_expectation_fails_with_the_orders_timeline() {
    let _exclusive = EXCLUSIVE.lock().await;
    let shop = Shop::open();
    let folder = Folder::with(
        "wrong",
        "name: wrong\ngiven:\n  - product A with stock 5 at 1200\nsteps:\n  - place 1 of A\n  \
         - never OrderConfirmed\n",
    );
    let command = format!("harness --patience 6 --scenarios {} --only wrong", folder.0.display());
    rialto(&shop).run(&command).await.with_status(1).output_containing(&[
        "own.yaml:6: never OrderConfirmed",
        "has 1 × OrderConfirmed, expected none",
        "PaymentCaptured           rialto.payments",
        "received from the bus: OrderPlaced",
        "--patience 6 --only wrong",
        "0 passed, 1 failed",
    ]);
    assert_eq!(queues(&shop).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_canary_has_left_nothing_behind() {
    let _exclusive = EXCLUSIVE.lock().await;
    let shop = Shop::open();
    let run = rialto(&shop).run_until("harness --patience 6 --every 1s", "  passed  ").await;
    run.with_status(0).output_containing(&[" passed, 0 failed"]);
    assert_eq!(queues(&shop).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_has_left_nothing_behind() {
    let _exclusive = EXCLUSIVE.lock().await;
    let shop = Shop::open();
    let run = rialto(&shop).run_until("harness --repeat 9", "round 1 of 9").await;
    run.with_status(2).output_containing(&["Interrupted."]);
    assert_eq!(queues(&shop).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_scenario_is_reported_with_its_line() {
    let _exclusive = EXCLUSIVE.lock().await;
    let shop = Shop::open();
    let folder = Folder::with("invalid", "name: x\nsteps:\n  - expect OrderConfirmed soon\n");
    let command = format!("harness --scenarios {}", folder.0.display());
    let run = rialto(&shop).run(&command).await.with_status(2);
    run.output_containing(&["own.yaml:3: `expect OrderConfirmed soon`", "docs/harness.md"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_observation_of_an_unknown_stage_cannot_run() {
    let shop = Shop::open();
    rialto(&shop).run("harness --stage nowhere --observe").await.with_status(2);
}
