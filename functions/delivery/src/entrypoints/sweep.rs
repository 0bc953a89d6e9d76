use super::deadlines_state::DeadlinesState;
use crate::application::sweep::sweep;
use rialto_lambda::{
    boot::{self, Failure},
    sweep::{self as sweeps, SweepRun},
};
use serde_json::Value;

pub fn main() {
    boot::run("delivery-sweep", |app| sweeps::handler(app, DeadlinesState::open(app), handle));
}

async fn handle(state: DeadlinesState, run: SweepRun) -> Result<Value, Failure> {
    let deadlines = state.deadlines().await?;
    let summary = sweep(&state.store, &run, &deadlines, &run.event_context()).await?;
    Ok(serde_json::to_value(summary)?)
}
