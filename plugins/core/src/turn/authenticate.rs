// SPDX-License-Identifier: MIT OR Apache-2.0
//! Long-term credentials (RFC 8489 §9.2.4), and how little a stranger is told.

use super::REALM;
use super::amplification::{self, is_short};
use super::nonce::COOKIE;
use super::path::FiveTuple;
use super::reply::{Caller, Ticket};
use super::server::Server;
use super::stats::Refusal;
use std::time::Instant;
use stun_types::attribute::{
    AttributeStaticType, MessageIntegrity, MessageIntegritySha256, Nonce, PasswordAlgorithm,
    PasswordAlgorithmValue, PasswordAlgorithms, Realm, Username,
};
use stun_types::message::{IntegrityAlgorithm, LongTermKeyCredentials, Message};

/// Bytes of a MESSAGE-INTEGRITY-SHA256 that is not truncated. TURN knows no truncation (RFC 8489 §14.6).
const SHA256: u16 = 32;

impl Server {
    /// Who sent this request.
    pub(super) fn authenticate(
        &self,
        now: Instant,
        path: &FiveTuple,
        request: &Message<'_>,
    ) -> Result<Caller, Refusal> {
        let algorithm = algorithm(request)?;
        let (Ok(name), Ok(realm), Ok(nonce)) = (
            request.attribute::<Username>(),
            request.attribute::<Realm>(),
            request.attribute::<Nonce>(),
        ) else {
            return Err(Refusal::BadRequest);
        };
        let uptime = self.clock.uptime(now);
        if !self.nonces.is_good(nonce.nonce(), path, uptime) {
            return Err(Refusal::StaleNonce);
        }
        if nonce.nonce().starts_with(COOKIE) && !keeps_algorithms(request) {
            return Err(Refusal::BadRequest);
        }
        if realm.realm() != REALM {
            return Err(Refusal::BadCredentials);
        }
        let caller = self.caller(now, path, name.username(), algorithm)?;
        request
            .validate_integrity_with_key(&caller.key)
            .map_err(|_| Refusal::BadCredentials)?;
        Ok(caller)
    }

    /// The one who uses that name, with the key. Who has an allocation may use it as long as it lives, even when the
    /// credentials would not make a new one any more.
    fn caller(
        &self,
        now: Instant,
        path: &FiveTuple,
        name: &str,
        algorithm: IntegrityAlgorithm,
    ) -> Result<Caller, Refusal> {
        if let Some(allocation) = self.clients.get(path).map(|id| &self.allocations[*id])
            && *allocation.owner.name == *name
            && allocation.owner.algorithm == algorithm
            && now < allocation.expires
        {
            return Ok(allocation.owner.clone());
        }
        let credentials = &self.config.credentials;
        let password = credentials.password(name, self.clock.unix(now));
        let password = password.ok_or(Refusal::BadCredentials)?;
        if self.revoked.contains(now, credentials.user(name)) {
            return Err(Refusal::BadCredentials);
        }
        let key = LongTermKeyCredentials::new(name.to_owned(), password, REALM.to_owned());
        Ok(Caller {
            name: name.into(),
            key: key.make_key(algorithm),
            algorithm,
        })
    }

    /// Answers somebody who has not proved anything, if at all.
    pub(super) fn turn_away(
        &mut self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        length: usize,
        why: Refusal,
    ) {
        self.stats.refuse(why);
        if !self.errors.allows(now, path) {
            self.stats.refuse(Refusal::TooManyErrors);
            return;
        }
        let fits = |reply: &Vec<u8>| is_short(path, length, reply, amplification::ERROR);
        let challenge = match why {
            Refusal::BadRequest => None,
            _ => Some(self.challenge(now, path, ticket, why, true))
                .filter(fits)
                .or_else(|| Some(self.challenge(now, path, ticket, why, false)).filter(fits)),
        };
        let bare = || ticket.finish(ticket.error(Refusal::BadRequest.code()));
        if let Some(reply) = challenge.or_else(|| Some(bare()).filter(fits)) {
            self.send(path, reply);
        }
    }

    /// What a client needs to authenticate. A `wide` one offers SHA-256 (RFC 8489 §9.2.1).
    fn challenge(
        &self,
        now: Instant,
        path: &FiveTuple,
        ticket: &Ticket,
        why: Refusal,
        wide: bool,
    ) -> Vec<u8> {
        let nonce = self.nonces.make(path, self.clock.uptime(now), wide);
        let reply = ticket
            .error(why.code())
            .with(&Realm::new(REALM).expect("the realm is short"))
            .with(&Nonce::new(&nonce).expect("a nonce is short"));
        ticket.finish(match wide {
            true => reply.with(&PasswordAlgorithms::new(&ALGORITHMS)),
            false => reply,
        })
    }
}

/// In order of preference.
const ALGORITHMS: [PasswordAlgorithmValue; 2] =
    [PasswordAlgorithmValue::SHA256, PasswordAlgorithmValue::MD5];

/// What a request is signed with.
fn algorithm(request: &Message<'_>) -> Result<IntegrityAlgorithm, Refusal> {
    let sha1 = request.has_attribute(MessageIntegrity::TYPE);
    let sha256 = request.raw_attribute(MessageIntegritySha256::TYPE);
    let signed = match (sha1, &sha256) {
        (false, None) => return Err(Refusal::NoCredentials),
        (_, Some(_)) => IntegrityAlgorithm::Sha256,
        (true, None) => IntegrityAlgorithm::Sha1,
    };
    if sha256.is_some_and(|attribute| attribute.header.length() != SHA256) {
        return Err(Refusal::BadCredentials);
    }
    match request.attribute::<PasswordAlgorithm>() {
        Ok(named) if named.algorithm().as_integrity() != signed => Err(Refusal::BadRequest),
        _ => Ok(signed),
    }
}

/// Nobody on the way may make a client use a weaker algorithm: who uses a nonce that promises algorithms repeats what was
/// offered, or shows by neither attribute that they are unknown to it.
fn keeps_algorithms(request: &Message<'_>) -> bool {
    let offered = request.raw_attribute(PasswordAlgorithms::TYPE);
    let chosen = request.raw_attribute(PasswordAlgorithm::TYPE);
    match (offered, chosen) {
        (None, None) => true,
        (Some(_), Some(_)) => {
            request
                .attribute::<PasswordAlgorithms>()
                .is_ok_and(|offered| offered.algorithms() == ALGORITHMS)
                && request.attribute::<PasswordAlgorithm>().is_ok()
        }
        _ => false,
    }
}
