//! Work spread over threads: ranges computed apart, results put together in order, so that threads never change a byte.

use super::float::assert_mode;
use std::num::NonZeroUsize;
use std::ops::Range;

/// Instructions below which starting a thread costs more than it saves.
const WORTH_A_THREAD: u64 = 2_000_000;

/// `f` of consecutive ranges that cover `0..count`, in order; `cost` is the whole work in instructions, about.
pub fn spread<T: Send>(
    threads: NonZeroUsize,
    count: usize,
    cost: u64,
    f: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let parts = usize::try_from(cost / WORTH_A_THREAD)
        .unwrap_or(usize::MAX)
        .clamp(1, threads.get());
    let size = count.div_ceil(parts).max(1);
    // Threads start in the mode of the one that starts them.
    assert_mode();
    let range = |i: usize| i * size..((i + 1) * size).min(count);
    let parts = count.div_ceil(size).max(1);
    if parts == 1 {
        return vec![f(0..count)];
    }
    std::thread::scope(|scope| {
        let f = &f;
        let others: Vec<_> = (1..parts)
            .map(|i| scope.spawn(move || f(range(i))))
            .collect();
        let mut results = vec![f(range(0))];
        for other in others {
            // A panic in a worker is a bug: pass it on.
            results.push(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        results
    })
}
