use super::change_user::{ChangeAccountError, change_account};
use crate::{
    domain::account::{Account, AccountPatch},
    ports::{AccountReader, AccountWriter},
};
use rialto_kernel::{AccountId, SellerId};

/// Changes what a seller has told.
///
/// # Errors
/// [`ChangeAccountError`]; nothing has changed then, unless the store can't tell.
pub async fn change_seller(
    store: &(impl AccountReader + AccountWriter),
    seller_id: SellerId,
    edit: &AccountPatch,
) -> Result<Account, ChangeAccountError> {
    change_account(store, AccountId::Seller(seller_id), edit).await
}
