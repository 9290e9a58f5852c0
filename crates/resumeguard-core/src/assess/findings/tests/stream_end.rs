//! RG022: positions at or before the end of a stream.

use super::*;

#[test]
fn rg022_a_token_at_which_the_stream_ended_skips_though_inside_the_window() {
    let ended = |end, namespace: &[(&str, &str)]| {
        let Ok(StoredOffset::Token(position)) = token(FIRST + 60_000, 0) else { unreachable!() };
        let config = namespace.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let offset = Ok(StoredOffset::Token(Position { ends: end, ..position }));
        one(&facts(
            ConnectorFacts { settings: Settings::from_config(&config), ..connector(offset) },
            replica_set(),
        ))
    };
    let (collection, database) = ([("database", "d"), ("collection", "c")], [("database", "d")]);
    let found = |report: ConnectorReport| (report.verdict, report.on_restart, rules(&report));
    let skips = (Verdict::Critical, OnRestart::Skips, vec!["RG022"]);
    let resumes = (Verdict::Safe, OnRestart::Resumes, vec![]);
    assert_eq!(found(ended(StreamEnd::OfCollection, &collection)), skips);
    assert_eq!(found(ended(StreamEnd::OfCollection, &database)), resumes);
    assert_eq!(found(ended(StreamEnd::OfDatabase, &database)), skips);
    assert_eq!(found(ended(StreamEnd::OfDatabase, &[])), resumes);
    assert_eq!(found(ended(StreamEnd::Every, &[])), skips);
}

#[test]
fn rg022_a_collection_that_was_dropped_or_created_anew_since() {
    let namespace = [("database", "shop"), ("collection", "orders")];
    let behind = |offset: Observed<StoredOffset>, uuid: Option<Option<[u8; 16]>>| {
        let mut facts = facts(with_settings(offset, &namespace), replica_set());
        let collections = uuid.into_iter().map(|uuid| ("shop.orders".to_owned(), uuid)).collect();
        facts.deployments.get_mut("rs0").unwrap().collections = collections;
        facts
    };
    let (known, other) = ([7; 16], [8; 16]);
    let event = |uuid| {
        let Ok(StoredOffset::Token(position)) = token(FIRST + 60_000, 1) else { unreachable!() };
        behind(Ok(StoredOffset::Token(Position { collection: Some(known), ..position })), uuid)
    };
    let judged = |facts: &Facts| {
        let report = one(facts);
        (report.verdict, report.on_restart, rules(&report))
    };
    let skips = (Verdict::Critical, OnRestart::Skips, vec!["RG022"]);
    let resumes = (Verdict::Safe, OnRestart::Resumes, vec![]);
    assert_eq!(judged(&event(Some(Some(known)))), resumes);
    assert_eq!(judged(&event(Some(Some(other)))), skips, "created anew");
    assert_eq!(judged(&event(Some(None))), skips, "dropped");
    assert_eq!(judged(&event(None)), resumes, "never read");
    // Once it was seen, a pass in which nobody tells takes nothing back; a position from after it is another matter.
    let (_, dropped) = pass(&Memory::default(), &event(Some(None)), 0);
    let unread = |facts: &Facts| rules(&pass(&dropped, facts, 15).0);
    assert_eq!(unread(&event(None)), ["RG022"], "what was seen stays true");
    let mut moved = event(None);
    for connector in &mut moved.connectors {
        let Ok(StoredOffset::Token(position)) = &mut connector.offset else { unreachable!() };
        position.time = Timestamp { t: LAST + 1, i: 0 };
    }
    assert_eq!(unread(&moved), Vec::<&str>::new());
    let (_, stands) = pass(&Memory::default(), &event(Some(Some(known))), 0);
    assert_eq!(rules(&pass(&stands, &event(None), 15).0), Vec::<&str>::new());
    // A mark names no collection: it is compared with when the change was seen.
    let mark = |t, uuid| behind(token(t, 1), uuid);
    let (_, memory) = pass(&Memory::default(), &mark(LAST - 9, Some(Some(known))), 0);
    let (changed, memory) = pass(&memory, &mark(LAST - 9, Some(None)), 15);
    assert_eq!((changed.verdict, rules(&changed)), (Verdict::Critical, vec!["RG022"]));
    let (unread, memory) = pass(&memory, &mark(LAST - 9, None), 30);
    assert_eq!(rules(&unread), ["RG022"], "what was seen stays true");
    let (past_it, _) = pass(&memory, &mark(LAST, Some(Some(other))), 45);
    assert_eq!((past_it.verdict, rules(&past_it)), (Verdict::Safe, vec![]));
    let (_, none_yet) = pass(&Memory::default(), &mark(LAST - 9, Some(None)), 0);
    assert_eq!(
        rules(&pass(&none_yet, &mark(LAST - 9, Some(Some(known))), 15).0),
        Vec::<&str>::new(),
        "created"
    );
}
