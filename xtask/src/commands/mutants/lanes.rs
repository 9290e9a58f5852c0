//! As many things at a time as there are processors.

use anyhow::Result;
use tokio::task::JoinSet;

/// Does `work` for each item and hands what comes of it to `each`, in the order in which it is done. The first error ends all.
pub(super) async fn in_lanes<I, T, W>(
    items: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> W,
    mut each: impl FnMut(T) -> Result<()>,
) -> Result<()>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let lanes = std::thread::available_parallelism().map_or(1, usize::from);
    let mut items = items.into_iter();
    // What runs is killed when this is dropped.
    let mut running = JoinSet::new();
    loop {
        while running.len() < lanes
            && let Some(item) = items.next()
        {
            running.spawn(work(item));
        }
        let Some(done) = running.join_next().await else { return Ok(()) };
        each(done??)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_is_done_once_or_the_first_error_ends_it() {
        let mut done = Vec::new();
        let collect = |number| {
            done.push(number);
            Ok(())
        };
        in_lanes(0..9, |number| async move { Ok(number) }, collect).await.unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..9).collect::<Vec<i32>>());
        let fail = |number: i32| async move {
            anyhow::ensure!(number < 5, "five");
            Ok(())
        };
        assert_eq!(in_lanes(0.., fail, |()| Ok(())).await.unwrap_err().to_string(), "five");
    }
}
