// SPDX-License-Identifier: MIT OR Apache-2.0
//! One packet in, one packet out: the layout of SRTP and SRTCP around the two ciphers.

use super::cm::{self, Cm};
use super::gcm::{self, Gcm};
use super::kdf::Label;
use super::{KeyLengthError, MasterKey, SrtpProfile, read_u32};

/// The first two words of an RTCP packet stay in the clear (RFC 3711 §3.4).
const RTCP_CLEAR: usize = 8;
/// The flag of an encrypted SRTCP packet, in the word that carries its index.
const ENCRYPTED: u32 = 0x8000_0000;
/// Tag and ROC never overlap the payload: RFC 3711 authenticates the ROC after it (§4.2).
const ROC: usize = 4;

/// Session keys of RTP or of RTCP in one direction.
pub(super) enum Transform {
    Gcm(Gcm),
    /// Boxed: its HMAC contexts are 1.7 KiB, four times per session, and nearly all sessions use GCM.
    Cm(Box<Cm>),
}

impl Transform {
    pub(super) fn rtp(
        profile: SrtpProfile,
        master: MasterKey<'_>,
    ) -> Result<Transform, KeyLengthError> {
        Transform::derive(
            profile,
            master,
            [Label::RtpCipher, Label::RtpAuth, Label::RtpSalt],
        )
    }

    pub(super) fn rtcp(
        profile: SrtpProfile,
        master: MasterKey<'_>,
    ) -> Result<Transform, KeyLengthError> {
        Transform::derive(
            profile,
            master,
            [Label::RtcpCipher, Label::RtcpAuth, Label::RtcpSalt],
        )
    }

    fn derive(
        profile: SrtpProfile,
        master: MasterKey<'_>,
        [cipher, auth, salt]: [Label; 3],
    ) -> Result<Transform, KeyLengthError> {
        let fits = master.key.len() == profile.key_len() && master.salt.len() == profile.salt_len();
        let transform = match profile {
            _ if !fits => None,
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                Gcm::derive(master, cipher, salt).map(Transform::Gcm)
            }
            SrtpProfile::Aes128CmSha1_80 => {
                Cm::derive(master, cipher, auth, salt).map(|cm| Transform::Cm(Box::new(cm)))
            }
        };
        transform.ok_or(KeyLengthError(profile))
    }

    pub(super) fn tag_len(&self) -> usize {
        match self {
            Transform::Gcm(_) => gcm::TAG,
            Transform::Cm(_) => cm::TAG,
        }
    }

    /// Seals `buf[..len]`, of which `header` bytes stay in the clear. The sealed length, or `None` when it does not fit.
    pub(super) fn seal_rtp(
        &self,
        buf: &mut [u8],
        header: usize,
        len: usize,
        index: u64,
    ) -> Option<usize> {
        let sealed = len.checked_add(self.tag_len())?;
        if header < 12 || header > len || sealed > buf.len() {
            return None;
        }
        let ssrc = read_u32(buf, 8)?;
        match self {
            Transform::Gcm(gcm) => {
                let (aad, text) = buf.split_at_mut(header);
                let tag = gcm.seal(ssrc, index, aad, &mut text[..len - header])?;
                buf[len..sealed].copy_from_slice(&tag);
            }
            Transform::Cm(cm) => {
                cm.apply(ssrc, index, &mut buf[header..len]);
                buf[len..len + ROC].copy_from_slice(&roc(index));
                let tag = cm.tag(&buf[..len + ROC]);
                buf[len..sealed].copy_from_slice(&tag);
            }
        }
        Some(sealed)
    }

    /// Opens a whole packet, whose header is known to end before its tag. The plain length, or `None` when it is forged.
    pub(super) fn open_rtp(&self, packet: &mut [u8], header: usize, index: u64) -> Option<usize> {
        let len = packet.len().checked_sub(self.tag_len())?;
        let ssrc = read_u32(packet, 8)?;
        let authentic = match self {
            Transform::Gcm(gcm) => {
                let (aad, text) = packet.split_at_mut_checked(header)?;
                gcm.open(ssrc, index, aad, text)
            }
            Transform::Cm(cm) => {
                let tag: [u8; cm::TAG] = packet[len..].try_into().ok()?;
                packet[len..len + ROC].copy_from_slice(&roc(index));
                let authentic = cm.verify(&packet[..len + ROC], &tag);
                if authentic {
                    cm.apply(ssrc, index, packet.get_mut(header..len)?);
                }
                authentic
            }
        };
        authentic.then_some(len)
    }

    /// Seals a compound RTCP packet of at least 8 bytes.
    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, index: u32) -> Option<()> {
        let ssrc = read_u32(packet, 4)?;
        let word = (ENCRYPTED | index).to_be_bytes();
        match self {
            Transform::Gcm(gcm) => {
                let aad = rtcp_aad(packet, word)?;
                let tag = gcm.seal(ssrc, index.into(), &aad, &mut packet[RTCP_CLEAR..])?;
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&word);
            }
            Transform::Cm(cm) => {
                cm.apply(ssrc, index.into(), &mut packet[RTCP_CLEAR..]);
                packet.extend_from_slice(&word);
                let tag = cm.tag(packet);
                packet.extend_from_slice(&tag);
            }
        }
        Some(())
    }

    /// The index of an SRTCP packet, or `None` when it is cut off or not encrypted.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let at = match self {
            Transform::Gcm(_) => packet.len().checked_sub(4)?,
            Transform::Cm(_) => packet.len().checked_sub(4 + cm::TAG)?,
        };
        let word = read_u32(packet, at)?;
        let whole = packet.len() >= RTCP_CLEAR + self.tag_len() + 4;
        (whole && word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)
    }

    /// Opens a packet that has an index. The plain length, or `None` when it is forged.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], index: u32) -> Option<usize> {
        let ssrc = read_u32(packet, 4)?;
        let len = packet.len().checked_sub(self.tag_len() + 4)?;
        let authentic = match self {
            Transform::Gcm(gcm) => {
                let aad = rtcp_aad(packet, (ENCRYPTED | index).to_be_bytes())?;
                let tagged = packet.get_mut(RTCP_CLEAR..len + gcm::TAG)?;
                gcm.open(ssrc, index.into(), &aad, tagged)
            }
            Transform::Cm(cm) => {
                let (signed, tag) = packet.split_at_checked(len + 4)?;
                let authentic = cm.verify(signed, tag);
                if authentic {
                    cm.apply(ssrc, index.into(), packet.get_mut(RTCP_CLEAR..len)?);
                }
                authentic
            }
        };
        authentic.then_some(len)
    }
}

/// The roll-over counter: the upper 32 of the 48 bits of the index.
fn roc(index: u64) -> [u8; ROC] {
    ((index >> 16) as u32).to_be_bytes()
}

/// Header and index word: what RFC 7714 §9.2 authenticates beside the encrypted part.
fn rtcp_aad(packet: &[u8], word: [u8; 4]) -> Option<[u8; RTCP_CLEAR + 4]> {
    let mut aad = [0; RTCP_CLEAR + 4];
    aad[..RTCP_CLEAR].copy_from_slice(packet.get(..RTCP_CLEAR)?);
    aad[RTCP_CLEAR..].copy_from_slice(&word);
    Some(aad)
}

#[cfg(test)]
impl Transform {
    /// Session keys given, not derived: the RFC 7714 vectors start there.
    pub(super) fn gcm_with_session_key(key: &[u8], salt: [u8; 12]) -> Transform {
        Transform::Gcm(Gcm::new(key, salt).expect("a 16 or 32 byte key"))
    }
}
