//! What was built, of what: `--version`.

use std::sync::LazyLock;

/// The commit that whoever builds names in `RESUMEGUARD_COMMIT`. Nothing asks git: a source archive builds the same program.
const COMMIT: Option<&str> = option_env!("RESUMEGUARD_COMMIT");

/// What was switched on when it was built.
const FEATURES: &str = if cfg!(feature = "failpoints") { "failpoints" } else { "none" };

/// What `resumeguard --version` says after the version's number; the first line stays what `-V` says.
pub(super) fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let (_, kafka) = rdkafka::util::get_rdkafka_version();
        format!(
            "{}\ncommit: {}\ntarget: {}\nfeatures: {FEATURES}\nprofile: {}\nlibrdkafka: {kafka}\nsqlite: {}",
            env!("CARGO_PKG_VERSION"),
            COMMIT.filter(|commit| !commit.is_empty()).unwrap_or("unknown"),
            target(),
            if cfg!(debug_assertions) { "debug" } else { "release" },
            rusqlite::version(),
        )
    });
    &LONG
}

/// The processor, the system and its C library, as `x86_64-linux-gnu`.
fn target() -> String {
    let environment = if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "gnu") {
        "-gnu"
    } else {
        ""
    };
    format!("{}-{}{environment}", std::env::consts::ARCH, std::env::consts::OS)
}
