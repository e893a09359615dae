// SPDX-License-Identifier: MIT OR Apache-2.0
//! The template dependency structure (appendix A.8.2): what the descriptors of a coded video sequence have in common.

use super::super::bits::BitReader;
use super::MAX_REFERENCES;

/// Templates a structure may have: their ids have six bits.
const MAX_TEMPLATES: usize = 64;
/// Spatial layers told apart, as in AV1.
const MAX_SPATIAL: u8 = 3;
/// Temporal layers told apart, as in AV1.
const MAX_TEMPORAL: u8 = 7;

/// A structure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Structure {
    pub(super) first_template: u8,
    pub(super) templates: Vec<Template>,
    pub(super) chains: u8,
    targets: Vec<Target>,
    resolutions: Vec<(u16, u16)>,
}

/// A decode target: a choice of layers that can be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Target {
    /// Its highest spatial layer.
    pub spatial: u8,
    /// Its highest temporal layer.
    pub temporal: u8,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Template {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    /// Two bits for each decode target.
    pub(super) indications: u64,
    pub(super) references: [u16; MAX_REFERENCES],
    pub(super) reference_count: u8,
}

impl Structure {
    /// The decode targets.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Width and height of a spatial layer's pictures, when the sender says.
    pub fn resolution(&self, spatial: u8) -> Option<(u16, u16)> {
        self.resolutions.get(usize::from(spatial)).copied()
    }

    /// The decode target with the highest layers that are not above those.
    pub fn target_up_to(&self, spatial: u8, temporal: u8) -> Option<u8> {
        let targets = (0u8..).zip(&self.targets);
        targets
            .filter(|(_, t)| t.spatial <= spatial && t.temporal <= temporal)
            .max_by_key(|(_, t)| (t.spatial, t.temporal))
            .map(|(index, _)| index)
    }

    /// Bit mask of the decode targets that are left when a stream is cut down to one of them.
    pub(super) fn targets_within(&self, target: u8) -> u32 {
        let Some(top) = self.targets.get(usize::from(target)) else {
            return u32::MAX;
        };
        let within =
            |(_, t): &(u32, &Target)| t.spatial <= top.spatial && t.temporal <= top.temporal;
        (0u32..)
            .zip(&self.targets)
            .filter(within)
            .fold(0, |mask, (index, _)| mask | 1 << index)
    }

    /// Reads one (`template_dependency_structure`).
    pub(super) fn parse(reader: &mut BitReader<'_>) -> Option<Structure> {
        let first_template = reader.bits(6)? as u8;
        let targets = reader.bits(5)? + 1;
        let mut templates = parse_layers(reader)?;
        for template in &mut templates {
            template.indications = indications(reader, targets)?;
        }
        for template in &mut templates {
            parse_references(reader, template)?;
        }
        let chains = skip_chains(reader, targets, templates.len())?;
        let targets = (0..targets).map(|target| layers_of(&templates, target));
        let targets = targets.collect();
        let spatial_layers = templates.iter().map(|t| t.spatial).max()? + 1;
        let resolutions = parse_resolutions(reader, spatial_layers)?;
        Some(Structure {
            first_template,
            templates,
            chains,
            targets,
            resolutions,
        })
    }
}

/// Two bits for each decode target, the first lowest.
pub(super) fn indications(reader: &mut BitReader<'_>, targets: u32) -> Option<u64> {
    (0..targets).try_fold(0u64, |all, target| {
        Some(all | u64::from(reader.bits(2)?) << (2 * target))
    })
}

/// `template_layers`: the layers of the templates, each relative to the one before.
fn parse_layers(reader: &mut BitReader<'_>) -> Option<Vec<Template>> {
    let (mut spatial, mut temporal) = (0u8, 0u8);
    let mut templates = Vec::new();
    loop {
        if templates.len() == MAX_TEMPLATES || spatial > MAX_SPATIAL || temporal > MAX_TEMPORAL {
            return None;
        }
        templates.push(Template {
            spatial,
            temporal,
            ..Template::default()
        });
        match reader.bits(2)? {
            0 => {}
            1 => temporal += 1,
            2 => (spatial, temporal) = (spatial + 1, 0),
            _ => return Some(templates),
        }
    }
}

/// `template_fdiffs`.
fn parse_references(reader: &mut BitReader<'_>, template: &mut Template) -> Option<()> {
    while reader.bit()? {
        let back = reader.bits(4)? as u16 + 1;
        *template
            .references
            .get_mut(usize::from(template.reference_count))? = back;
        template.reference_count += 1;
    }
    Some(())
}

/// `template_chains`: how many there are. Which frames they lead over matters to receivers that lose some.
fn skip_chains(reader: &mut BitReader<'_>, targets: u32, templates: usize) -> Option<u8> {
    let chains = non_symmetric(reader, targets + 1)?;
    if chains > 0 {
        for _ in 0..targets {
            non_symmetric(reader, chains)?;
        }
        reader.skip(4 * templates * chains as usize)?;
    }
    Some(chains as u8)
}

/// A number below `limit` (AV1 §4.10.7).
fn non_symmetric(reader: &mut BitReader<'_>, limit: u32) -> Option<u32> {
    let width = u32::BITS - limit.leading_zeros();
    let short = (1 << width) - limit;
    let value = reader.bits(width - 1)?;
    if value < short {
        return Some(value);
    }
    Some((value << 1) - short + u32::from(reader.bit()?))
}

/// `decode_target_layers`.
fn layers_of(templates: &[Template], target: u32) -> Target {
    let present = |t: &&Template| t.indications >> (2 * target) & 3 != 0;
    templates
        .iter()
        .filter(present)
        .fold(Target::default(), |top, t| Target {
            spatial: top.spatial.max(t.spatial),
            temporal: top.temporal.max(t.temporal),
        })
}

/// `render_resolutions`, when they are there.
fn parse_resolutions(reader: &mut BitReader<'_>, spatial_layers: u8) -> Option<Vec<(u16, u16)>> {
    if !reader.bit()? {
        return Some(Vec::new());
    }
    let side = |reader: &mut BitReader<'_>| Some((reader.bits(16)? as u16).saturating_add(1));
    (0..spatial_layers)
        .map(|_| Some((side(reader)?, side(reader)?)))
        .collect()
}
