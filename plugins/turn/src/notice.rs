// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the application is told: each notice is a signal and an element message with the same fields.

use gst::glib;
use gst::prelude::*;

/// A kind of notice: the name of its signal, and of its fields, which are texts.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [&'static str],
}

impl Kind {
    /// The signal that elements with this kind have.
    pub(crate) fn signal(&self) -> glib::subclass::Signal {
        glib::subclass::Signal::builder(self.name)
            .param_types(self.fields.iter().map(|_| String::static_type()))
            .build()
    }

    /// Posts the message, named after the element and the signal, then emits the signal.
    pub(crate) fn tell(&self, element: &gst::Element, values: &[&str]) {
        let factory = element.factory().map(|factory| factory.name());
        let name = format!("{}-{}", factory.as_deref().unwrap_or("rtcturn"), self.name);
        let mut structure = gst::Structure::new_empty(name);
        for (field, value) in self.fields.iter().zip(values) {
            structure.set(*field, *value);
        }
        let message = gst::message::Element::builder(structure)
            .src(element)
            .build();
        // Without a bus nobody wants to know.
        let _ = element.post_message(message);
        let values: Vec<glib::Value> = values.iter().map(|value| value.to_value()).collect();
        element.emit_by_name_with_values(self.name, &values);
    }
}
