//! One picture: I420, 8 bits, three planes without padding.
//!
//! Whatever makes pictures makes this, and whatever shows them takes this: cameras, screens,
//! files, the codec, the renderer. The size of the planes always fits the sides, so nobody has
//! to check it again.

use crate::media::error::MediaError;

/// Longest side: twice that of the largest screens in use. Bounds what a file or a camera can
/// make us allocate to 96 MiB.
pub const MAX_SIDE: u32 = 8192;

/// Luma of black in limited range.
pub(super) const BLACK: u8 = 16;
/// Both chroma values of grey.
pub(super) const GREY: u8 = 128;

/// A picture of at least one and at most [`MAX_SIDE`] pixels on each side.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Picture {
    /// A black picture.
    ///
    /// # Errors
    ///
    /// [`MediaError::Picture`] if a side is 0 or longer than [`MAX_SIDE`].
    pub fn new(width: u32, height: u32) -> Result<Self, MediaError> {
        let (luma, chroma) = plane_sizes(width, height)?;
        Ok(Self {
            width,
            height,
            y: vec![BLACK; luma],
            u: vec![GREY; chroma],
            v: vec![GREY; chroma],
        })
    }

    /// A picture of planes that exist already, row by row and without padding: `width` x `height`
    /// samples of luma, half as many of chroma in each direction, rounded up.
    ///
    /// # Errors
    ///
    /// [`MediaError::Picture`] as [`new`](Self::new), and if a plane is of another size.
    pub fn from_planes(
        width: u32,
        height: u32,
        y: Vec<u8>,
        u: Vec<u8>,
        v: Vec<u8>,
    ) -> Result<Self, MediaError> {
        let (luma, chroma) = plane_sizes(width, height)?;
        if y.len() != luma || u.len() != chroma || v.len() != chroma {
            return Err(MediaError::Picture("a plane does not have the size of the picture"));
        }
        Ok(Self { width, height, y, u, v })
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Columns of both chroma planes.
    #[must_use]
    pub const fn chroma_width(&self) -> u32 {
        self.width.div_ceil(2)
    }

    /// Rows of both chroma planes.
    #[must_use]
    pub const fn chroma_height(&self) -> u32 {
        self.height.div_ceil(2)
    }

    /// Luma, 16 (black) to 235 (white).
    #[must_use]
    pub fn y(&self) -> &[u8] {
        &self.y
    }

    /// How blue it is; 128 is grey.
    #[must_use]
    pub fn u(&self) -> &[u8] {
        &self.u
    }

    /// How red it is; 128 is grey.
    #[must_use]
    pub fn v(&self) -> &[u8] {
        &self.v
    }

    /// Luma, to be changed.
    pub fn y_mut(&mut self) -> &mut [u8] {
        &mut self.y
    }

    /// The first chroma plane, to be changed.
    pub fn u_mut(&mut self) -> &mut [u8] {
        &mut self.u
    }

    /// The second chroma plane, to be changed.
    pub fn v_mut(&mut self) -> &mut [u8] {
        &mut self.v
    }

    /// All three planes at once, to be changed.
    pub fn planes_mut(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        (&mut self.y, &mut self.u, &mut self.v)
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

/// Samples of the luma plane and of each chroma plane.
pub(super) fn plane_sizes(width: u32, height: u32) -> Result<(usize, usize), MediaError> {
    if width == 0 || height == 0 {
        return Err(MediaError::Picture("it has no pixels"));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(MediaError::Picture("it is larger than 8192 pixels on a side"));
    }
    Ok((area(width, height), area(width.div_ceil(2), height.div_ceil(2))))
}

/// Both sides are at most [`MAX_SIDE`], so the product fits.
pub(super) fn area(width: u32, height: u32) -> usize {
    side(width) * side(height)
}

/// A side as an index.
pub(super) fn side(length: u32) -> usize {
    usize::try_from(length.min(MAX_SIDE)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_bounded_before_anything_is_allocated() {
        for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, u32::MAX), (16383, 16383)] {
            let picture = Picture::new(width, height);
            assert!(matches!(picture, Err(MediaError::Picture(_))), "{width}x{height}");
        }
        assert_eq!(Picture::new(MAX_SIDE, 1).unwrap().width(), MAX_SIDE);
    }

    #[test]
    fn odd_sides_round_chroma_up() {
        let picture = Picture::new(5, 3).unwrap();
        assert_eq!((picture.y().len(), picture.u().len(), picture.v().len()), (15, 6, 6));
        assert!(Picture::from_planes(5, 3, vec![0; 15], vec![0; 6], vec![0; 6]).is_ok());
        assert!(Picture::from_planes(5, 3, vec![0; 15], vec![0; 2], vec![0; 6]).is_err());
        assert!(Picture::from_planes(5, 3, vec![0; 16], vec![0; 6], vec![0; 6]).is_err());
    }
}
