//! Who may do what with a room, as set and as returned.

use serde::Deserialize;
use serde::Serialize;

use crate::model::ContainerPolicy;
use crate::wire::dto::Invalid;
use crate::wire::dto::call::present;
use crate::wire::dto::limit;

/// Policies that a client sets. Entries that only a context may have are known here so that
/// they can be refused by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PolicyParams {
    /// Read the room and take part in it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub get: Option<String>,
    /// List one's own rooms; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub list_my: Option<String>,
    /// List all rooms; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub list_all: Option<String>,
    /// Create rooms; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub create: Option<String>,
    /// Change the room.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Delete the room.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
    /// Change the policy.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub update_policy: Option<String>,
    /// Whether a creator must be a manager; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub creator_has_to_be_manager: Option<String>,
    /// Whether updaters may remove themselves from the managers.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub updater_can_be_removed_from_managers: Option<String>,
    /// Whether the creator may be removed from the managers.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub owner_can_be_removed_from_managers: Option<String>,
    /// Whether rooms may have policies of their own; context only.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub can_overwrite_context_policy: Option<String>,
}

/// Policies of a room as the server returns them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// Read the room and take part in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub get: Option<String>,
    /// Change the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Delete the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
    /// Change the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_policy: Option<String>,
    /// Whether updaters may remove themselves from the managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updater_can_be_removed_from_managers: Option<String>,
    /// Whether the creator may be removed from the managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_can_be_removed_from_managers: Option<String>,
}

impl PolicyParams {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let entries = [
            &self.get,
            &self.list_my,
            &self.list_all,
            &self.create,
            &self.update,
            &self.delete,
            &self.update_policy,
            &self.creator_has_to_be_manager,
            &self.updater_can_be_removed_from_managers,
            &self.owner_can_be_removed_from_managers,
            &self.can_overwrite_context_policy,
        ];
        entries.iter().try_for_each(|entry| limit::policy_entry("policy", entry.as_deref()))?;
        match self.context_only() {
            Some(key) => Err(Invalid { key, rule: "can be set for a context only" }),
            None => Ok(()),
        }
    }

    /// The first entry that only a context may have, if one is set (streams.md 6.2).
    #[must_use]
    pub fn context_only(&self) -> Option<&'static str> {
        let entries = [
            ("listMy", &self.list_my),
            ("listAll", &self.list_all),
            ("create", &self.create),
            ("creatorHasToBeManager", &self.creator_has_to_be_manager),
            ("canOverwriteContextPolicy", &self.can_overwrite_context_policy),
        ];
        entries.into_iter().find(|(_, entry)| entry.is_some()).map(|(name, _)| name)
    }

    /// Nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Policy> for ContainerPolicy {
    fn from(policy: Policy) -> Self {
        Self {
            get: policy.get,
            update: policy.update,
            delete: policy.delete,
            update_policy: policy.update_policy,
            updater_can_be_removed_from_managers: policy.updater_can_be_removed_from_managers,
            owner_can_be_removed_from_managers: policy.owner_can_be_removed_from_managers,
        }
    }
}

impl From<ContainerPolicy> for PolicyParams {
    fn from(policy: ContainerPolicy) -> Self {
        Self {
            get: policy.get,
            update: policy.update,
            delete: policy.delete,
            update_policy: policy.update_policy,
            updater_can_be_removed_from_managers: policy.updater_can_be_removed_from_managers,
            owner_can_be_removed_from_managers: policy.owner_can_be_removed_from_managers,
            ..Self::default()
        }
    }
}

impl From<PolicyParams> for Policy {
    /// Entries that only a context may have are left out.
    fn from(policy: PolicyParams) -> Self {
        Self {
            get: policy.get,
            update: policy.update,
            delete: policy.delete,
            update_policy: policy.update_policy,
            updater_can_be_removed_from_managers: policy.updater_can_be_removed_from_managers,
            owner_can_be_removed_from_managers: policy.owner_can_be_removed_from_managers,
        }
    }
}
