//! All mutants of a file in one text, each behind a switch.
//!
//! A function's body begins with `match among(3, 5) { 3 => return { … }, … _ => {} }`, a copy of the body for each of its
//! mutants. So a crate is built once, and not once a mutant.

use std::fmt::Write as _;
use std::ops::{Range, RangeInclusive};

use anyhow::{Result, ensure};

use super::bodies::{Body, bodies};
use super::list::Mutant;

/// What [`weave`] calls. Belongs at the end of `lib.rs`, with the number of mutants put in.
const SWITCH: &str = include_str!("../../../mutants/switch.rs");

/// The module of the switch, for so many mutants.
pub(super) fn switch(mutants: usize) -> String {
    SWITCH.replace("MUTANTS + 1", &(mutants + 1).to_string())
}

/// A file with its mutants.
#[derive(Debug)]
pub(super) struct Woven {
    pub(super) text: String,
    pub(super) copies: Vec<Copy>,
    /// Numbers of those that no function's body contains.
    pub(super) left: Vec<u32>,
}

/// Where a mutant's copy stands.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) id: u32,
    /// From 1.
    pub(super) lines: RangeInclusive<usize>,
    /// The first of its function: what the switch calls this function by.
    pub(super) function: u32,
    /// See [`Body::closure`].
    pub(super) closure: bool,
}

/// Weaves mutants of one file, in the order of their numbers.
pub(super) fn weave(text: &str, mutants: &[&Mutant]) -> Result<Woven> {
    let bodies = bodies(text)?;
    let mut woven = Woven { text: String::new(), copies: Vec::new(), left: Vec::new() };
    let mut within: Vec<Vec<(&Mutant, Range<usize>)>> = vec![Vec::new(); bodies.len()];
    for mutant in mutants {
        let range = mutant.range(text)?;
        let body = bodies.iter().position(|body| contains(&body.range, &range));
        match body.and_then(|body| within.get_mut(body)) {
            Some(own) => own.push((mutant, range)),
            None => woven.left.push(mutant.id),
        }
    }
    let mut written = 0;
    for (body, own) in bodies.iter().zip(within).filter(|(_, own)| !own.is_empty()) {
        woven.text.push_str(&text[written..body.range.start]);
        woven.body(text, body, &own)?;
        written = body.range.end;
    }
    woven.text.push_str(&text[written..]);
    Ok(woven)
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

impl Woven {
    fn body(&mut self, text: &str, body: &Body, own: &[(&Mutant, Range<usize>)]) -> Result<()> {
        let (Some((first, _)), Some((last, _))) = (own.first(), own.last()) else { return Ok(()) };
        ensure!(first.id <= last.id, "{first} is numbered after {last}");
        let (first, last) = (first.id, last.id);
        // A closure's expression needs braces to become more than one.
        let (open, close) = if body.closure { ("{", "}") } else { ("", "") };
        writeln!(self.text, "{open} match crate::mutant_switch::among({first}, {last}) {{")?;
        let mut line = self.text.matches('\n').count() + 1;
        for (mutant, range) in own {
            let (before, after) = (&text[body.range.start..range.start], &text[range.end..body.range.end]);
            let copy = format!("{} => return {{\n{before} {} {after}\n}},\n", mutant.id, mutant.replacement);
            let next = line + copy.matches('\n').count();
            let (id, closure) = (mutant.id, body.closure);
            self.copies.push(Copy { id, lines: line..=next - 1, function: first, closure });
            self.text.push_str(&copy);
            line = next;
        }
        write!(self.text, "_ => {{}} }}\n{}{close}", &text[body.range.clone()])?;
        Ok(())
    }
}
