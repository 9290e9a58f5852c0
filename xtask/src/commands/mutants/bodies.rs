//! Where a mutant can be switched on while the program runs.

use std::ops::Range;

use anyhow::{Context as _, Result};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Block, ExprClosure, ImplItemFn, ItemFn, ReturnType, Signature, TraitItemFn};

/// Code that `return` leaves: copies of it can stand before it, each of which is taken where its mutant is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// Bytes of the text: what stands between a function's braces, or a closure's whole expression.
    pub(super) range: Range<usize>,
    /// Its type is inferred, from the copies too: one that does not compile says nothing about its mutant.
    pub(super) closure: bool,
}

/// The outermost ones of a file, in order, none within another.
///
/// Left out is what the compiler itself evaluates (constants, `const fn`), and what returns an `impl Trait`: the copies'
/// types would differ. Closures within the latter are taken.
pub(super) fn bodies(text: &str) -> Result<Vec<Body>> {
    let file = syn::parse_file(text).context("cannot be parsed")?;
    let mut found = Found::default();
    found.visit_file(&file);
    found.0.sort_by_key(|body| body.range.start);
    Ok(found.0)
}

#[derive(Default)]
struct Found(Vec<Body>);

impl Found {
    /// Returns whether the function is done with, whatever it contains.
    fn add(&mut self, signature: &Signature, block: &Block) -> bool {
        if signature.constness.is_some() {
            return true;
        }
        if returns_impl(&signature.output) {
            return false;
        }
        let braces = block.brace_token.span;
        let range = braces.open().byte_range().end..braces.close().byte_range().start;
        self.0.push(Body { range, closure: false });
        true
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !self.add(&item.sig, &item.block) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !self.add(&item.sig, &item.block) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if item.default.as_ref().is_some_and(|block| !self.add(&item.sig, block)) {
            visit::visit_trait_item_fn(self, item);
        }
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.0.push(Body { range: closure.body.span().byte_range(), closure: true });
    }
}

fn returns_impl(output: &ReturnType) -> bool {
    struct Impl(bool);
    impl Visit<'_> for Impl {
        fn visit_type_impl_trait(&mut self, _: &syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut found = Impl(false);
    found.visit_return_type(output);
    found.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_left_by_return() {
        let text = r#"
            const A: fn() -> u8 = || 1;
            const fn compiled() -> u8 { 2 }
            /// { braces } in "comments
            fn plain() -> char { let ü = "}"; fn nested() {} '}' }
            trait T { fn none(); fn default() -> Option<u8> { Some(3) } }
            impl T for () { fn none() { let f = |x: u8| x + 1; } }
            fn lazy() -> Option<impl Iterator<Item = u8>> { Some([4].into_iter().map(|x| { x + 1 })) }
        "#;
        let found: Vec<_> =
            bodies(text).unwrap().into_iter().map(|b| (text[b.range].trim(), b.closure)).collect();
        let function = |body| (body, false);
        let closure = |body| (body, true);
        assert_eq!(
            found,
            [
                closure("1"),
                function(r#"let ü = "}"; fn nested() {} '}'"#),
                function("Some(3)"),
                function("let f = |x: u8| x + 1;"),
                closure("{ x + 1 }"),
            ]
        );
        assert!(bodies("fn {").is_err());
    }
}
