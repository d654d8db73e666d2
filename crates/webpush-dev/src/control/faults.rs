//! Faults.

use super::error::ControlError;
use super::reply;
use crate::fault::InjectedFault;
use crate::namespace::NamespaceScope;
use crate::state::Dev;
use http::StatusCode;
use serde_json::json;
use webpush_http::answer::Answer;

pub(super) fn list(dev: &Dev, scope: &NamespaceScope) -> Result<Answer, ControlError> {
    reply(&json!({ "faults": dev.faults.all(scope) }))
}

pub(super) fn add(dev: &Dev, scope: &NamespaceScope, fault: InjectedFault) -> Result<Answer, ControlError> {
    fault.check().map_err(ControlError::BadRequest)?;
    let added = dev.faults.add(fault, scope.namespace());
    let mut answer = reply(&added.ok_or(ControlError::Conflict("there are too many faults: remove some"))?)?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}
