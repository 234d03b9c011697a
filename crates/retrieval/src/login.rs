//! Authentication as IMAP and POP3 share it: the exchange by `protocol::sasl`, the verdict by `directory`.

use directory::{Attempt, Directory, Login, Refusal, ScramExchange};
use protocol::sasl::{
    ChannelBindings, Mechanism, Nonce, Secret,
    server::{self, Step},
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

/// What is said to one whose initial password is good for being changed only.
pub(crate) const INITIAL_PASSWORD: &str =
    "Change the initial password first, on the web page of this server";
/// What is said to one who must have a second factor, and has none.
pub(crate) const SECOND_FACTOR_MISSING: &str = "Add a second factor first, on the web page of this server, and an app password for this program";

/// An exchange under way. One that is dropped in the middle of SCRAM is recorded as abandoned.
pub(crate) struct Exchange {
    machine: server::Exchange,
    scram: Option<ScramExchange>,
    /// Who has proved itself, and has yet to hear of it.
    proved: Option<Login>,
}

impl Exchange {
    /// The first step.
    pub(crate) fn start(&mut self, initial: Option<&Secret>) -> Step {
        self.machine.start(initial)
    }

    /// The step after the client's answer to a challenge.
    pub(crate) fn respond(&mut self, answer: &Secret) -> Step {
        self.machine.respond(answer)
    }
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
    let nonce = Nonce::new(world.bytes());
    Exchange {
        machine: server::Exchange::new(mechanism, nonce, bindings, plus_offered),
        scram: None,
        proved: None,
    }
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
            Step::Credentials { identity } => {
                match directory.begin_scram(attempt, &identity).await {
                    Ok((scram, credentials)) => {
                        exchange.scram = Some(scram);
                        step = exchange.machine.credentials(credentials);
                        continue;
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            Step::Password(claim) => {
                let password = claim.password.expose();
                directory
                    .authenticate(attempt, &claim.identity, password)
                    .await
            }
            Step::Proved { password, .. } => match proved(exchange.scram.take(), password).await {
                Ok(login) => {
                    exchange.proved = Some(login);
                    step = exchange.machine.accept();
                    continue;
                }
                Err(refusal) => Err(refusal),
            },
            Step::Done { .. } => exchange.proved.take().ok_or(Refusal::Temporary),
            Step::Failed { identity, failure } => {
                tracing::debug!(%failure, mechanism = attempt.mechanism, "authentication failed");
                Err(match exchange.scram.take() {
                    Some(scram) => scram.failed(failure).await,
                    None => {
                        let identity = identity.unwrap_or_default();
                        directory
                            .authentication_failed(attempt, &identity, failure)
                            .await
                    }
                })
            }
        };
        return verdict.map_or_else(Next::Out, Next::In);
    }
}

async fn proved(scram: Option<ScramExchange>, password: usize) -> Result<Login, Refusal> {
    match scram {
        Some(scram) => scram.proved(password).await,
        None => Err(Refusal::Temporary),
    }
}

fn bindings(tls: Option<&TlsFacts>) -> ChannelBindings {
    let filled = |data: &[u8]| (!data.is_empty()).then(|| data.to_vec());
    tls.map_or_else(ChannelBindings::none, |tls| ChannelBindings {
        server_end_point: filled(&tls.end_point),
        exporter: filled(&tls.exporter),
    })
}
