//! A queue that takes little memory while it is empty.

use std::collections::VecDeque;

/// A FIFO queue. An empty one is a single word: each of many idle sessions has several.
#[derive(Debug)]
pub struct Queue<T> {
    /// `None` if empty.
    #[allow(clippy::box_collection, reason = "one word instead of four while it is empty")]
    items: Option<Box<VecDeque<T>>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: None }
    }
}

impl<T> Queue<T> {
    /// Appends an item.
    pub fn push_back(&mut self, item: T) {
        self.items.get_or_insert_default().push_back(item);
    }

    /// Removes the oldest item.
    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.items.as_mut()?.pop_front();
        self.shrink();
        first
    }

    /// Removes the item at this index.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        let item = self.items.as_mut()?.remove(at);
        self.shrink();
        item
    }

    /// Retains the items for which `keep` returns true.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        if let Some(items) = &mut self.items {
            items.retain(keep);
            self.shrink();
        }
    }

    /// Removes all items.
    pub fn clear(&mut self) {
        self.items = None;
    }

    /// Returns the oldest item.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.items.as_ref()?.front()
    }

    /// Returns the newest item.
    #[must_use]
    pub fn back(&self) -> Option<&T> {
        self.items.as_ref()?.back()
    }

    /// Returns the item at this index.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.items.as_ref()?.get(at)
    }

    /// Returns the number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.as_ref().map_or(0, |items| items.len())
    }

    /// Returns true if there are no items.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items.is_none()
    }

    /// Iterates from the oldest item to the newest.
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
    fn an_empty_queue_has_no_buffer() {
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
        assert!(empty(&queue), "after pop_front");
        queue.push_back(4);
        assert_eq!(queue.remove(0), Some(4));
        assert!(empty(&queue), "after remove");
        queue.push_back(5);
        queue.retain(|_| false);
        assert!(empty(&queue), "after retain");
        queue.extend([]);
        assert!(empty(&queue) && empty(&Queue::from(VecDeque::with_capacity(8))), "from nothing");
        assert_eq!(size_of::<Queue<[u64; 9]>>(), size_of::<usize>());
    }
}
