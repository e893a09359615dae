// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether an element takes a property with a value.

use super::finding::{Fault, Finding};
use super::suggest::{did_you_mean, nearest};
use gst::glib;
use gst::prelude::*;

/// What is wrong with an assignment.
pub(super) struct Complaint {
    fault: Fault,
    message: String,
    help: Option<String>,
    warning: bool,
}

impl Complaint {
    fn new(fault: Fault, message: String, help: Option<String>) -> Complaint {
        Complaint {
            fault,
            message,
            help,
            warning: false,
        }
    }

    /// As a finding at its place.
    pub(super) fn at(self, text: &str, offset: usize) -> Finding {
        let finding = Finding::at(text, offset, self.fault, self.message).help(self.help);
        if self.warning {
            finding.warning()
        } else {
            finding
        }
    }
}

/// What is wrong with `name=value` of an element, if anything is.
pub(super) fn complaint(element: &gst::Element, name: &str, value: &str) -> Option<Complaint> {
    match name.rsplit_once("::") {
        Some((child, property)) => of_child(element, child, property, value),
        None => of_object(&factory_of(element), element.class(), name, value),
    }
}

fn factory_of(element: &gst::Element) -> String {
    let factory = element.factory().map(|factory| factory.name().to_string());
    factory.unwrap_or_else(|| element.name().to_string())
}

fn of_object(
    owner: &str,
    class: &glib::object::ObjectClass,
    name: &str,
    value: &str,
) -> Option<Complaint> {
    let Some(pspec) = class.find_property(name) else {
        let properties = class.list_properties();
        let names: Vec<&str> = properties.iter().map(|pspec| pspec.name()).collect();
        let help = did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("it has {}", names.join(", ")));
        let message = format!("{owner} has no property \"{name}\"");
        return Some(Complaint::new(Fault::UnknownProperty, message, Some(help)));
    };
    if !pspec.flags().contains(glib::ParamFlags::WRITABLE) {
        let message = format!("property {name} of {owner} can only be read");
        return Some(Complaint::new(Fault::BadValue, message, None));
    }
    let help = bad_value(&pspec, value)?;
    let message = format!("property {name} of {owner} does not take \"{value}\"");
    Some(Complaint::new(Fault::BadValue, message, Some(help)))
}

/// What the property takes instead, if it does not take this.
fn bad_value(pspec: &glib::ParamSpec, value: &str) -> Option<String> {
    let kind = pspec.value_type();
    // Objects are given by descriptions of their own, and what has no text form is GStreamer's to judge.
    if kind.is_a(glib::Object::static_type()) {
        return None;
    }
    let Ok(given) = glib::Value::deserialize_with_pspec(value, pspec) else {
        return Some(expected(pspec, value));
    };
    let within = range(pspec, Some(&given)).is_none_or(|(_, within)| within);
    (!within).then(|| expected(pspec, value))
}

fn expected(pspec: &glib::ParamSpec, value: &str) -> String {
    if let Some((range, _)) = range(pspec, None) {
        return format!("it takes {range}");
    }
    if let Some(class) = glib::EnumClass::with_type(pspec.value_type()) {
        let nicks: Vec<&str> = class.values().iter().map(|value| value.nick()).collect();
        if let Some(nick) = nearest(value, nicks.iter().copied()) {
            return format!("did you mean \"{nick}\"?");
        }
        return format!("it takes {}", nicks.join(", "));
    }
    if let Some(class) = glib::FlagsClass::with_type(pspec.value_type()) {
        let nicks: Vec<&str> = class.values().iter().map(|value| value.nick()).collect();
        return format!("it takes {}, joined by +", nicks.join(", "));
    }
    format!("it takes a {}", pspec.value_type().name())
}

/// The numbers that a property takes, and whether a value is one of them.
fn range(pspec: &glib::ParamSpec, given: Option<&glib::Value>) -> Option<(String, bool)> {
    macro_rules! range {
        ($($kind:ty: $number:ty),*) => {
            $(if let Some(pspec) = pspec.downcast_ref::<$kind>() {
                let (min, max) = (pspec.minimum(), pspec.maximum());
                let within = given.and_then(|given| given.get::<$number>().ok());
                let within = within.is_none_or(|given| (min..=max).contains(&given));
                return Some((format!("{min} to {max}"), within));
            })*
        };
    }
    range!(
        glib::ParamSpecInt: i32,
        glib::ParamSpecUInt: u32,
        glib::ParamSpecInt64: i64,
        glib::ParamSpecUInt64: u64,
        glib::ParamSpecFloat: f32,
        glib::ParamSpecDouble: f64
    );
    None
}

/// `sink_0::participant`, `signaller::uri`.
fn of_child(element: &gst::Element, child: &str, property: &str, value: &str) -> Option<Complaint> {
    let owner = factory_of(element);
    if let Some(class) = pad_class(element, child) {
        return of_object(&format!("pad {child} of {owner}"), &class, property, value);
    }
    let Some(proxy) = element.dynamic_cast_ref::<gst::ChildProxy>() else {
        let message = format!("{owner} has no child \"{child}\"");
        let help = format!("{owner} has no children at all: write {property}=…");
        return Some(Complaint::new(Fault::UnknownProperty, message, Some(help)));
    };
    let mut object = proxy.upcast_ref::<glib::Object>().clone();
    for name in child.split("::") {
        let next = object
            .dynamic_cast_ref::<gst::ChildProxy>()
            .and_then(|proxy| proxy.child_by_name(name));
        let Some(next) = next else {
            return Some(no_child(element, &owner, child));
        };
        object = next;
    }
    of_object(
        &format!("{child} of {owner}"),
        object.object_class(),
        property,
        value,
    )
}

fn no_child(element: &gst::Element, owner: &str, child: &str) -> Complaint {
    let message = format!("{owner} has no child \"{child}\"");
    let help =
        "GStreamer says nothing about such a property: it waits for the child, perhaps for ever";
    Complaint {
        warning: element.is::<gst::Bin>(),
        ..Complaint::new(Fault::UnknownProperty, message, Some(help.to_owned()))
    }
}

/// The type of a request pad that does not exist yet.
fn pad_class(
    element: &gst::Element,
    pad: &str,
) -> Option<glib::object::ClassRef<'static, glib::Object>> {
    let templates = element.pad_template_list();
    let template = templates.iter().find(|template| {
        template.presence() == gst::PadPresence::Request
            && super::references::is_of_template(pad, template.name_template())
    })?;
    let kind: glib::Type = template.property("gtype");
    glib::Class::<glib::Object>::from_type(kind)
}
