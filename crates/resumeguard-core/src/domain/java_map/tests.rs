use super::{BYTE_ARRAY, HASH_MAP, JavaMap, JavaMapError, invariants};
use jaded::{Parser, PrimitiveType};
use proptest::prelude::*;

/// Kafka Connect 4.1.1 wrote it: one connector, whose position was removed by REST.
const REAL: &[u8] = include_bytes!("../../../tests/data/standalone_offsets_after_reset.bin");
const KEY: &[u8] = br#"["sa1",{"ns":"mongodb://127.0.0.1:28017/db.sa"}]"#;

type Entry = (Option<Vec<u8>>, Option<Vec<u8>>);

fn map(entries: &[Entry]) -> JavaMap<'_> {
    let entries = entries.iter().map(|(key, value)| (key.as_deref(), value.as_deref())).collect();
    JavaMap { shape: [[0x3F, 0x40, 0, 0], [0, 0, 0, 12], [0, 0, 0, 16]], entries }
}

/// What another reader of Java's serialisation finds.
fn by_jaded(bytes: &[u8]) -> Vec<Entry> {
    let content = Parser::new(bytes).unwrap().read().unwrap();
    let object = content.value().unwrap().object_data().unwrap();
    assert_eq!(object.class_name(), "java.util.HashMap");
    let mut written = object.get_annotation(0).unwrap();
    let (_buckets, size) = (written.read_i32().unwrap(), written.read_i32().unwrap());
    let mut array = || {
        let bytes = written.read_object().unwrap().primitive_array()?;
        Some(
            bytes
                .iter()
                .map(|byte| if let PrimitiveType::Byte(byte) = byte { *byte } else { panic!() })
                .collect(),
        )
    };
    (0..size).map(|_| (array(), array())).collect()
}

#[test]
fn a_real_file_is_read_and_written_byte_for_byte() {
    assert_eq!(JavaMap::parse(REAL).unwrap().entries(), [(Some(KEY), None)]);
    assert!(invariants::check(REAL));
    assert_eq!(format!("{:?}", JavaMap::parse(REAL).unwrap()), "JavaMap { entries: 1, .. }");
}

#[test]
fn every_beginning_of_a_file_is_torn() {
    let three =
        [(Some(KEY.to_vec()), Some(b"{}".to_vec())), (None, None), (Some(Vec::new()), Some(vec![0; 2000]))];
    let bytes = map(&three).to_bytes().unwrap();
    for length in 0..bytes.len() {
        assert_eq!(JavaMap::parse(&bytes[..length]), Err(JavaMapError::Torn { length }));
    }
}

#[test]
fn what_is_something_else_is_refused_where_it_differs() {
    let layout = |bytes: &[u8]| match JavaMap::parse(bytes) {
        Err(JavaMapError::Layout { at }) => at,
        other => panic!("{other:?}"),
    };
    assert_eq!(layout(b"{\"offsets\": []}"), 0);
    let mut tree_map = REAL.to_vec();
    tree_map[19..23].copy_from_slice(b"Tree");
    assert_eq!(layout(&tree_map), 19);
    assert_eq!(layout(&[REAL, b"\x00"].concat()), REAL.len());
    // A negative number of entries, one array of a negative length, and an entry that is a string.
    let at = HASH_MAP.len() + 8 + 2 + 4;
    let mut negative = REAL.to_vec();
    negative[at] = 0xFF;
    assert_eq!(layout(&negative), at);
    let mut negative = REAL.to_vec();
    negative[at + 4 + 1 + BYTE_ARRAY.len()] = 0x80;
    assert_eq!(layout(&negative), at + 4 + 1 + BYTE_ARRAY.len());
    let mut string = REAL.to_vec();
    string[at + 4] = 0x74;
    assert_eq!(layout(&string), at + 4);
    // The second array may not describe its class anew, and the first has nothing to refer to.
    let again = [&REAL[..REAL.len() - 2], &[0x75], BYTE_ARRAY, &[0; 4], &[0x78]].concat();
    assert_eq!(layout(&again), REAL.len() - 1);
}

#[test]
fn a_length_beyond_the_bytes_takes_no_memory() {
    let at = HASH_MAP.len() + 8 + 2 + 4;
    let mut many = REAL.to_vec();
    many[at..at + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(JavaMap::parse(&many), Err(JavaMapError::Layout { at: REAL.len() - 1 }));
    let mut long = REAL.to_vec();
    long[at + 5 + BYTE_ARRAY.len()..][..4].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(JavaMap::parse(&long), Err(JavaMapError::Torn { length: REAL.len() }));
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let twice = [(Some(vec![1]), None), (Some(vec![2]), None), (Some(vec![1]), Some(vec![3]))];
    assert_eq!(JavaMap::parse(&map(&twice).to_bytes().unwrap()), Err(JavaMapError::DuplicateKey));
    // Two keys of nothing are known for what they are before the rest is read.
    let nothing = [(None, None), (None, None)];
    let bytes = map(&nothing).to_bytes().unwrap();
    assert_eq!(JavaMap::parse(&bytes[..bytes.len() - 1]), Err(JavaMapError::DuplicateKey));
    let one = map(&nothing[..1]).to_bytes().unwrap();
    assert_eq!(JavaMap::parse(&one).unwrap().entries(), [(None, None)]);
}

#[test]
fn one_entry_is_removed_replaced_or_added_and_the_others_stay() {
    let entries: Vec<Entry> = (1..=3).map(|n| (Some(vec![n]), Some(vec![n, n]))).collect();
    let before = map(&entries);
    let gone = before.without(&[2]).unwrap();
    assert_eq!(gone, map(&[entries[0].clone(), entries[2].clone()]));
    let other = before.replaced(&[2], Some(&[9])).unwrap();
    assert_eq!(other.entries()[1], (Some(&[2][..]), Some(&[9][..])));
    assert_eq!((other.entries()[0], other.entries()[2]), (before.entries()[0], before.entries()[2]));
    assert_eq!(gone.inserted(&[2], None).unwrap().entries()[2], (Some(&[2][..]), None));
    assert_eq!((before.without(&[4]), before.replaced(&[4], None)), (None, None));
    assert_eq!(before.inserted(&[3], None), None);
}

#[test]
fn errors_are_one_line() {
    let errors = [
        JavaMapError::Torn { length: 7 },
        JavaMapError::Layout { at: 9 },
        JavaMapError::DuplicateKey,
        JavaMapError::TooLong,
    ];
    let said = errors.map(|error| error.to_string());
    assert!(said[0].contains("after 7 bytes") && said[1].contains("byte 9"), "{said:?}");
    assert!(said[2].contains("twice") && said[3].contains("too long"), "{said:?}");
}

#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let corpus = include_str!("../../../tests/data/java-map-corpus.hex");
    let maps = corpus.lines().filter(|line| {
        let pairs = line.as_bytes().chunks(2);
        let bytes: Vec<u8> =
            pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        invariants::check(&bytes)
    });
    assert!(maps.count() > 3);
}

fn an_array() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![1 => Just(None), 9 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Some)]
}

proptest! {
    #[test]
    fn another_reader_finds_the_same(
        entries in prop::collection::btree_map(an_array(), an_array(), 0..20),
    ) {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let bytes = map(&entries).to_bytes().unwrap();
        prop_assert!(invariants::check(&bytes));
        prop_assert_eq!(JavaMap::parse(&bytes), Ok(map(&entries)));
        prop_assert_eq!(by_jaded(&bytes), entries);
    }

    #[test]
    fn one_byte_changed_is_refused_or_a_map_all_the_same(
        entries in prop::collection::btree_map(an_array(), an_array(), 0..6), at: prop::sample::Index, byte: u8,
    ) {
        let mut bytes = map(&entries.into_iter().collect::<Vec<_>>()).to_bytes().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        invariants::check(&bytes);
        bytes.truncate(at);
        prop_assert!(!invariants::check(&bytes));
    }
}
