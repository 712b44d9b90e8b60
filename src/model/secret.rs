//! A value that is wiped when dropped and never printed.

use std::fmt;

use zeroize::Zeroize;

/// Holds key material: not `Clone`, printed as `[secret]`, zeroed on drop.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes ownership of `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Lends the value. Named so that each use stands out in a review.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
