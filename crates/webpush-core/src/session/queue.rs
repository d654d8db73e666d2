//! A queue for what is idle most of the time.

use std::collections::VecDeque;

/// First in, first out. Empty it takes one word and no buffer, as there may be very many of them.
#[derive(Debug)]
pub struct Queue<T> {
    /// Never an empty one.
    #[allow(clippy::box_collection, reason = "one word instead of four while there is nothing")]
    items: Option<Box<VecDeque<T>>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: None }
    }
}

impl<T> Queue<T> {
    /// Adds one at the end.
    pub fn push_back(&mut self, item: T) {
        self.items.get_or_insert_default().push_back(item);
    }

    /// Takes the oldest.
    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.items.as_mut()?.pop_front();
        self.shrink();
        first
    }

    /// Takes the one at this place, counted from the oldest.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        let item = self.items.as_mut()?.remove(at);
        self.shrink();
        item
    }

    /// Keeps only those for which this holds.
    pub fn retain(&mut self, holds: impl FnMut(&T) -> bool) {
        if let Some(items) = &mut self.items {
            items.retain(holds);
            self.shrink();
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.items = None;
    }

    /// The oldest.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.items.as_ref()?.front()
    }

    /// The newest.
    #[must_use]
    pub fn back(&self) -> Option<&T> {
        self.items.as_ref()?.back()
    }

    /// The one at this place, counted from the oldest.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.items.as_ref()?.get(at)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.as_ref().map_or(0, |items| items.len())
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items.is_none()
    }

    /// All, from the oldest.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().flat_map(|items| items.iter())
    }

    fn shrink(&mut self) {
        self.items.take_if(|items| items.is_empty());
    }
}

impl<T> From<VecDeque<T>> for Queue<T> {
    fn from(items: VecDeque<T>) -> Self {
        Self { items: (!items.is_empty()).then(|| Box::new(items)) }
    }
}

impl<T> FromIterator<T> for Queue<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        VecDeque::from_iter(items).into()
    }
}

impl<T> Extend<T> for Queue<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.items.get_or_insert_default().extend(items);
        self.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_has_no_buffer() {
        let mut queue: Queue<u32> = [1, 2].into_iter().collect();
        queue.push_back(3);
        assert_eq!(
            (queue.pop_front(), queue.front(), queue.back(), queue.len()),
            (Some(1), Some(&2), Some(&3), 2)
        );
        assert_eq!((queue.remove(1), queue.remove(1), queue.get(0)), (Some(3), None, Some(&2)));
        let empty = |queue: &Queue<u32>| queue.items.is_none() && queue.is_empty();
        assert!(!empty(&queue));
        assert_eq!(queue.pop_front(), Some(2));
        assert!(empty(&queue), "the last was taken");
        queue.push_back(4);
        assert_eq!(queue.remove(0), Some(4));
        assert!(empty(&queue), "the last was taken out");
        queue.push_back(5);
        queue.retain(|_| false);
        assert!(empty(&queue), "none was kept");
        queue.extend([]);
        assert!(empty(&queue) && empty(&Queue::from(VecDeque::with_capacity(8))), "there never were any");
        assert_eq!(size_of::<Queue<[u64; 9]>>(), size_of::<usize>());
    }
}
