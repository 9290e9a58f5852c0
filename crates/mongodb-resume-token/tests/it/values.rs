//! Documents and arrays, borrowed and owned: what stands in them, in whichever way it is taken out.

use mongodb_resume_token::{Array, ArrayRef, Document, DocumentRef, Value};

/// `{a: [{x: 1}, [1, 2], "žluť"], b: null, a: 7}`
fn document() -> Document {
    let inner: Document = [("x", Value::Int32(1))].into_iter().collect();
    let pair: Array = [Value::Int32(1), Value::Int32(2)].into_iter().collect();
    let values: Array =
        [Value::from(&inner), Value::from(&pair), Value::String("žluť")].into_iter().collect();
    [("a", Value::from(&values)), ("b", Value::Null), ("a", Value::Int32(7))].into_iter().collect()
}

#[test]
fn an_array_gives_its_values_owned_or_borrowed() {
    let document = document();
    let borrowed: ArrayRef<'_> = document.get("a").and_then(Value::as_array).unwrap();
    let owned = borrowed.to_array();
    drop(document);
    assert_eq!((owned.len(), owned.is_empty(), Array::new().is_empty()), (3, false, true));
    assert_eq!(owned.get(2), Some(Value::String("žluť")));
    assert_eq!((owned.get(3), owned.get(usize::MAX)), (None, None));
    assert!((&owned).into_iter().eq(owned.iter()) && owned.view().into_iter().eq(&owned));
    assert_eq!(Value::from(owned.view()), Value::from(&owned));
    assert_eq!(owned.get(1).and_then(Value::as_array).map(ArrayRef::len), Some(2));
    assert_eq!(Value::Null.as_array(), None);
}

#[test]
fn a_document_gives_its_fields_by_name_and_place() {
    let document = document();
    assert_eq!((document.len(), document.get("c")), (3, None));
    // The first of that name.
    assert_eq!(document.get("a"), document.iter().next().map(|(_, value)| value));
    assert_eq!(document.iter().nth(2), Some(("a", Value::Int32(7))));
    assert_eq!(
        (document.iter().nth(3), document.iter().count(), document.iter().skip(1).count()),
        (None, 3, 2)
    );
    let array = document.get("a").and_then(Value::as_array).unwrap();
    let inner: DocumentRef<'_> = array.get(0).and_then(Value::as_document).unwrap();
    assert_eq!(Value::from(inner), Value::from(&inner.to_document()));
    let mut fields = document.iter();
    let hints: Vec<_> = std::iter::from_fn(|| {
        let hint = fields.size_hint();
        fields.next().map(|_| hint)
    })
    .collect();
    assert!(
        hints.iter().rev().enumerate().all(|(after, (least, most))| *least == 1 && most.unwrap() > after)
    );
    assert_eq!((fields.size_hint(), fields.next(), fields.next()), ((0, Some(0)), None, None));
}

#[test]
fn iterators_show_the_values_that_are_to_come() {
    let document = document();
    let mut fields = document.iter();
    let (_, value) = fields.next().unwrap();
    assert_eq!(format!("{fields:?}"), r#"{"b": Null, "a": Int32(7)}"#);
    let mut elements = value.as_array().unwrap().iter();
    elements.next();
    assert_eq!(format!("{elements:?}"), r#"[Array([Int32(1), Int32(2)]), String("žluť")]"#);
}

#[test]
fn arrays_and_documents_are_told_apart_by_what_stands_in_them() {
    let array = |values: &[i32]| values.iter().map(|value| Value::Int32(*value)).collect::<Array>();
    assert_eq!(array(&[1, 2]).view(), array(&[1, 2]).view());
    assert_eq!(array(&[1, 2]), array(&[1, 2]));
    assert_eq!(format!("{:?}", array(&[1, 2])), "[Int32(1), Int32(2)]");
    for other in [&[][..], &[1], &[2, 1], &[1, 2, 3]] {
        assert_ne!(array(&[1, 2]).view(), array(other).view());
        assert_ne!(array(&[1, 2]), array(other));
    }
    let counts = [0, 1, 3].map(|count| array(&vec![7; count]).iter().count());
    assert_eq!(counts, [0, 1, 3]);
    let document = |fields: &[(&str, i32)]| {
        fields.iter().map(|(name, value)| (*name, Value::Int32(*value))).collect::<Document>()
    };
    let one = document(&[("a", 1), ("b", 2)]);
    assert_eq!(one.view(), document(&[("a", 1), ("b", 2)]).view());
    for other in [&[][..], &[("a", 1)], &[("b", 2), ("a", 1)], &[("a", 1), ("c", 2)], &[("a", 1), ("b", 3)]] {
        assert_ne!(one.view(), document(other).view());
        assert_ne!(one, document(other));
    }
    let counts = [0, 1, 3].map(|count| document(&vec![("a", 7); count]).iter().count());
    assert_eq!(counts, [0, 1, 3]);
}
