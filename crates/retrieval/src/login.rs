//! Authentication as IMAP and POP3 share it: the exchange by `protocol::sasl`, the verdict by `directory`.

use directory::{Attempt, Directory, Login, Refusal};
use protocol::sasl::{
    ChannelBindings, Mechanism, Nonce,
    server::{Exchange, Step},
};
use wire::TlsFacts;
use world::World;

/// What an exchange wants after a step.
pub(crate) enum Next {
    /// Send this, and hand in the answer.
    Challenge(Vec<u8>),
    /// The identifier proved itself.
    In(Login),
    /// It did not.
    Out(Refusal),
}

/// The mechanisms to offer. None shows or proves a password where the connection does not protect it.
pub(crate) fn mechanisms(
    tls: Option<&TlsFacts>,
    permitted: bool,
) -> impl Iterator<Item = Mechanism> {
    let binds = tls.is_some_and(|tls| bindings(Some(tls)).any());
    Mechanism::ALL
        .into_iter()
        .filter(move |mechanism| permitted && (binds || !mechanism.binds_channel()))
}

/// The exchange for a mechanism over this connection.
pub(crate) fn exchange(mechanism: Mechanism, tls: Option<&TlsFacts>, world: &World) -> Exchange {
    let bindings = bindings(tls);
    let plus_offered = bindings.any();
    Exchange::new(mechanism, Nonce::new(world.bytes()), bindings, plus_offered)
}

/// Carries an exchange on until the client or nobody is wanted.
pub(crate) async fn advance(
    directory: &Directory,
    attempt: &Attempt,
    exchange: &mut Exchange,
    mut step: Step,
) -> Next {
    loop {
        let verdict = match step {
            Step::Challenge(challenge) => return Next::Challenge(challenge),
            Step::Credentials { identity } => match directory.scram_credentials(&identity).await {
                Ok(credentials) => {
                    step = exchange.credentials(credentials);
                    continue;
                }
                Err(refusal) => Err(refusal),
            },
            Step::Password(claim) => {
                let password = claim.password.expose();
                directory
                    .authenticate(attempt, &claim.identity, password)
                    .await
            }
            Step::Proved { identity } => directory.scram_finished(attempt, &identity, true).await,
            Step::Failed { identity, failure } => {
                tracing::debug!(%failure, mechanism = attempt.mechanism, "authentication failed");
                let identity = identity.unwrap_or_default();
                directory.scram_finished(attempt, &identity, false).await
            }
        };
        return verdict.map_or_else(Next::Out, Next::In);
    }
}

fn bindings(tls: Option<&TlsFacts>) -> ChannelBindings {
    let filled = |data: &[u8]| (!data.is_empty()).then(|| data.to_vec());
    tls.map_or_else(ChannelBindings::none, |tls| ChannelBindings {
        server_end_point: filled(&tls.end_point),
        exporter: filled(&tls.exporter),
    })
}
