//! Where a test has the passes stand still, as a mistake of ours would: while the file that `RESUMEGUARD_STUCK` names exists, a pass
//! that begins does not end. Compiled out without the feature `failpoints`.

/// Never returns where a test wants that.
#[cfg(feature = "failpoints")]
pub(super) async fn reached() {
    let Some(file) = std::env::var_os("RESUMEGUARD_STUCK") else { return };
    if std::path::Path::new(&file).exists() {
        tracing::warn!(file = %file.display(), "this pass will not end: a test wants it so");
        std::future::pending::<()>().await;
    }
}

#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unused_async, reason = "the other one waits")]
pub(super) async fn reached() {}
