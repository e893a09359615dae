// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading descriptors (appendix A.8).

use super::super::bits::BitReader;
use super::structure::{Structure, Template, indications};
use super::{Dependency, MAX_REFERENCES};
use std::sync::Arc;

/// Bytes of a descriptor without extended fields.
const MANDATORY: usize = 3;

/// Reads the descriptors of one stream.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    current: Option<Sequence>,
    /// For packets from before the current structure that come late.
    former: Option<Sequence>,
}

/// A structure, and the frame it came with.
#[derive(Clone, Debug)]
struct Sequence {
    structure: Arc<Structure>,
    first: u16,
}

/// The fields in front of what belongs to the frame.
#[derive(Default)]
pub(super) struct Head {
    pub(super) start_of_frame: bool,
    pub(super) end_of_frame: bool,
    pub(super) template: u8,
    pub(super) frame_number: u16,
    pub(super) structure: Option<Structure>,
    pub(super) has_active_targets: bool,
    custom_indications: bool,
    custom_references: bool,
}

impl Reader {
    /// Reads a descriptor. `None`: it is malformed, or refers to a structure that has not come.
    pub fn read(&mut self, descriptor: &[u8]) -> Option<Dependency> {
        let mut reader = BitReader::new(descriptor);
        let mut head = Head::parse(&mut reader, descriptor.len())?;
        let brings_structure = head.structure.is_some();
        if let Some(structure) = head.structure.take() {
            self.take(structure, head.frame_number);
        }
        let structure = self.structure_of(head.frame_number)?;
        if head.has_active_targets {
            reader.skip(structure.targets().len())?;
        }
        let template = head.template_of(structure)?;
        let mut frame = Dependency {
            start_of_frame: head.start_of_frame,
            end_of_frame: head.end_of_frame,
            frame_number: head.frame_number,
            spatial: template.spatial,
            temporal: template.temporal,
            brings_structure,
            structure: structure.clone(),
            indications: template.indications,
            references: template.references,
            reference_count: template.reference_count,
        };
        if head.custom_indications {
            frame.indications = indications(&mut reader, structure.targets().len() as u32)?;
        }
        if head.custom_references {
            frame.parse_references(&mut reader)?;
        }
        Some(frame)
    }

    fn take(&mut self, structure: Structure, first: u16) {
        let again = self
            .current
            .as_ref()
            .is_some_and(|s| *s.structure == structure);
        if again {
            return;
        }
        let structure = Arc::new(structure);
        self.former = self.current.replace(Sequence { structure, first });
    }

    fn structure_of(&self, frame_number: u16) -> Option<&Arc<Structure>> {
        let current = self.current.as_ref()?;
        let before = frame_number.wrapping_sub(current.first) > 0x8000;
        match &self.former {
            Some(former) if before => Some(&former.structure),
            _ => Some(&current.structure),
        }
    }
}

impl Head {
    /// Everything up to, and not with, the mask of active decode targets.
    pub(super) fn parse(reader: &mut BitReader<'_>, length: usize) -> Option<Head> {
        let mut head = Head {
            start_of_frame: reader.bit()?,
            end_of_frame: reader.bit()?,
            template: reader.bits(6)? as u8,
            frame_number: reader.bits(16)? as u16,
            ..Head::default()
        };
        if length > MANDATORY {
            let has_structure = reader.bit()?;
            head.has_active_targets = reader.bit()?;
            head.custom_indications = reader.bit()?;
            head.custom_references = reader.bit()?;
            // custom_chains_flag
            reader.bit()?;
            if has_structure {
                head.structure = Some(Structure::parse(reader)?);
            }
        }
        Some(head)
    }

    fn template_of<'a>(&self, structure: &'a Structure) -> Option<&'a Template> {
        let index = self.template.wrapping_sub(structure.first_template) & 0x3F;
        structure.templates.get(usize::from(index))
    }
}

impl Dependency {
    /// `frame_fdiffs`.
    fn parse_references(&mut self, reader: &mut BitReader<'_>) -> Option<()> {
        self.references = [0; MAX_REFERENCES];
        self.reference_count = 0;
        loop {
            let size = reader.bits(2)?;
            if size == 0 {
                return Some(());
            }
            let back = reader.bits(4 * size)? as u16 + 1;
            *self.references.get_mut(usize::from(self.reference_count))? = back;
            self.reference_count += 1;
        }
    }
}
