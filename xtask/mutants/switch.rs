

/// Woven in by `cargo xtask mutants`: which of the mutants in this crate is on, by `MUTANT` in the environment.
mod mutant_switch {
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    enum Way {
        /// The crate as it is.
        Off,
        On(u32),
        /// The crate as it is; every function that is reached is written down once, by its first mutant.
        Recording(File),
    }

    static WAY: OnceLock<Way> = OnceLock::new();

    /// Before `main`: tests count what is allocated, and to read the environment takes memory.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static AT_START: extern "C" fn() = at_start;

    extern "C" fn at_start() {
        WAY.get_or_init(way);
    }

    /// Functions that were written down.
    static REACHED: [AtomicBool; MUTANTS + 1] = [const { AtomicBool::new(false) }; MUTANTS + 1];

    fn way() -> Way {
        if let Ok(path) = std::env::var("MUTANTS_REACHED") {
            return Way::Recording(File::create(path).expect("the file for what is reached"));
        }
        let Some(mutant) = std::env::var("MUTANT").ok().and_then(|number| number.parse().ok()) else {
            return Way::Off;
        };
        // Nothing is gained by further tests, and by a search for the smallest input, once one has failed.
        std::panic::set_hook(Box::new(|_| {
            let thread = std::thread::current();
            let _ = writeln!(std::io::stderr(), "mutant caught by {}", thread.name().unwrap_or_default());
            std::process::exit(101);
        }));
        Way::On(mutant)
    }

    /// The mutant that is on, if it is one of a function's own, which are numbered without a gap; else 0.
    pub(crate) fn among(first: u32, last: u32) -> u32 {
        match WAY.get_or_init(way) {
            Way::On(mutant) if (first..=last).contains(mutant) => *mutant,
            Way::Off | Way::On(_) => 0,
            // Takes no memory, for the same tests.
            Way::Recording(file) => {
                if !REACHED[first as usize].swap(true, Ordering::Relaxed) {
                    (&*file).write_all(&first.to_le_bytes()).expect("what is reached can be written down");
                }
                0
            }
        }
    }
}
