//! Signatures, and the answers to what a server asks for before it lets a call in.

use std::sync::Arc;

use http::HeaderMap;

use super::{
    Connection, Token,
    authorize::{authorize, basic, filled, rendered},
};
use crate::{
    catalog::{Authentication, Element, authentication::AwsSignature4Spec},
    error::{Error, Result},
    upstream::Request,
};

mod digest;
mod sigv4;

pub(super) use digest::Challenge;
pub(super) use sigv4::Signer;

/// Challenges of servers, by instance and origin; forgetting one costs a round trip.
#[derive(Clone)]
pub(super) struct Challenges(moka::sync::Cache<(i64, String), Arc<Challenge>>);

impl Challenges {
    pub(super) fn new() -> Self {
        Self(moka::sync::Cache::new(10_000))
    }
}

/// The authentication of one call, as far as it depends on what the server says.
pub(super) struct Handshake<'a> {
    authentication: &'a Authentication,
    connection: &'a Connection,
    challenges: &'a Challenges,
    /// The challenge in force for this call.
    current: Option<Arc<Challenge>>,
    answered: bool,
}

impl<'a> Handshake<'a> {
    pub(super) fn new(element: &'a Element, connection: &'a Connection, challenges: &'a Challenges) -> Self {
        let authentication = element.authentication.of(&connection.configuration);
        Self { authentication, connection, challenges, current: None, answered: false }
    }

    /// Whether calls carry an access token.
    pub(super) fn uses_tokens(&self) -> bool {
        self.authentication.uses_tokens()
    }

    /// Whether the server has to be asked for its challenge before a body can be sent that is sent only once.
    pub(super) fn wants_probe(&self, request: &Request) -> bool {
        self.basic_allowed().is_some() && self.known(request).is_none() && !self.answered
    }

    fn known(&self, request: &Request) -> Option<Arc<Challenge>> {
        self.current.clone().or_else(|| self.challenges.0.get(&self.request_key(request)?.0))
    }

    /// Whether Basic will do, for elements whose server says what it wants.
    fn basic_allowed(&self) -> Option<bool> {
        match self.authentication {
            Authentication::Digest { basic, .. } => Some(*basic),
            _ => None,
        }
    }

    /// Takes the challenge of a 401; says whether the call can be made anew with it.
    pub(super) fn learn(&mut self, request_key: &RequestKey, headers: &HeaderMap) -> bool {
        let Some(basic) = self.basic_allowed().filter(|_| !self.answered) else { return false };
        let Some(challenge) = Challenge::read(headers, basic).map(Arc::new) else { return false };
        self.answered = true;
        // Instance 0 is a connection that is only being made: nothing of it is kept.
        if self.connection.instance_id != 0 {
            self.challenges.0.insert(request_key.0.clone(), Arc::clone(&challenge));
        }
        self.current = Some(challenge);
        true
    }

    /// Takes the challenge of a question that was asked for it; the call itself may still be answered with another.
    pub(super) fn prepare(&mut self, request_key: &RequestKey, headers: &HeaderMap) {
        self.learn(request_key, headers);
        self.answered = false;
    }

    /// What [`Handshake::learn`] needs to know of a request that is gone by then; `None` where it has nothing to learn.
    pub(super) fn request_key(&self, request: &Request) -> Option<RequestKey> {
        let origin = self.basic_allowed().map(|_| request.url.origin().ascii_serialization())?;
        Some(RequestKey((self.connection.instance_id, origin)))
    }

    /// Puts the credentials on `request`.
    pub(super) fn authorize(&self, request: &mut Request, token: Option<&Token>) -> Result<()> {
        let challenge = self.known(request);
        authorize(request, self.authentication, self.connection, token, challenge.as_deref())
    }
}

impl Challenge {
    /// The value of the header that answers it.
    pub(super) fn answer(&self, username: &str, password: &str, request: &Request) -> Result<String> {
        let digest = match self {
            Self::Basic => return Ok(basic(username, password)),
            Self::Digest(digest) => digest,
        };
        let uri = match request.url.query() {
            Some(query) => format!("{}?{query}", request.url.path()),
            None => request.url.path().to_owned(),
        };
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| Error::internal(error.to_string()))?;
        Ok(digest.answer(username, password, request.method.as_str(), &uri, &hex::encode(random)))
    }
}

/// The instance and origin of a request.
pub(super) struct RequestKey((i64, String));

/// The keys of an instance that signs its calls.
pub(super) fn signer(connection: &Connection, spec: &AwsSignature4Spec) -> Result<Signer> {
    let session_token = match &spec.session_token {
        Some(token) => Some(filled(connection, token)?).filter(|token| !token.is_empty()),
        None => None,
    };
    Ok(Signer {
        access_key: filled(connection, &spec.access_key)?,
        secret_key: filled(connection, &spec.secret_key)?,
        session_token,
        region: rendered(connection, &spec.region)?.unwrap_or_default(),
        service: spec.service.clone(),
    })
}
