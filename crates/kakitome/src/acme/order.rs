//! One order: the account, the proofs (http-01 or tls-alpn-01), and the certificate.

use std::{fs, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use instant_acme::{
    Account, AccountBuilder, AccountCredentials, AuthorizationStatus, ChallengeType,
    Error as AcmeError, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, KeyPair};
use store::{AccountId, Recorded, acme};
use trail::{Actor, Event, Kind};

use super::answer::Answers;
use crate::{
    settings::{AcmeRules, Challenge},
    site::Site,
};

/// The authority does not know the account (RFC 8555, section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
/// How long it is asked whether the authority is done.
const PATIENCE: Duration = Duration::from_secs(240);

/// The chain, leaf first, as PEM, for the key that the site has.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn certificate(site: &Site, rules: &AcmeRules) -> Result<String, String> {
    let settings = site.settings();
    let key_file = site.path.join(&settings.tls.key);
    let request = request(&key_file, rules)?;
    let names: Vec<Identifier> = rules.names.iter().cloned().map(Identifier::Dns).collect();
    let wanted = NewOrder::new(&names);
    let account = account(site, rules).await?;
    let ordered = match account.new_order(&wanted).await {
        Err(AcmeError::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            tracing::warn!(
                directory = rules.directory,
                "the authority does not know this site's account any more: another is made"
            );
            let account = new_account(builder(rules)?, site, rules).await?;
            account.new_order(&wanted).await
        }
        ordered => ordered,
    };
    let mut order = ordered.map_err(|e| format!("the order was not taken: {e}"))?;
    let answers = Answers::listen(site, rules)?;
    prove(&mut order, rules.challenge, &answers).await?;
    let patience = RetryPolicy::new().timeout(PATIENCE);
    let status = order.poll_ready(&patience).await;
    let status = status.map_err(|e| format!("asking how the proof stands: {e}"))?;
    if status != OrderStatus::Ready {
        return Err(refusals(&mut order, status).await);
    }
    order
        .finalize_csr(&request)
        .await
        .map_err(|e| format!("the request for the certificate was not taken: {e}"))?;
    order
        .poll_certificate(&patience)
        .await
        .map_err(|e| format!("the certificate did not come: {e}"))
}

/// The request, signed with the key in the file.
fn request(key_file: &std::path::Path, rules: &AcmeRules) -> Result<Vec<u8>, String> {
    let shown = key_file.display();
    let pem = fs::read_to_string(key_file).map_err(|e| format!("{shown} cannot be read: {e}"))?;
    let key = KeyPair::from_pem(&pem).map_err(|e| format!("{shown} cannot be used: {e}"))?;
    let mut wanted = CertificateParams::new(rules.names.clone()).map_err(|e| e.to_string())?;
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    let request = wanted.serialize_request(&key).map_err(|e| e.to_string())?;
    Ok(request.der().to_vec())
}

/// The account of this site at the authority, made at the first time.
async fn account(site: &Site, rules: &AcmeRules) -> Result<Account, String> {
    let builder = builder(rules)?;
    if let Some(known) = known(site, rules).await? {
        return builder
            .from_credentials(known)
            .await
            .map_err(|e| format!("the authority cannot be reached: {e}"));
    }
    new_account(builder, site, rules).await
}

fn builder(rules: &AcmeRules) -> Result<AccountBuilder, String> {
    let builder = match &rules.ca_file {
        Some(file) => Account::builder_with_root(file),
        None => Account::builder(),
    };
    builder.map_err(|e| format!("TLS to the authority cannot be set up: {e}"))
}

/// An account that takes the place of the one before, if there was one.
async fn new_account(
    builder: AccountBuilder,
    site: &Site,
    rules: &AcmeRules,
) -> Result<Account, String> {
    let contact: Vec<&str> = rules.contact.iter().map(String::as_str).collect();
    let wish = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = builder
        .create(&wish, rules.directory.clone(), None)
        .await
        .map_err(|e| format!("no account could be made at the authority: {e}"))?;
    keep(site, rules, &credentials)
        .await
        .map_err(|e| format!("the account at the authority could not be kept: {e}"))?;
    Ok(account)
}

async fn known(site: &Site, rules: &AcmeRules) -> Result<Option<AccountCredentials>, String> {
    let directory = rules.directory.clone();
    let secret = site
        .store
        .read(move |snapshot| -> Result<_, store::Error> {
            let Some(secret) = acme::of(snapshot, &directory)? else {
                return Ok(None);
            };
            let damaged = |e: data_encoding::DecodeError| {
                store::Error::Corrupt(format!("the account at {directory}: {e}"))
            };
            let sealed = BASE64URL_NOPAD.decode(secret.as_bytes()).map_err(damaged)?;
            let plain = snapshot.open_note(AccountId::QUEUE, &sealed)?;
            Ok(Some(zeroize::Zeroizing::new(plain)))
        })
        .await
        .map_err(|e| format!("the account at the authority cannot be read: {e}"))?;
    let Some(secret) = secret else {
        return Ok(None);
    };
    serde_json::from_slice(&secret)
        .map(Some)
        .map_err(|e| format!("the account at the authority cannot be read: {e}"))
}

async fn keep(
    site: &Site,
    rules: &AcmeRules,
    credentials: &AccountCredentials,
) -> Result<(), store::Error> {
    let plain = serde_json::to_vec(credentials)
        .map_err(|e| store::Error::Corrupt(format!("the account cannot be written: {e}")))?;
    let plain = zeroize::Zeroizing::new(plain);
    let directory = rules.directory.clone();
    let event = Event::new(Kind::CertificateAccountMade, Actor::System).subject(directory.clone());
    let work = move |tx: &mut store::Tx<'_>| -> Result<Recorded<()>, store::Error> {
        let sealed = tx.seal_note(AccountId::QUEUE, &plain)?;
        acme::keep(tx, &directory, &BASE64URL_NOPAD.encode(&sealed))?;
        tx.record(&event, ())
    };
    site.store.commit(Vec::new(), work).await.map(drop)
}

/// Has the answers to the authority's questions ready, and asks it to come.
async fn prove(order: &mut Order, by: Challenge, answers: &Answers) -> Result<(), String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization =
            authorization.map_err(|e| format!("what is to be proven cannot be had: {e}"))?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(format!("a name cannot be proven: its proof is {status:?}")),
        }
        let name = authorization.identifier().to_string();
        let kind = match by {
            Challenge::Http => ChallengeType::Http01,
            Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
        };
        let mut challenge = authorization
            .challenge(kind)
            .ok_or_else(|| format!("the authority does not offer {}", by.name()))?;
        let answer = challenge.key_authorization();
        match by {
            Challenge::Http => answers.put(&challenge.token, answer.as_str()),
            Challenge::TlsAlpn => answers.show(&name, answer.digest().as_ref())?,
        }
        challenge
            .set_ready()
            .await
            .map_err(|e| format!("the authority was not told that it may come: {e}"))?;
    }
    Ok(())
}

/// What the authority says of proofs that failed.
async fn refusals(order: &mut Order, status: OrderStatus) -> String {
    let mut told = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let problems = state.challenges.iter().filter_map(|one| one.error.as_ref());
        told.extend(problems.map(|problem| format!("{}: {problem}", state.identifier())));
    }
    if told.is_empty() {
        return format!("the order came to {status:?}");
    }
    format!("the proof failed for {}", told.join("; "))
}
