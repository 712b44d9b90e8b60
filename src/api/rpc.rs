//! One typed call over a session.

use crate::net::session::Session;
use crate::wire::dto::Call;

use super::error::ApiError;

/// Makes `call` and reads its answer.
pub(super) async fn rpc<C: Call>(session: &Session, call: &C) -> Result<C::Answer, ApiError> {
    // Refused here with a text that names the parameter, instead of by the bridge without.
    call.validate().map_err(|invalid| ApiError::Invalid {
        what: invalid.key,
        reason: invalid.rule.to_owned(),
    })?;
    let result = session.call(C::METHOD, call.params()).await?;
    C::answer(result).map_err(|error| ApiError::UnexpectedAnswer {
        method: error.method,
        reason: error.source.to_string(),
    })
}
