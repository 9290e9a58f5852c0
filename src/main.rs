//! The `resumeguard` program: everything else is in the library.

fn main() -> std::process::ExitCode {
    // One crypto provider for the whole process. It fails only if one was installed before, and there is no before.
    let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
    resumeguard::cli::main()
}
