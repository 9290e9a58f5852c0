//! A vector of mostly few items.

/// Where more items than few come one by one, there mostly come some more.
const ROOM: usize = 12;

/// Up to `N` items stand in place, more in an allocation.
#[derive(Debug, Clone)]
pub(crate) enum Row<T, const N: usize> {
    Few { length: u8, items: [T; N] },
    Many(Vec<T>),
}

impl<T: Copy + Default, const N: usize> Default for Row<T, N> {
    #[inline]
    fn default() -> Row<T, N> {
        Row::Few { length: 0, items: [T::default(); N] }
    }
}

impl<T: Copy + Default, const N: usize> Row<T, N> {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Row::Few { length, items } => items.get(..usize::from(*length)).unwrap_or_default(),
            Row::Many(items) => items,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Row::Few { length, items } => items.get_mut(..usize::from(*length)).unwrap_or_default(),
            Row::Many(items) => items,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn push(&mut self, item: T) {
        self.push_one_of(item, usize::MAX);
    }

    /// Without room for more than `most` items, if it is known that there will be no more.
    #[inline]
    pub(crate) fn push_one_of(&mut self, item: T, most: usize) {
        match self {
            Row::Few { length, items } => match items.get_mut(usize::from(*length)) {
                Some(place) => {
                    *place = item;
                    *length += 1;
                }
                None => self.extend_many(&[item]),
            },
            Row::Many(items) => {
                if items.len() == items.capacity() {
                    grow(items, most);
                }
                items.push(item);
            }
        }
    }

    #[inline]
    pub(crate) fn extend_from_slice(&mut self, more: &[T]) {
        if let Row::Few { length, items } = self
            && let start = usize::from(*length)
            && let Some(place) = items.get_mut(start..start + more.len())
            && let Ok(sum) = u8::try_from(start + more.len())
        {
            place.copy_from_slice(more);
            *length = sum;
        } else {
            self.extend_many(more);
        }
    }

    #[inline(never)]
    fn extend_many(&mut self, more: &[T]) {
        if let Row::Few { .. } = self {
            let mut items = Vec::with_capacity(self.len() + more.len() + ROOM);
            items.extend_from_slice(self.as_slice());
            *self = Row::Many(items);
        }
        if let Row::Many(items) = self {
            items.extend_from_slice(more);
        }
    }

    pub(crate) fn truncate(&mut self, to: usize) {
        match self {
            Row::Few { length, .. } => *length = u8::try_from(to).map_or(*length, |to| to.min(*length)),
            Row::Many(items) => items.truncate(to),
        }
    }
}

/// To twice the size, as vectors do, but not beyond what can be needed.
#[cold]
fn grow<T>(items: &mut Vec<T>, most: usize) {
    let more = items.len().min(most.saturating_sub(items.len()));
    items.reserve_exact(more.max(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_is_taken_for_items_that_cannot_come() {
        for most in [70, 100, 129, 1000] {
            let mut row = Row::<u8, 63>::default();
            (0..most).for_each(|_| row.push_one_of(7, most));
            assert_eq!(row.as_slice(), vec![7; most]);
            assert!(matches!(row, Row::Many(items) if items.capacity() <= most.max(63 + 1 + ROOM)));
        }
    }

    #[test]
    fn a_row_is_moved_a_few_times_while_it_grows() {
        let mut row = Row::<u8, 63>::default();
        let mut capacities = Vec::new();
        for _ in 0..10_000 {
            row.push_one_of(7, 10_000);
            if let Row::Many(items) = &row {
                capacities.push(items.capacity());
            }
        }
        capacities.dedup();
        assert!(capacities.len() <= 9 && capacities.is_sorted(), "{capacities:?}");
    }

    #[test]
    fn few_and_many_items_are_the_same_items() {
        for (first, second) in [(0, 0), (0, 63), (0, 64), (63, 0), (63, 1), (62, 1), (1, 300), (300, 1)] {
            let all: Vec<u8> = (0..=u8::MAX).cycle().take(first + second).collect();
            let (mut at_once, mut one_by_one) = (Row::<u8, 63>::default(), Row::<u8, 63>::default());
            at_once.extend_from_slice(&all[..first]);
            at_once.extend_from_slice(&all[first..]);
            all.iter().for_each(|item| one_by_one.push(*item));
            for mut row in [at_once, one_by_one] {
                assert_eq!((row.as_slice(), row.clone().as_mut_slice()), (&all[..], &mut all.clone()[..]));
                assert_eq!(matches!(row, Row::Few { .. }), all.len() <= 63);
                row.truncate(first + second + 1);
                assert_eq!(row.len(), all.len());
                row.truncate(first);
                assert_eq!(row.as_slice(), &all[..first]);
            }
        }
    }
}
