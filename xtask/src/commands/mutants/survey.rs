//! What becomes of every mutant: most in one program with a switch, the rest built one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use xtask::Progress;

use super::lanes::in_lanes;
use super::ledger::{Ledger, Verdict};
use super::list::Mutant;
use super::outcome::Outcome;
use super::subject::{Subject, hashed};
use super::suite::Suite;
use super::tree::{Built, Refusal, Tree};
use super::weave::{Copy, switch, weave};

/// What a compiler may take for all mutants of a package: many times what it does take.
const WOVEN_SECONDS: u64 = 3600;

/// Tries those of the mutants that nothing is known about yet; says what is known in the end.
pub(super) async fn survey(subject: &Subject, mutants: &[Mutant], progress: &Progress) -> Result<Outcome> {
    std::fs::create_dir_all(&subject.output)?;
    let code = subject.code()?;
    let ledger = Ledger::open(&subject.output.join("results.jsonl"), code.clone())?;
    let plain = Tree::copied(subject, "single", &BTreeSet::new())?;
    let mut survey = Survey { subject, mutants, plain, ledger, progress };
    if mutants.iter().any(|mutant| survey.ledger.verdict(mutant).is_none()) {
        let loom = survey.woven().await?;
        let (package, build) = (loom.tree.package(), build_name(&code, mutants));
        let suite = Suite::measured(loom.programs, package, subject, &build, progress).await?;
        let suite = Arc::new(suite);
        survey.switched(&suite, &loom.copies).await?;
        survey.one_by_one(&suite, &loom.left).await?;
    }
    let verdict = |mutant| survey.ledger.verdict(mutant).with_context(|| format!("not tried: {mutant}"));
    Ok(Outcome::of(
        mutants.iter().map(|mutant| anyhow::Ok((mutant, verdict(mutant)?))).collect::<Result<Vec<_>>>()?,
    ))
}

struct Survey<'a> {
    subject: &'a Subject,
    mutants: &'a [Mutant],
    /// The code as it was in the beginning: people go on working. Where mutants are built one by one, too.
    plain: Tree<'a>,
    ledger: Ledger,
    progress: &'a Progress,
}

/// By file.
type Copies = BTreeMap<String, Vec<Copy>>;

/// All mutants in one program.
struct Loom<'a> {
    tree: Tree<'a>,
    programs: Vec<PathBuf>,
    copies: Vec<Copy>,
    /// Those that must be built by themselves.
    left: BTreeSet<u32>,
}

impl<'a> Survey<'a> {
    /// Weaves and builds, without what does not compile, until the compiler has nothing to say: it stops at the first kind of
    /// error, so that takes it a few times.
    async fn woven(&mut self) -> Result<Loom<'a>> {
        let tree = Tree::copied(self.subject, "woven", &self.woven_files())?;
        let step = self.progress.step(format!("build {} mutants into one program", self.mutants.len()));
        let mut left = BTreeSet::new();
        let mut refused: BTreeSet<u32> = self.of_verdict(Verdict::Unviable);
        loop {
            let out = |id: &u32| refused.contains(id) || left.contains(id);
            let (copies, outside) = self.write(&tree, |mutant| !out(&mutant.id))?;
            let known = copies.values().flatten().count();
            step.note(format!("{known} switched, {} do not compile", refused.len()));
            let refusals = match tree.build(WOVEN_SECONDS).await? {
                Built::Endless => bail!("takes more than {WOVEN_SECONDS} s to compile: name fewer files"),
                Built::Programs(programs) => {
                    left.extend(outside);
                    step.done(&format!("{known} switched, {} to be built by themselves", left.len()));
                    return Ok(Loom {
                        tree,
                        programs,
                        copies: copies.into_values().flatten().collect(),
                        left,
                    });
                }
                Built::Refused(refusals) => refusals,
            };
            let found: Vec<&Copy> = refusals.iter().filter_map(|refusal| at(refusal, &copies)).collect();
            if found.is_empty() {
                bail!(
                    "does not build, whatever the mutant:\n{}",
                    refusals.iter().map(|refusal| refusal.text.as_str()).collect::<String>()
                );
            }
            for copy in found {
                if copy.closure {
                    left.insert(copy.id);
                } else if refused.insert(copy.id) {
                    let mutant = self.mutant(copy.id)?.clone();
                    self.ledger.add(&mutant, Verdict::Unviable, None)?;
                }
            }
        }
    }

    /// Writes the sources with those mutants; returns the copies by file, and what no body contains.
    fn write(&self, tree: &Tree<'_>, with: impl Fn(&Mutant) -> bool) -> Result<(Copies, Vec<u32>)> {
        // Each of them, lest copies that were refused stay where no others are left.
        let mut by_file: BTreeMap<&Path, Vec<&Mutant>> =
            self.woven_files().into_iter().map(|file| (file, Vec::new())).collect();
        for mutant in self.mutants.iter().filter(|mutant| with(mutant)) {
            by_file.entry(Path::new(&mutant.file)).or_default().push(mutant);
        }
        let (mut copies, mut outside) = (BTreeMap::new(), Vec::new());
        for (file, mutants) in by_file {
            let woven = weave(&self.plain.read(file)?, &mutants)
                .with_context(|| format!("cannot weave {}", file.display()))?;
            let library = file == self.subject.library;
            let switch = if library { switch(self.mutants.len()) } else { String::new() };
            tree.write(file, (woven.text + &switch).as_bytes())?;
            copies.insert(file.display().to_string(), woven.copies);
            outside.extend(woven.left);
        }
        Ok((copies, outside))
    }

    /// Those with a mutant or with the switch.
    fn woven_files(&self) -> BTreeSet<&Path> {
        let files = self.mutants.iter().map(|mutant| Path::new(&mutant.file));
        files.chain([self.subject.library.as_path()]).collect()
    }

    /// Tries what is behind the switch.
    async fn switched(&mut self, suite: &Arc<Suite>, copies: &[Copy]) -> Result<()> {
        let mut open: Vec<Copy> = copies.iter().filter(|copy| self.is_open(copy.id)).cloned().collect();
        // Of a run that is interrupted most is known.
        open.sort_by_key(|copy| suite.price(copy.function));
        let step = self.progress.bar("switched mutants", open.len() as u64);
        let with_hints: Vec<_> = open
            .into_iter()
            .map(|copy| Ok((copy.id, copy.function, self.ledger.likely(self.mutant(copy.id)?))))
            .collect::<Result<_>>()?;
        let suite = Arc::clone(suite);
        let judge = move |(id, function, likely): (u32, u32, Option<String>)| {
            let suite = Arc::clone(&suite);
            async move { Ok((id, suite.judge(id, Some(function), likely.as_deref()).await?)) }
        };
        let mut done = 0;
        in_lanes(with_hints, judge, |(id, (verdict, by))| {
            done += 1;
            step.set(done);
            self.found(id, verdict, by)
        })
        .await?;
        step.done(&format!("{done} tried"));
        Ok(())
    }

    /// Builds the rest, one after the other.
    async fn one_by_one(&mut self, suite: &Suite, left: &BTreeSet<u32>) -> Result<()> {
        let open: Vec<u32> = left.iter().copied().filter(|id| self.is_open(*id)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let step = self.progress.bar("mutants by themselves", open.len() as u64);
        self.passes_unbroken(suite).await?;
        for (done, id) in (0..).zip(&open) {
            step.set(done);
            let mutant = self.mutant(*id)?.clone();
            let file = Path::new(&mutant.file);
            let text = self.plain.read(file)?;
            self.plain.write(file, mutant.applied(&text)?.as_bytes())?;
            let built = self.plain.build(self.subject.compiler).await?;
            self.plain.write(file, text.as_bytes())?;
            let (verdict, by) = match built {
                Built::Refused(_) => (Verdict::Unviable, None),
                Built::Endless => (Verdict::Endless, None),
                Built::Programs(programs) => {
                    let likely = self.ledger.likely(&mutant);
                    suite.rebuilt(programs)?.judge(*id, None, likely.as_deref()).await?
                }
            };
            self.found(*id, verdict, by)?;
        }
        step.done(&format!("{} tried", open.len()));
        Ok(())
    }

    /// Where the copy fails as it is, every mutant in it would be called caught.
    async fn passes_unbroken(&self, suite: &Suite) -> Result<()> {
        let Built::Programs(programs) = self.plain.build(WOVEN_SECONDS).await? else {
            bail!("the tests do not build, whatever the mutant");
        };
        suite.rebuilt(programs)?.passes().await
    }

    fn found(&mut self, id: u32, verdict: Verdict, by: Option<String>) -> Result<()> {
        let mutant = self.mutant(id)?.clone();
        if verdict == Verdict::Missed {
            self.progress.line(&format!("survives: {mutant}"));
        }
        self.ledger.add(&mutant, verdict, by)
    }

    fn is_open(&self, id: u32) -> bool {
        self.mutant(id).is_ok_and(|mutant| self.ledger.verdict(mutant).is_none())
    }

    fn of_verdict(&self, verdict: Verdict) -> BTreeSet<u32> {
        let those = |mutant: &&Mutant| self.ledger.verdict(mutant) == Some(verdict);
        self.mutants.iter().filter(those).map(|mutant| mutant.id).collect()
    }

    fn mutant(&self, id: u32) -> Result<&Mutant> {
        let index = usize::try_from(id)?.checked_sub(1);
        index.and_then(|index| self.mutants.get(index)).with_context(|| format!("no mutant {id}"))
    }
}

/// The name of the program with the switch: what its functions are called by depends on which mutants it has.
fn build_name(code: &str, mutants: &[Mutant]) -> String {
    let names: String = mutants.iter().map(|mutant| format!("{mutant}\n")).collect();
    format!("{code} {}", hashed(names.as_bytes()))
}

/// The mutant that an error is about.
fn at<'c>(refusal: &Refusal, copies: &'c Copies) -> Option<&'c Copy> {
    refusal
        .places
        .iter()
        .find_map(|(file, line)| copies.get(file)?.iter().find(|copy| copy.lines.contains(line)))
}
