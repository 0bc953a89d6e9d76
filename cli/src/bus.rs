//! Publishing stored events again.

use crate::failure::Failure;
use rialto_contracts::Event;
use rialto_relay::{EventBus, batches};

/// Publishes events under their original ids, as a relay does.
///
/// # Errors
/// [`Failure`] if an event was rejected. Others may have been published; publishing them again is
/// harmless.
pub(crate) async fn publish(bus: &EventBus, events: &[Event]) -> Result<(), Failure> {
    for batch in batches(events.to_vec()) {
        let refused = bus.send(batch).await.map_err(|error| {
            Failure::new(
                format!("Publishing failed: {error}."),
                "Try again; publishing an event twice is harmless.",
            )
        })?;
        if let Some(refused) = refused.first() {
            return Err(Failure::new(
                format!(
                    "The bus rejected {} {}: {}.",
                    refused.event.kind, refused.event.id, refused.code
                ),
                "Try again; if it fails once more, look up the code in EventBridge's documentation.",
            ));
        }
    }
    Ok(())
}
