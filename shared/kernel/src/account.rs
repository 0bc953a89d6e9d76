use crate::{IdError, Role, SellerId, SupervisorId, UserId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An account's id, by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountId {
    User(UserId),
    Seller(SellerId),
    Supervisor(SupervisorId),
}

impl AccountId {
    /// Parses the id of an account of `role`; `None` if it isn't one.
    #[must_use]
    pub fn parse(role: Role, id: &str) -> Option<Self> {
        match role {
            Role::User => UserId::parse(id).ok().map(Self::User),
            Role::Seller => SellerId::parse(id).ok().map(Self::Seller),
            Role::Supervisor => SupervisorId::parse(id).ok().map(Self::Supervisor),
        }
    }

    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::User(_) => Role::User,
            Self::Seller(_) => Role::Seller,
            Self::Supervisor(_) => Role::Supervisor,
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Seller(id) => id.fmt(f),
            Self::Supervisor(id) => id.fmt(f),
        }
    }
}

impl FromStr for AccountId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('_').map(|(prefix, _)| prefix) {
            Some(SellerId::PREFIX) => SellerId::parse(text).map(Self::Seller),
            Some(SupervisorId::PREFIX) => SupervisorId::parse(text).map(Self::Supervisor),
            _ => UserId::parse(text).map(Self::User),
        }
    }
}

impl Serialize for AccountId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for AccountId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^(usr|sel|sup)_[0-7][0-9a-hjkmnp-tv-z]{25}$"))
            .into()
    }
}

impl utoipa::ToSchema for AccountId {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn an_account_id_has_its_role() {
        let now = Timestamp::from_millis(1);
        for (id, role) in [
            (AccountId::User(UserId::generate(now)), Role::User),
            (AccountId::Seller(SellerId::generate(now)), Role::Seller),
            (AccountId::Supervisor(SupervisorId::generate(now)), Role::Supervisor),
        ] {
            assert_eq!(id.role(), role);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(AccountId::parse(role, &id.to_string()), Some(id));
        }
    }

    #[test]
    fn an_id_of_another_role_or_kind_is_refused() {
        let now = Timestamp::from_millis(1);
        assert_eq!(AccountId::parse(Role::Seller, &UserId::generate(now).to_string()), None);
        assert!(crate::OrderId::generate(now).to_string().parse::<AccountId>().is_err());
        assert!("".parse::<AccountId>().is_err());
    }
}
