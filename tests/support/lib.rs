// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests and examples of this repository share.
