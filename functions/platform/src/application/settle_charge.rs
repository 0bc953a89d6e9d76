use crate::{
    domain::intent::{Intent, State},
    ports::Intents,
};
use rialto_kernel::{StoreError, Write};

/// How often a charge that others change too is tried.
const MAX_ATTEMPTS: u32 = 5;

/// Has a charge that is processing succeed. The intent if it has, now or before; none if it ended in another way.
///
/// # Errors
/// [`StoreError`]: it has to be tried again.
pub async fn settle_charge(store: &impl Intents, id: &str) -> Result<Option<Intent>, StoreError> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(intent) = store.intent(id).await? else { return Ok(None) };
        let Some(settled) = intent.settled() else {
            return Ok(Some(intent).filter(|intent| intent.state == State::Succeeded));
        };
        if store.write(Some(&settled), None).await? == Write::Done {
            return Ok(Some(settled));
        }
    }
    Err(StoreError::Unavailable("the intent is locked".to_owned()))
}
